//! Why an alias stands for no model, in words.

use std::fmt;

use super::{Alias, Candidate, CandidateReason, Listing, UnresolvedReason};
use crate::bedrock::resolve::nearest::nearest;

/// Candidates that the text names before it only counts.
const NAMED: usize = 3;

/// Why no candidate of an alias can be passed.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    /// The alias.
    pub alias: &'a Alias,
    /// The models of the region.
    pub listing: &'a Listing<'a>,
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let candidates = &self.alias.candidates;
        for (index, candidate) in candidates.iter().take(NAMED).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            self.explain(candidate, f)?;
        }
        match candidates.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Explanation<'_> {
    fn explain(&self, candidate: &Candidate, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &candidate.text;
        let mut matches = self.listing.matches_of(candidate);
        let Some(model) = matches.next() else {
            write!(f, "{text} matches no listed model")?;
            let ids = self.listing.models.iter().map(|model| (model.id, ""));
            return match nearest(ids, text).as_slice() {
                [] => Ok(()),
                [first, ..] => write!(f, " (nearest: {first})"),
            };
        };
        f.write_str(model.id)?;
        match model.outcome {
            Ok(_) => f.write_str(" has an ID to pass"),
            Err(UnresolvedReason::Candidate(CandidateReason::EndOfLife)) => {
                f.write_str(" has reached its end of life")?;
                model
                    .end_of_life
                    .map_or(Ok(()), |end| write!(f, " ({end})"))
            }
            Err(reason) => write!(f, " has no ID to pass ({})", reason.as_str()),
        }
    }
}

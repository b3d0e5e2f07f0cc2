//! Why an alias stands for no model, in words.

use std::fmt;

use super::{
    Alias, AliasTarget, Candidate, CandidateReason, ListedModel, Listing, UnresolvedReason,
};
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
        write!(f, "{model}")
    }
}

impl Listing<'_> {
    /// Why an alias stands for `after` now, and for `before` no more.
    pub fn why_left(&self, before: &AliasTarget, after: Option<&AliasTarget>) -> String {
        let id = &before.model_id;
        let is_same = after.is_some_and(|after| after.model_id == *id);
        match self.models.iter().find(|model| model.id == id) {
            _ if is_same => format!("the ID to pass for {id} has changed"),
            None => format!("{id} is not listed any more"),
            Some(model) if model.outcome.is_err() => model.to_string(),
            Some(_) => after.map_or_else(
                || format!("{id} is no candidate any more"),
                |after| format!("{} is preferred", after.model_id),
            ),
        }
    }
}

/// The model, and why it is left out.
impl fmt::Display for ListedModel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)?;
        match self.outcome {
            Ok((id, _)) => write!(f, " is invoked with {id}"),
            Err(UnresolvedReason::Candidate(CandidateReason::EndOfLife)) => {
                f.write_str(" has reached its end of life")?;
                self.end_of_life.map_or(Ok(()), |end| write!(f, " ({end})"))
            }
            Err(reason) => write!(f, " has no ID to pass ({})", reason.as_str()),
        }
    }
}

//! The model that a logical name stands for in a region.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::{AliasSpec, RouteKind};
use crate::bedrock::canonical::string;
use crate::bedrock::glob::Glob;
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::natural_order;
use crate::bedrock::policy::NoRouteReason;

mod entry;
mod explanation;
#[cfg(test)]
mod tests;

pub use entry::{AliasEntries, AliasEntry, Unresolved};
pub use explanation::Explanation;

/// An alias that was read from a spec.
#[derive(Clone, Debug)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// Name of its environment variable.
    pub env: String,
    /// In order of preference.
    candidates: Vec<Candidate>,
}

/// A model ID or a glob on model IDs.
#[derive(Clone, Debug)]
struct Candidate {
    text: String,
    glob: Glob,
}

impl From<&AliasSpec> for Alias {
    fn from(spec: &AliasSpec) -> Self {
        let candidate = |text: &String| Candidate {
            text: text.clone(),
            glob: Glob::new(text),
        };
        Self {
            name: spec.name.clone(),
            env: spec.env_name(),
            candidates: spec.models.iter().map(candidate).collect(),
        }
    }
}

/// The model that an alias stands for, and the ID to pass for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AliasTarget {
    /// The model ID.
    pub model_id: String,
    /// The ID to pass: a model ID, a profile ID, or the ARN of an application profile.
    pub invoke_with: String,
    /// The kind of the route that `invoke_with` takes.
    pub route: RouteKind,
    /// `modelLifecycle` as AWS gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Map<String, Value>>,
}

/// Why an alias stands for no model: the reason of the most preferred candidate that the region lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UnresolvedReason {
    /// A reason of the candidate itself.
    Candidate(CandidateReason),
    /// The model has no ID to pass.
    NoRoute(NoRouteReason),
}

/// Why a candidate is left out before its routes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CandidateReason {
    /// The region lists none of the candidates.
    NotListed,
    /// The model has reached its `endOfLifeTime`.
    EndOfLife,
}

impl UnresolvedReason {
    /// The reason as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Candidate(CandidateReason::NotListed) => "NotListed",
            Self::Candidate(CandidateReason::EndOfLife) => "EndOfLife",
            Self::NoRoute(reason) => reason.as_str(),
        }
    }
}

/// The models of a region at a time, as aliases choose among them.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// The preferred model of several that match comes first.
    models: Vec<ListedModel<'a>>,
}

#[derive(Clone, Debug)]
struct ListedModel<'a> {
    id: &'a str,
    facts: &'a InvocationFacts,
    end_of_life: Option<Timestamp>,
    outcome: Result<(&'a str, RouteKind), UnresolvedReason>,
}

impl<'a> Listing<'a> {
    /// Ranks the models of a region: the latest `startOfLifeTime` first, then the greatest ID.
    pub fn new(facts: &'a BTreeMap<String, InvocationFacts>, now: Timestamp) -> Self {
        let mut models: Vec<_> = facts
            .iter()
            .map(|(id, facts)| ListedModel::new(id, facts, now))
            .collect();
        models.sort_by(|a, b| natural_order::compare(b.id, a.id));
        models.sort_by_key(|model| Reverse(model.time("startOfLifeTime")));
        Self { models }
    }

    /// The model that the alias stands for.
    pub fn resolve(&self, alias: &Alias) -> Result<AliasTarget, UnresolvedReason> {
        let chosen = self.matches(alias).find_map(ListedModel::target);
        chosen.ok_or_else(|| {
            self.matches(alias)
                .find_map(|model| model.outcome.as_ref().err().copied())
                .unwrap_or(UnresolvedReason::Candidate(CandidateReason::NotListed))
        })
    }

    /// The first time after which one of the targets has reached its end of life.
    pub fn next_end_of_life<'t>(
        &self,
        targets: impl Iterator<Item = &'t AliasTarget>,
    ) -> Option<Timestamp> {
        targets
            .filter_map(|target| self.models.iter().find(|m| m.id == target.model_id))
            .filter(|model| model.outcome.is_ok())
            .filter_map(|model| model.end_of_life)
            .min()
    }

    /// The models that match a candidate, by preference.
    fn matches(&self, alias: &Alias) -> impl Iterator<Item = &ListedModel<'a>> {
        let candidates = alias.candidates.iter();
        candidates.flat_map(|candidate| self.matches_of(candidate))
    }

    fn matches_of(&self, candidate: &Candidate) -> impl Iterator<Item = &ListedModel<'a>> {
        self.models
            .iter()
            .filter(|model| candidate.glob.is_match(model.id))
    }
}

impl<'a> ListedModel<'a> {
    fn new(id: &'a str, facts: &'a InvocationFacts, now: Timestamp) -> Self {
        let end_of_life = time(facts, "endOfLifeTime");
        let outcome = if end_of_life.is_some_and(|end| end <= now) {
            Err(UnresolvedReason::Candidate(CandidateReason::EndOfLife))
        } else {
            match (facts.invoke_with.as_deref(), facts.route_kind()) {
                (Some(id), Some(route)) => Ok((id, route)),
                _ => Err(UnresolvedReason::NoRoute(
                    facts.no_route_reason().unwrap_or(NoRouteReason::NoRoute),
                )),
            }
        };
        Self {
            id,
            facts,
            end_of_life,
            outcome,
        }
    }

    fn time(&self, field: &str) -> Option<Timestamp> {
        time(self.facts, field)
    }

    fn target(&self) -> Option<AliasTarget> {
        let (invoke_with, route) = self.outcome.ok()?;
        Some(AliasTarget {
            model_id: self.id.to_owned(),
            invoke_with: invoke_with.to_owned(),
            route,
            lifecycle: self.facts.lifecycle.clone(),
        })
    }
}

fn time(facts: &InvocationFacts, field: &str) -> Option<Timestamp> {
    let lifecycle = facts.lifecycle.as_ref()?;
    string(lifecycle, field).parse().ok()
}

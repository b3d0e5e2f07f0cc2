//! The status of a `ClusterBedrockModelMap`: counts, problems and conditions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::children::{DesiredChild, Difference, Progress, is_degraded, progress};
use super::rollout::{Child, Plan, RolloutState};
use crate::api::conditions::{DEGRADED, READY, RECONCILING, STALLED};
use crate::api::{
    BedrockModelMap, ClusterBedrockModelMap, ClusterBedrockModelMapStatus, NamespaceCounts,
    NamespaceProblem,
};
use crate::reconcile::status::events::{Event, Severity};
use crate::reconcile::status::new_condition::{NewCondition, timed};
use crate::text::Listed;

/// Namespaces that the status names.
const MAX_PROBLEMS: usize = 20;
/// Namespaces that a message names before it only counts.
const NAMED_IN_MESSAGE: usize = 5;
/// Characters of a problem's message.
const MAX_MESSAGE: usize = 256;

/// Reason of a namespace with another object of that name.
pub const CONFLICT: &str = "Conflict";
/// Reason of a namespace whose child cannot be written.
pub const WRITE_FAILED: &str = "WriteFailed";
/// Reason of a halted rollout.
pub const ROLLOUT_HALTED: &str = "RolloutHalted";

/// A child that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteProblem {
    /// Another object has its name.
    Conflict,
    /// The message of the API server.
    Failed(String),
}

/// The problems of a status before it is one.
#[derive(Default)]
struct Findings<'a> {
    counts: NamespaceCounts,
    pending: i64,
    conflicting: Vec<&'a str>,
    stalled: Vec<&'a str>,
    degraded: Vec<&'a str>,
    unwritten: Vec<&'a str>,
    problems: Vec<NamespaceProblem>,
}

/// The status that follows from the children and from the writes that failed.
pub fn status(
    map: &ClusterBedrockModelMap,
    desired: &DesiredChild<'_>,
    plan: &Plan,
    failed: &BTreeMap<String, WriteProblem>,
    now: Timestamp,
) -> ClusterBedrockModelMapStatus {
    let before = map.status.clone().unwrap_or_default();
    let mut found = Findings::default();
    for (namespace, child) in &plan.children {
        found.add(namespace, child, failed.get(namespace));
    }
    found.counts.ready_of_matched = format!("{}/{}", found.counts.ready, found.counts.matched);
    let conditions = conditions(map, plan, &found);
    let handled = desired.requested().filter(|token| is_handled(plan, token));
    found.problems.truncate(MAX_PROBLEMS);
    ClusterBedrockModelMapStatus {
        observed_generation: map.metadata.generation,
        conditions: timed(
            conditions.into_iter(),
            &before.conditions,
            map.metadata.generation,
            now,
        ),
        last_handled_refresh_request: handled.or(before.last_handled_refresh_request),
        namespaces: Some(found.counts),
        problems: found.problems,
    }
}

/// Whether every child has handled the requested refresh.
fn is_handled(plan: &Plan, token: &str) -> bool {
    plan.children.values().all(|child| match child {
        Child::Own(child, _) => {
            let status = child.status.as_ref();
            status.and_then(|s| s.last_handled_refresh_request.as_deref()) == Some(token)
        }
        Child::Missing | Child::Foreign => true,
    })
}

impl<'a> Findings<'a> {
    fn add(&mut self, namespace: &'a str, child: &Child, failed: Option<&WriteProblem>) {
        self.counts.matched += 1;
        match (child, failed) {
            (Child::Foreign, _) | (_, Some(WriteProblem::Conflict)) => {
                self.counts.conflicting += 1;
                self.conflicting.push(namespace);
                let message = "another BedrockModelMap has this name; delete or rename it";
                self.problem(namespace, CONFLICT, message);
            }
            (_, Some(WriteProblem::Failed(message))) => {
                self.counts.failed += 1;
                self.unwritten.push(namespace);
                self.problem(namespace, WRITE_FAILED, message);
            }
            (Child::Missing, None) => self.pending += 1,
            (Child::Own(child, difference), None) => self.add_own(namespace, child, *difference),
        }
    }

    fn add_own(&mut self, namespace: &'a str, child: &BedrockModelMap, difference: Difference) {
        let progress = progress(child);
        let is_current = difference == Difference::None;
        if !is_current || progress == Progress::Pending {
            self.pending += 1;
        }
        let is_degraded = is_degraded(child);
        if is_degraded {
            self.counts.degraded += 1;
            self.degraded.push(namespace);
        }
        if progress == Progress::Ready && is_current {
            self.counts.ready += 1;
        }
        if progress == Progress::Stalled {
            self.counts.failed += 1;
            self.stalled.push(namespace);
            self.problem_of(namespace, child, STALLED);
        } else if is_degraded {
            self.problem_of(namespace, child, DEGRADED);
        }
    }

    fn problem_of(&mut self, namespace: &str, child: &BedrockModelMap, kind: &str) {
        let mut conditions = child.status.iter().flat_map(|s| &s.conditions);
        if let Some(condition) = conditions.find(|c| c.type_ == kind) {
            self.problem(namespace, &condition.reason, &condition.message);
        }
    }

    fn problem(&mut self, namespace: &str, reason: &str, message: &str) {
        self.problems.push(NamespaceProblem {
            namespace: namespace.to_owned(),
            reason: reason.to_owned(),
            message: message.chars().take(MAX_MESSAGE).collect(),
        });
    }
}

fn conditions(
    map: &ClusterBedrockModelMap,
    plan: &Plan,
    found: &Findings<'_>,
) -> Vec<NewCondition> {
    let NamespaceCounts { matched, ready, .. } = found.counts;
    let stalled = stalled(map, plan, found);
    let ready = match &stalled {
        Some(stalled) => NewCondition::new(READY, "False", &stalled.reason, &stalled.message),
        None if matched == 0 => {
            let message = "no namespace matches spec.namespaceSelector";
            NewCondition::new(READY, "True", "NoNamespaces", message)
        }
        None if ready == matched => {
            let message = format!("the BedrockModelMaps of all {matched} namespaces are Ready");
            NewCondition::new(READY, "True", "AllReady", message)
        }
        None => {
            let message =
                format!("the BedrockModelMaps of {ready} of {matched} namespaces are Ready");
            NewCondition::new(READY, "False", "NamespacesNotReady", message)
        }
    };
    let reconciling = (found.pending > 0 && stalled.is_none()).then(|| {
        let message = format!(
            "{} of {matched} namespaces wait for their change or refresh",
            found.pending
        );
        NewCondition::new(RECONCILING, "True", "InProgress", message)
    });
    [Some(ready), reconciling, stalled, Some(degraded(found))]
        .into_iter()
        .flatten()
        .collect()
}

fn stalled(
    map: &ClusterBedrockModelMap,
    plan: &Plan,
    found: &Findings<'_>,
) -> Option<NewCondition> {
    let (reason, message) = if let RolloutState::Halted { namespace } = &plan.rollout {
        let name = map.metadata.name.as_deref().unwrap_or_default();
        let message = format!(
            "the template is not changed in further namespaces: BedrockModelMap {namespace}/{name} is Stalled with it; correct the template, or set spec.rollout to Immediate"
        );
        (ROLLOUT_HALTED, message)
    } else if !found.conflicting.is_empty() {
        let names = listed(&found.conflicting);
        let message = format!(
            "another BedrockModelMap has this name in {names}; delete or rename it, or exclude the namespace"
        );
        ("NamespaceConflict", message)
    } else if !found.stalled.is_empty() {
        let names = listed(&found.stalled);
        let message =
            format!("the BedrockModelMap is Stalled in {names}; status.problems says why");
        ("NamespacesStalled", message)
    } else {
        return None;
    };
    Some(NewCondition::new(STALLED, "True", reason, message))
}

fn degraded(found: &Findings<'_>) -> NewCondition {
    if !found.unwritten.is_empty() {
        let names = listed(&found.unwritten);
        let message =
            format!("the BedrockModelMap cannot be written in {names}; retried every minute");
        return NewCondition::new(DEGRADED, "True", WRITE_FAILED, message);
    }
    if !found.degraded.is_empty() {
        let message = format!(
            "the BedrockModelMap is Degraded in {}",
            listed(&found.degraded)
        );
        return NewCondition::new(DEGRADED, "True", "NamespacesDegraded", message);
    }
    let message = "no BedrockModelMap is Degraded";
    NewCondition::new(DEGRADED, "False", "NoneDegraded", message)
}

fn listed(names: &[&str]) -> String {
    let max = NAMED_IN_MESSAGE;
    format!("{} namespaces: {}", names.len(), Listed { names, max })
}

/// The Events of a changed status: one for each transition of `Stalled` and of `Ready`.
pub fn events(
    before: &ClusterBedrockModelMapStatus,
    after: &ClusterBedrockModelMapStatus,
) -> Vec<Event> {
    let of = |status: &ClusterBedrockModelMapStatus, kind: &str| {
        let mut conditions = status.conditions.iter();
        conditions
            .find(|c| c.type_ == kind && c.status == "True")
            .cloned()
    };
    let begun = |kind: &str| {
        let earlier = of(before, kind).map(|c| c.reason);
        of(after, kind).filter(|c| Some(&c.reason) != earlier.as_ref())
    };
    let event = |severity, condition: Condition| Event {
        severity,
        reason: condition.reason,
        note: condition.message.chars().take(MAX_MESSAGE).collect(),
    };
    let warnings = [STALLED, DEGRADED].into_iter().filter_map(begun);
    let warnings = warnings.map(|condition| event(Severity::Warning, condition));
    let ready = begun(READY).map(|condition| event(Severity::Normal, condition));
    warnings.chain(ready).collect()
}

#[cfg(test)]
mod tests;

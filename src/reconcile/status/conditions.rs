//! What the regions' states mean for the resource as a whole: totals and conditions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::conditions::{DEGRADED, READY, RECONCILING, STALLED};
use crate::api::{
    AttemptError, BedrockModelMapStatus, ErrorCode, RegionSource, RegionState, RegionStatus,
    Summary,
};
use crate::reconcile::status::region::to_k8s_time;

/// How many regions a message names before it only counts.
const NAMED_IN_MESSAGE: usize = 5;

/// A condition before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NewCondition {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

impl NewCondition {
    fn new(
        kind: &'static str,
        status: &'static str,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    fn since(self, last_transition_time: Time, generation: Option<i64>) -> Condition {
        Condition {
            type_: self.kind.to_owned(),
            status: self.status.to_owned(),
            reason: self.reason,
            message: self.message,
            observed_generation: generation,
            last_transition_time,
        }
    }
}

/// Totals over the regions.
pub fn summary(regions: &BTreeMap<String, RegionStatus>, source: RegionSource) -> Summary {
    let count = |matches: fn(RegionState) -> bool| {
        let matching = regions.values().filter(|r| matches(r.state)).count();
        i64::try_from(matching).unwrap_or(i64::MAX)
    };
    let total = |field: fn(&RegionStatus) -> i64| regions.values().map(field).sum();
    let absent = count(is_absent);
    let all = count(|_| true);
    let absent_failed = match source {
        RegionSource::Spec => absent,
        RegionSource::Account => 0,
    };
    let asked_for = all - absent + absent_failed;
    let fresh = count(|s| matches!(s, RegionState::Fresh | RegionState::Empty));
    let failed = count(|s| s == RegionState::Failed);
    Summary {
        regions: asked_for,
        regions_fresh: format!("{fresh}/{asked_for}"),
        fresh,
        stale: count(|s| s == RegionState::Stale),
        failed: failed + absent_failed,
        models: total(|r| r.models),
        profiles: total(|r| r.profiles),
        associations: total(|r| r.associations),
        requiring_profile: total(|r| r.requiring_profile),
    }
}

fn is_absent(state: RegionState) -> bool {
    match state {
        RegionState::Unsupported | RegionState::Disabled => true,
        RegionState::Fresh | RegionState::Empty | RegionState::Stale | RegionState::Failed => false,
    }
}

/// The conditions after a refresh, of everything else the status says.
pub fn after_refresh(
    status: &BedrockModelMapStatus,
    source: RegionSource,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let problems = problems(status);
    let findings = [
        Some(ready(status, &problems)),
        stalling(&problems).map(|(subject, error)| {
            NewCondition::new(
                STALLED,
                "True",
                error.code.as_str(),
                described(subject, error),
            )
        }),
        Some(degraded(&status.regions, source)),
    ];
    timed(
        findings.into_iter().flatten(),
        &status.conditions,
        generation,
        now,
    )
}

/// The conditions while an announced refresh is under way.
pub fn while_refreshing(
    status: &BedrockModelMapStatus,
    reason: &'static str,
    message: &'static str,
    spec_is_new: bool,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let kept = status.conditions.iter().filter(|c| {
        c.type_ != RECONCILING && c.type_ != STALLED && !(spec_is_new && c.type_ == READY)
    });
    let findings = [
        spec_is_new.then(|| {
            NewCondition::new(
                READY,
                "Unknown",
                "Refreshing",
                "the latest spec is being tried",
            )
        }),
        Some(NewCondition::new(RECONCILING, "True", reason, message)),
    ];
    let mut conditions = timed(
        findings.into_iter().flatten(),
        &status.conditions,
        generation,
        now,
    );
    conditions.extend(kept.cloned());
    conditions
}

/// The conditions of a resource whose spec cannot be worked with.
pub fn refused(
    status: &BedrockModelMapStatus,
    error: &AttemptError,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let reason = error.code.as_str();
    let findings = [
        NewCondition::new(READY, "False", reason, &error.message),
        NewCondition::new(STALLED, "True", reason, &error.message),
    ];
    let mut conditions = timed(findings.into_iter(), &status.conditions, generation, now);
    // The regions stand as they stood.
    let degraded = status.conditions.iter().find(|c| c.type_ == DEGRADED);
    conditions.push(degraded.cloned().unwrap_or_else(|| {
        let unasked = NewCondition::new(DEGRADED, "Unknown", "NotAsked", "no region was asked yet");
        unasked.since(to_k8s_time(now), generation)
    }));
    conditions
}

/// Whether the spec was refused at the last look, so that no region was asked for it. That can end without a change of
/// the spec: the operator's configuration changes too.
pub fn was_refused(status: &BedrockModelMapStatus) -> bool {
    let reasons = [ErrorCode::RoleNotAllowed, ErrorCode::InvalidSpec].map(ErrorCode::as_str);
    status
        .conditions
        .iter()
        .any(|c| c.type_ == STALLED && reasons.contains(&c.reason.as_str()))
}

/// What keeps the spec from being published as a whole, and what it concerns: first what is grave,
/// and of that first what only a user can mend.
fn problems(status: &BedrockModelMapStatus) -> Vec<(String, &AttemptError)> {
    let account = status
        .account_regions
        .as_ref()
        .and_then(|a| a.error.as_ref())
        .map(|error| ("the account's regions".to_owned(), error));
    let mapping = status
        .mapping
        .as_ref()
        .and_then(|m| m.error.as_ref())
        .map(|error| ("the merged mapping".to_owned(), error));
    let regions = || {
        let errors = status.regions.iter();
        errors.filter_map(|(region, r)| Some((region.clone(), r.error.as_ref()?)))
    };
    let no_region_succeeds = !status
        .regions
        .values()
        .any(|r| matches!(r.state, RegionState::Fresh | RegionState::Empty));
    let unpublished = regions().filter(|(_, error)| error.code.concerns_publication());
    let unanswered = regions().filter(|(_, error)| {
        no_region_succeeds && (error.code.needs_user() || nothing_answered(status))
    });
    let for_a_user = |(_, error): &(String, &AttemptError)| !error.code.needs_user();
    let mut publication: Vec<_> = unpublished.chain(mapping).collect();
    publication.sort_by_key(for_a_user);
    let mut aws: Vec<_> = account.into_iter().chain(unanswered).collect();
    aws.sort_by_key(for_a_user);
    publication.extend(aws);
    publication
}

/// What only a user can mend.
fn stalling<'p, 's>(
    problems: &'p [(String, &'s AttemptError)],
) -> Option<&'p (String, &'s AttemptError)> {
    problems.iter().find(|(_, error)| error.code.needs_user())
}

/// The reason of the condition Stalled, also while a refresh that is under way has taken it back.
pub(super) fn stalled_reason(status: &BedrockModelMapStatus) -> Option<String> {
    let condition = status.conditions.iter().find(|c| c.type_ == STALLED);
    let standing = condition.map(|condition| condition.reason.clone());
    standing.or_else(|| {
        let problems = problems(status);
        stalling(&problems).map(|(_, error)| error.code.as_str().to_owned())
    })
}

/// Whether no region has ever answered, as far as the status tells.
fn nothing_answered(status: &BedrockModelMapStatus) -> bool {
    !status.regions.values().any(has_answered)
}

/// Whether the region has ever answered. The state of a later version reads as Stale, also where
/// nothing is published: only a published ConfigMap makes such a region one that has answered.
pub fn has_answered(region: &RegionStatus) -> bool {
    match region.state {
        RegionState::Fresh | RegionState::Empty => true,
        RegionState::Stale => region.config_map.is_some(),
        RegionState::Failed | RegionState::Unsupported | RegionState::Disabled => false,
    }
}

fn ready(status: &BedrockModelMapStatus, problems: &[(String, &AttemptError)]) -> NewCondition {
    // Where AWS is not reached, what is published stays right.
    let unready = |(_, error): &&(String, &AttemptError)| {
        nothing_answered(status) || error.code.concerns_publication()
    };
    if let Some((subject, error)) = problems.iter().find(unready) {
        let reason = error.code.as_str();
        return NewCondition::new(READY, "False", reason, described(subject, error));
    }
    let summary = status.summary.clone().unwrap_or_default();
    let message = format!(
        "{} regions fresh, {} models and {} inference profiles published",
        summary.regions_fresh, summary.models, summary.profiles
    );
    NewCondition::new(READY, "True", "Published", message)
}

fn described(subject: &str, error: &AttemptError) -> String {
    format!("{subject}: {}", error.message)
}

fn degraded(regions: &BTreeMap<String, RegionStatus>, source: RegionSource) -> NewCondition {
    let failing: Vec<String> = regions
        .iter()
        .filter(|(_, r)| r.state.is_failure(source))
        .map(|(region, r)| {
            let code = r.error.as_ref().map_or("Unknown", |e| e.code.as_str());
            format!("{region} ({:?}, {code})", r.state)
        })
        .collect();
    if failing.is_empty() {
        return NewCondition::new(
            DEGRADED,
            "False",
            "AllRegionsAnswer",
            "every region asked for answers",
        );
    }
    let named = failing
        .iter()
        .take(NAMED_IN_MESSAGE)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = match failing.len().saturating_sub(NAMED_IN_MESSAGE) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let asked_for = summary(regions, source).regions;
    let message = format!(
        "{} of {asked_for} regions fail: {named}{more}",
        failing.len()
    );
    NewCondition::new(DEGRADED, "True", "RegionsFailing", message)
}

fn timed(
    findings: impl Iterator<Item = NewCondition>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    findings
        .map(|finding| {
            let unchanged = before
                .iter()
                .find(|c| c.type_ == finding.kind && c.status == finding.status);
            let since =
                unchanged.map_or_else(|| to_k8s_time(now), |c| c.last_transition_time.clone());
            finding.since(since, generation)
        })
        .collect()
}

#[cfg(test)]
mod tests;

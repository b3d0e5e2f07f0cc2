//! Totals and conditions of the resource, from the states of its regions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{DEGRADED, IDS_AVAILABLE, READY, RECONCILING, STALLED};
use crate::api::{
    AliasesStatus, AttemptError, BedrockModelMapStatus, ErrorCode, RegionSource, RegionState,
    RegionStatus, Summary,
};
use crate::reconcile::status::contention::{self, CONTENDED, Contention};
use crate::reconcile::status::ids_available::ids_available;
use crate::reconcile::status::new_condition::{NewCondition, timed};
use crate::text::Listed;

/// Regions that a message names before it only counts.
const NAMED_IN_MESSAGE: usize = 5;

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
    let expected = all - absent + absent_failed;
    let fresh = count(|s| matches!(s, RegionState::Fresh | RegionState::Empty));
    let failed = count(|s| s == RegionState::Failed);
    let total_of_aliases = |field: fn(&AliasesStatus) -> i64| {
        let aliases = regions.values().filter_map(|r| r.aliases.as_deref());
        aliases.map(field).reduce(|a, b| a + b)
    };
    Summary {
        regions: expected,
        regions_fresh: format!("{fresh}/{expected}"),
        fresh,
        stale: count(|s| s == RegionState::Stale),
        failed: failed + absent_failed,
        models: total(|r| r.models),
        profiles: total(|r| r.profiles),
        associations: total(|r| r.associations),
        requiring_profile: total(|r| r.requiring_profile),
        invocable: regions
            .values()
            .filter(|r| r.config_map.is_some())
            .map(|r| r.invocable)
            .sum(),
        aliases: total_of_aliases(|a| a.resolved),
        aliases_unresolved: total_of_aliases(|a| a.unresolved),
    }
}

fn is_absent(state: RegionState) -> bool {
    match state {
        RegionState::Unsupported | RegionState::Disabled | RegionState::Denied => true,
        RegionState::Fresh | RegionState::Empty | RegionState::Stale | RegionState::Failed => false,
    }
}

/// The conditions after a refresh, derived from the rest of the status.
pub fn after_refresh(
    status: &BedrockModelMapStatus,
    source: RegionSource,
    contended: &[Contention],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let problems = problems(status);
    let findings = [
        Some(ready(status, &problems)),
        stalling(&problems).map(|problem| problem.condition(STALLED, "True")),
        Some(degraded(&status.regions, source, contended)),
        ids_available(&status.regions)
            .map(|ids| NewCondition::new(IDS_AVAILABLE, ids.status, ids.reason, ids.message)),
    ];
    timed(
        findings.into_iter().flatten(),
        &status.conditions,
        generation,
        now,
    )
}

/// The conditions once ConfigMaps are contended, or are no longer, without a refresh.
pub fn with_contention(
    status: &BedrockModelMapStatus,
    source: RegionSource,
    contended: &[Contention],
    now: Timestamp,
) -> Vec<Condition> {
    let renewed = |before: &Condition| {
        let found = degraded(&status.regions, source, contended);
        let generation = before.observed_generation;
        timed(std::iter::once(found), &status.conditions, generation, now)
    };
    let conditions = status.conditions.iter();
    conditions
        .flat_map(|condition| match condition.type_.as_str() {
            DEGRADED => renewed(condition),
            _ => vec![condition.clone()],
        })
        .collect()
}

/// The conditions during an announced refresh.
pub fn while_refreshing(
    status: &BedrockModelMapStatus,
    reason: &'static str,
    message: &str,
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
                "refreshing all regions for the latest spec",
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

/// The conditions of a resource whose spec is refused.
pub fn refused(
    status: &BedrockModelMapStatus,
    error: &AttemptError,
    source: RegionSource,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let reason = error.code.as_str();
    let degraded = if status.regions.is_empty() {
        NewCondition::new(DEGRADED, "Unknown", "NotAsked", "no region queried yet")
    } else {
        degraded(&status.regions, source, &[])
    };
    let findings = [
        NewCondition::new(READY, "False", reason, &error.message),
        NewCondition::new(STALLED, "True", reason, &error.message),
        degraded,
    ];
    let mut conditions = timed(findings.into_iter(), &status.conditions, generation, now);
    conditions.extend(
        status
            .conditions
            .iter()
            .filter(|c| c.type_ == IDS_AVAILABLE)
            .cloned(),
    );
    conditions
}

/// Whether the last reconciliation refused the spec and queried no region. A change of the operator's
/// configuration can end that without a change of the spec.
pub fn was_refused(status: &BedrockModelMapStatus) -> bool {
    let reasons = [ErrorCode::RoleNotAllowed, ErrorCode::InvalidSpec].map(ErrorCode::as_str);
    status
        .conditions
        .iter()
        .any(|c| c.type_ == STALLED && reasons.contains(&c.reason.as_str()))
}

/// An error that keeps part of the spec from being published.
struct Problem<'a> {
    /// The region, or what else failed.
    subject: Cow<'a, str>,
    error: &'a AttemptError,
}

impl Problem<'_> {
    fn is_publication(&self) -> bool {
        self.error.code.concerns_publication()
    }

    fn needs_user(&self) -> bool {
        self.error.code.needs_user()
    }

    fn condition(&self, kind: &'static str, status: &'static str) -> NewCondition {
        let message = format!("{}: {}", self.subject, self.error.message);
        NewCondition::new(kind, status, self.error.code.as_str(), message)
    }
}

/// The problems of publication first, and those that a user can fix first within each kind.
fn problems(status: &BedrockModelMapStatus) -> Vec<Problem<'_>> {
    let account = status
        .account_regions
        .as_ref()
        .and_then(|account| account.error.as_ref())
        .map(|error| (Cow::Borrowed("the account's regions"), error));
    let mapping = status
        .mapping
        .as_ref()
        .and_then(|mapping| mapping.error.as_ref())
        .map(|error| (Cow::Borrowed("the merged mapping"), error));
    let no_region_succeeds = !status
        .regions
        .values()
        .any(|r| matches!(r.state, RegionState::Fresh | RegionState::Empty));
    let nothing_answered = nothing_answered(status);
    // As long as another region succeeds, a region without a response only degrades the resource.
    let regions = status
        .regions
        .iter()
        .filter_map(|(region, r)| Some((Cow::Borrowed(region.as_str()), r.error.as_ref()?)))
        .filter(|(_, error)| {
            error.code.concerns_publication()
                || no_region_succeeds && (error.code.needs_user() || nothing_answered)
        });
    let aliases = status.regions.iter().filter_map(|(region, r)| {
        let error = r.aliases.as_deref()?.error.as_ref()?;
        Some((Cow::Owned(format!("the aliases of {region}")), error))
    });
    let mut problems: Vec<_> = account
        .into_iter()
        .chain(regions)
        .chain(aliases)
        .chain(mapping)
        .map(|(subject, error)| Problem { subject, error })
        .collect();
    problems.sort_by_key(|problem| (!problem.is_publication(), !problem.needs_user()));
    problems
}

/// The first problem that only a user can fix.
fn stalling<'p, 's>(problems: &'p [Problem<'s>]) -> Option<&'p Problem<'s>> {
    problems.iter().find(|problem| problem.needs_user())
}

/// The reason of the condition Stalled, also during an announced refresh, which removes it.
pub(super) fn stalled_reason(status: &BedrockModelMapStatus) -> Option<String> {
    let condition = status.conditions.iter().find(|c| c.type_ == STALLED);
    let standing = condition.map(|condition| condition.reason.clone());
    standing.or_else(|| {
        let problems = problems(status);
        stalling(&problems).map(|problem| problem.error.code.as_str().to_owned())
    })
}

/// Whether no region has ever responded, by the status.
fn nothing_answered(status: &BedrockModelMapStatus) -> bool {
    !status.regions.values().any(has_answered)
}

/// Whether the region has ever answered. The state of a later version reads as Stale, also where
/// nothing is published: only a published ConfigMap makes such a region one that has answered.
pub fn has_answered(region: &RegionStatus) -> bool {
    match region.state {
        RegionState::Fresh | RegionState::Empty => true,
        RegionState::Stale | RegionState::Denied => region.config_map.is_some(),
        // It had no model to publish.
        RegionState::Failed => region.last_success_time.is_some(),
        RegionState::Unsupported | RegionState::Disabled => false,
    }
}

fn ready(status: &BedrockModelMapStatus, problems: &[Problem<'_>]) -> NewCondition {
    // Published content stays valid while AWS is not reached.
    let unready = problems
        .iter()
        .find(|problem| problem.is_publication() || nothing_answered(status));
    if let Some(problem) = unready {
        return problem.condition(READY, "False");
    }
    let summary = status.summary.clone().unwrap_or_default();
    let message = format!(
        "{} regions fresh, {} models and {} inference profiles published",
        summary.regions_fresh, summary.models, summary.profiles
    );
    NewCondition::new(READY, "True", "Published", message)
}

fn degraded(
    regions: &BTreeMap<String, RegionStatus>,
    source: RegionSource,
    contended: &[Contention],
) -> NewCondition {
    let responses = responding(regions, source);
    match contention::message(contended) {
        None => responses,
        Some(message) if responses.status == "True" => {
            let message = format!("{message}; {}", responses.message);
            NewCondition::new(DEGRADED, "True", CONTENDED, message)
        }
        Some(message) => NewCondition::new(DEGRADED, "True", CONTENDED, message),
    }
}

/// The condition Degraded by the responses of the regions.
fn responding(regions: &BTreeMap<String, RegionStatus>, source: RegionSource) -> NewCondition {
    let failing: Vec<String> = regions
        .iter()
        .filter(|(_, r)| r.state.is_failure(source))
        .map(|(region, r)| {
            let code = r.error.as_ref().map_or("Unknown", |e| e.code.as_str());
            format!("{region} ({:?}, {code})", r.state)
        })
        .collect();
    let denied = denied(regions)
        .map(|denied| format!("; {denied}"))
        .unwrap_or_default();
    if failing.is_empty() {
        let message = format!("every region responds{denied}");
        return NewCondition::new(DEGRADED, "False", "AllRegionsAnswer", message);
    }
    let expected = summary(regions, source).regions;
    let listed = Listed {
        names: &failing,
        max: NAMED_IN_MESSAGE,
    };
    let message = format!(
        "{} of {expected} regions fail: {listed}{denied}",
        failing.len()
    );
    NewCondition::new(DEGRADED, "True", "RegionsFailing", message)
}

/// The Denied regions, with the message of the first, which names the policy and the way around.
fn denied(regions: &BTreeMap<String, RegionStatus>) -> Option<String> {
    let denied: Vec<(&str, &AttemptError)> = regions
        .iter()
        .filter(|(_, r)| r.state == RegionState::Denied)
        .filter_map(|(region, r)| Some((region.as_str(), r.error.as_ref()?)))
        .collect();
    let (_, first) = denied.first()?;
    let names: Vec<&str> = denied.iter().map(|(region, _)| *region).collect();
    let listed = Listed {
        names: &names,
        max: NAMED_IN_MESSAGE,
    };
    Some(format!("AWS denies {listed}: {}", first.message))
}

#[cfg(test)]
mod tests;

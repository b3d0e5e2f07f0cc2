//! The Kubernetes Events of a changed status: one for each transition.

use std::collections::BTreeMap;

use crate::api::conditions::STALLED;
use crate::api::{
    AttemptError, BedrockModelMapStatus, ErrorCode, RegionSource, RegionState, RegionStatus,
};
use crate::bedrock::diff::{Change, ChangeKind, Changes, summary};
use crate::reconcile::status::conditions::stalled_reason;
use crate::reconcile::status::contention::{self, CONTENDED};
use crate::text::{Listed, printable};

/// Longest note: the Kubernetes API accepts 1,024 bytes.
pub const MAX_NOTE_BYTES: usize = 1000;
/// Regions that a note names before it only counts.
const NAMED_IN_NOTE: usize = 5;
/// Subject of a failure of the merged mapping, beside the names of regions.
const MERGED_MAPPING: &str = "the merged mapping";

/// Reason: the first content is published.
pub const PUBLISHED: &str = "Published";
/// Reason: regions begin to fail.
pub const REGION_DEGRADED: &str = "RegionDegraded";
/// Reason: policies begin to deny regions.
pub const REGION_DENIED: &str = "RegionDenied";
/// Reason: failed regions respond again.
pub const REGION_RECOVERED: &str = "RegionRecovered";

/// The `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Normal,
    /// A user may have to act.
    Warning,
}

/// An Event before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `type`.
    pub severity: Severity,
    /// One-word reason.
    pub reason: String,
    /// Human-readable details, at most [`MAX_NOTE_BYTES`].
    pub note: String,
}

impl Event {
    fn normal(reason: &str, note: impl Into<String>) -> Self {
        Self::new(Severity::Normal, reason, &note.into())
    }

    fn warning(reason: &str, note: impl Into<String>) -> Self {
        Self::new(Severity::Warning, reason, &note.into())
    }

    /// Makes the note printable: it contains model IDs from AWS.
    fn new(severity: Severity, reason: &str, note: &str) -> Self {
        let mut note = printable(note);
        if note.len() > MAX_NOTE_BYTES {
            note.truncate(note.floor_char_boundary(MAX_NOTE_BYTES - "…".len()));
            note.push('…');
        }
        Self {
            severity,
            reason: reason.to_owned(),
            note,
        }
    }
}

/// Events for the transition `before` → `after`, with these changes of the published content.
pub fn events(
    before: &BedrockModelMapStatus,
    after: &BedrockModelMapStatus,
    changes: &Changes,
    source: RegionSource,
) -> Vec<Event> {
    let mut events = Vec::new();
    let first = !is_published(before) && is_published(after);
    if first {
        events.push(published(after));
    }
    let (failed, fails) = (failing(before, source), failing(after, source));
    events.extend(begun(&failed, &fails));
    let stalled = stalled(before, after);
    if let Some(stalled) = stalled.filter(|s| events.iter().all(|e| e.reason != s.reason)) {
        events.push(stalled);
    }
    events.extend(contended(before, after));
    events.extend(ended(after, &failed, &fails));
    events.extend(ambiguous_names(before, after));
    events.extend(unmatched_excludes(before, after));
    if !first {
        let new_spec = before.observed_generation != after.observed_generation;
        events.extend(changed(changes, new_spec));
    }
    events
}

fn is_published(status: &BedrockModelMapStatus) -> bool {
    status.regions.values().any(|r| r.config_map.is_some())
}

fn published(status: &BedrockModelMapStatus) -> Event {
    let summary = status.summary.clone().unwrap_or_default();
    let note = format!(
        "{} models and {} inference profiles published, {} regions fresh",
        summary.models, summary.profiles, summary.regions_fresh
    );
    Event::normal(PUBLISHED, note)
}

/// Reason and error of each failing or Denied region, and of the merged mapping.
fn failing(
    status: &BedrockModelMapStatus,
    source: RegionSource,
) -> BTreeMap<&str, (&'static str, &AttemptError)> {
    let regions = status.regions.iter().filter_map(|(region, r)| {
        let error = r.error.as_ref()?;
        let reason = region_reason(r, error, source)?;
        Some((region.as_str(), (reason, error)))
    });
    let mapping = status.mapping.as_ref().and_then(|m| m.error.as_ref());
    regions
        .chain(mapping.map(|error| (MERGED_MAPPING, (reason(error.code), error))))
        .collect()
}

/// The Event reason of a region. A Denied region causes an Event also where it degrades nothing.
fn region_reason(
    region: &RegionStatus,
    error: &AttemptError,
    source: RegionSource,
) -> Option<&'static str> {
    if region.state == RegionState::Denied {
        return Some(REGION_DENIED);
    }
    region.state.is_failure(source).then(|| reason(error.code))
}

/// The Event reason of an error code. A region whose code changes within one reason causes no Event.
fn reason(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::RoleNotAllowed
        | ErrorCode::ShrinkHeld
        | ErrorCode::PayloadTooLarge
        | ErrorCode::TargetConflict
        | ErrorCode::WriteFailed
        | ErrorCode::WriteConflict => code.as_str(),
        ErrorCode::AccessDenied
        | ErrorCode::DeniedByPolicy
        | ErrorCode::InvalidCredentials
        | ErrorCode::RegionDisabled
        | ErrorCode::NameNotResolved
        | ErrorCode::Unreachable
        | ErrorCode::Timeout
        | ErrorCode::Throttled
        | ErrorCode::ServiceError
        | ErrorCode::InvalidRequest
        | ErrorCode::MalformedAnswer
        | ErrorCode::EndlessPagination
        | ErrorCode::AnswerTooLarge
        | ErrorCode::RegionsUnavailable
        | ErrorCode::InvalidSpec
        | ErrorCode::NotInSpec
        | ErrorCode::Unknown => REGION_DEGRADED,
    }
}

type Failing<'a> = BTreeMap<&'a str, (&'static str, &'a AttemptError)>;

/// One Event for each reason with new failures.
fn begun(failed: &Failing<'_>, fails: &Failing<'_>) -> Vec<Event> {
    let mut by_reason: BTreeMap<&str, Vec<(&str, &AttemptError)>> = BTreeMap::new();
    for (subject, (reason, error)) in fails {
        if failed
            .get(subject)
            .is_none_or(|(before, _)| before != reason)
        {
            by_reason.entry(reason).or_default().push((subject, error));
        }
    }
    let events = by_reason.into_iter().map(|(reason, subjects)| {
        let names: Vec<&str> = subjects.iter().map(|(subject, _)| *subject).collect();
        let first = subjects.first();
        let first = first.map(|(subject, error)| format!("{subject}: {}", error.message));
        let first = first.unwrap_or_default();
        let note = match names.len() {
            1 => first,
            count => format!("{count} fail ({}); {first}", listed(&names)),
        };
        Event::warning(reason, note)
    });
    events.collect()
}

/// The Event of regions, and of the merged mapping, that no longer fail.
fn ended(
    after: &BedrockModelMapStatus,
    failed: &Failing<'_>,
    fails: &Failing<'_>,
) -> Option<Event> {
    // A region that leaves the scope has not recovered.
    let is_there =
        |subject: &&str| *subject == MERGED_MAPPING || after.regions.contains_key(*subject);
    let recovered: Vec<&str> = failed
        .keys()
        .copied()
        .filter(|subject| !fails.contains_key(subject))
        .filter(is_there)
        .collect();
    let note = match recovered.as_slice() {
        [] => return None,
        [one] => format!("{one} is up to date again"),
        many => format!("{} are up to date again ({})", many.len(), listed(many)),
    };
    Some(Event::normal(REGION_RECOVERED, note))
}

/// The Event of a new reason to stall.
fn stalled(before: &BedrockModelMapStatus, after: &BedrockModelMapStatus) -> Option<Event> {
    let stalled = after.conditions.iter().find(|c| c.type_ == STALLED)?;
    let is_new = stalled_reason(before).as_ref() != Some(&stalled.reason);
    is_new.then(|| Event::warning(&stalled.reason, &stalled.message))
}

/// The Event of ConfigMaps that become contended.
fn contended(before: &BedrockModelMapStatus, after: &BedrockModelMapStatus) -> Option<Event> {
    let message = contention::reported(after)?;
    contention::reported(before)
        .is_none()
        .then(|| Event::warning(CONTENDED, message))
}

/// The Event of names that several application profiles carry.
fn ambiguous_names(before: &BedrockModelMapStatus, after: &BedrockModelMapStatus) -> Option<Event> {
    let known = |region: &str, name: &String| {
        let region = before.regions.get(region);
        region.is_some_and(|region| region.ambiguous_profile_names.contains(name))
    };
    let new: Vec<String> = after
        .regions
        .iter()
        .flat_map(|(region, r)| {
            r.ambiguous_profile_names
                .iter()
                .map(move |name| (region, name))
        })
        .filter(|(region, name)| !known(region, name))
        .map(|(region, name)| format!("{name} in {region}"))
        .collect();
    let names: Vec<&str> = new.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        let note = format!(
            "several application inference profiles have the name {}; of those with the fewest destination regions, the first by ARN is chosen: give each profile a name of its own",
            listed(&names)
        );
        Event::warning("ApplicationProfileAmbiguous", note)
    })
}

/// The Event of excluded regions that the account does not have.
fn unmatched_excludes(
    before: &BedrockModelMapStatus,
    after: &BedrockModelMapStatus,
) -> Option<Event> {
    let of = |status: &BedrockModelMapStatus| {
        let account = status.account_regions.clone();
        account.unwrap_or_default().unmatched_excludes
    };
    let (before, after) = (of(before), of(after));
    let new: Vec<&str> = after
        .iter()
        .filter(|glob| !before.contains(glob))
        .map(String::as_str)
        .collect();
    (!new.is_empty()).then(|| {
        let note = format!(
            "{} in spec.excludeRegions matches no region that is enabled for the account: check the spelling",
            listed(&new)
        );
        Event::warning("ExcludeRegionsUnmatched", note)
    })
}

/// One Event for each kind of change. Changes that follow from a new spec are intended.
fn changed(changes: &Changes, new_spec: bool) -> Vec<Event> {
    let kinds = changes
        .items
        .chunk_by(|a, b| change_reason(&a.what) == change_reason(&b.what));
    let events = kinds.filter_map(|kind: &[Change]| {
        let severity = if !new_spec && kind.iter().any(|change| is_breaking(&change.what)) {
            Severity::Warning
        } else {
            Severity::Normal
        };
        let reason = change_reason(&kind.first()?.what);
        Some(Event::new(severity, reason, &summary(kind, MAX_NOTE_BYTES)))
    });
    events.collect()
}

fn change_reason(what: &ChangeKind) -> &'static str {
    match what {
        ChangeKind::RegionRemoved => "RegionRemoved",
        ChangeKind::RegionAdded => "RegionAdded",
        ChangeKind::AliasUnresolved { .. } => "AliasUnresolved",
        ChangeKind::AliasChanged { .. } => "AliasChanged",
        ChangeKind::ModelRemoved { .. } => "ModelRemoved",
        ChangeKind::ModelAdded { .. } => "ModelAdded",
        ChangeKind::LifecycleChanged { .. } => "ModelLifecycleChanged",
        ChangeKind::InvokeWithChanged { .. } => "InvocationChanged",
        ChangeKind::DestinationsChanged { .. } => "DestinationsChanged",
        ChangeKind::ProfileRemoved { .. } => "InferenceProfileRemoved",
        ChangeKind::ProfileAdded { .. } => "InferenceProfileAdded",
    }
}

/// Whether invocations fail because of the change, or will.
fn is_breaking(what: &ChangeKind) -> bool {
    match what {
        ChangeKind::RegionRemoved
        | ChangeKind::AliasUnresolved { .. }
        | ChangeKind::ModelRemoved { .. } => true,
        ChangeKind::LifecycleChanged { after, .. } => after.is_legacy(),
        ChangeKind::AliasChanged { after, .. } | ChangeKind::InvokeWithChanged { after, .. } => {
            after.is_none()
        }
        ChangeKind::DestinationsChanged { .. }
        | ChangeKind::ProfileRemoved { .. }
        | ChangeKind::RegionAdded
        | ChangeKind::ModelAdded { .. }
        | ChangeKind::ProfileAdded { .. } => false,
    }
}

fn listed<'a>(names: &'a [&'a str]) -> Listed<'a, &'a str> {
    Listed {
        names,
        max: NAMED_IN_NOTE,
    }
}

#[cfg(test)]
mod tests;

//! Which Kubernetes Events follow from a status that changed: one for each transition, none for
//! what stays as it is.

use std::collections::BTreeMap;

use crate::api::conditions::STALLED;
use crate::api::{AttemptError, BedrockModelMapStatus, ErrorCode, RegionSource};
use crate::bedrock::diff::{Change, ChangeKind, Changes, summary};
use crate::reconcile::status::conditions::stalled_reason;
use crate::text::printable;

/// The longest note: the Kubernetes API takes 1,024 bytes.
pub const MAX_NOTE_BYTES: usize = 1000;
/// How many regions a note names before it only counts.
const NAMED_IN_NOTE: usize = 5;
/// The merged mapping, where regions are named too.
const MERGED_MAPPING: &str = "the merged mapping";

/// Something was published for the first time.
pub const PUBLISHED: &str = "Published";
/// Regions have begun to fail.
pub const REGION_DEGRADED: &str = "RegionDegraded";
/// Regions that failed answer again.
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
    /// Why, as one word.
    pub reason: String,
    /// What happened, for people; at most [`MAX_NOTE_BYTES`].
    pub note: String,
}

impl Event {
    fn normal(reason: &str, note: impl Into<String>) -> Self {
        Self::new(Severity::Normal, reason, &note.into())
    }

    fn warning(reason: &str, note: impl Into<String>) -> Self {
        Self::new(Severity::Warning, reason, &note.into())
    }

    /// Notes have ids of models, which come from AWS.
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

/// The events of the step from one status to the next, at which the published content changed so.
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
    events.extend(ended(after, &failed, &fails));
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

/// What fails, by the name of the region, or of the merged mapping: the event's reason, and the
/// error.
fn failing(
    status: &BedrockModelMapStatus,
    source: RegionSource,
) -> BTreeMap<&str, (&'static str, &AttemptError)> {
    let regions = status.regions.iter();
    let regions = regions
        .filter(|(_, r)| r.state.is_failure(source))
        .filter_map(|(region, r)| Some((region.as_str(), r.error.as_ref()?)));
    let mapping = status.mapping.as_ref().and_then(|m| m.error.as_ref());
    regions
        .chain(mapping.map(|error| (MERGED_MAPPING, error)))
        .map(|(subject, error)| (subject, (reason(error.code), error)))
        .collect()
}

/// The reason of a failure's event. A region whose error turns from one word into another with the
/// same reason is no news.
fn reason(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::RoleNotAllowed
        | ErrorCode::ShrinkHeld
        | ErrorCode::PayloadTooLarge
        | ErrorCode::TargetConflict
        | ErrorCode::WriteFailed => code.as_str(),
        ErrorCode::AccessDenied
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
        | ErrorCode::Unknown => REGION_DEGRADED,
    }
}

type Failing<'a> = BTreeMap<&'a str, (&'static str, &'a AttemptError)>;

/// One event for each reason for which something has begun to fail.
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
            count => format!("{count} fail ({}); {first}", named(&names)),
        };
        Event::warning(reason, note)
    });
    events.collect()
}

/// The event of regions, and of the merged mapping, that failed and do not any more.
fn ended(
    after: &BedrockModelMapStatus,
    failed: &Failing<'_>,
    fails: &Failing<'_>,
) -> Option<Event> {
    // A region that is no longer asked for has not recovered.
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
        many => format!("{} are up to date again ({})", many.len(), named(many)),
    };
    Some(Event::normal(REGION_RECOVERED, note))
}

/// What has come to need a user's change.
fn stalled(before: &BedrockModelMapStatus, after: &BedrockModelMapStatus) -> Option<Event> {
    let stalled = after.conditions.iter().find(|c| c.type_ == STALLED)?;
    let is_new = stalled_reason(before).as_ref() != Some(&stalled.reason);
    is_new.then(|| Event::warning(&stalled.reason, &stalled.message))
}

/// One event for each kind of change. What follows from a new spec was asked for.
fn changed(changes: &Changes, new_spec: bool) -> Vec<Event> {
    let kinds = changes
        .items
        .chunk_by(|a, b| change_reason(&a.what) == change_reason(&b.what));
    let events = kinds.filter_map(|kind: &[Change]| {
        let severity = if !new_spec && kind.iter().any(|change| takes_away(&change.what)) {
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
        ChangeKind::ModelRemoved { .. } => "ModelRemoved",
        ChangeKind::ModelAdded { .. } => "ModelAdded",
        ChangeKind::LifecycleChanged { .. } => "ModelLifecycleChanged",
        ChangeKind::InvokeWithChanged { .. } => "InvocationChanged",
        ChangeKind::DestinationsChanged { .. } => "DestinationsChanged",
        ChangeKind::ProfileRemoved { .. } => "InferenceProfileRemoved",
        ChangeKind::ProfileAdded { .. } => "InferenceProfileAdded",
    }
}

/// Whether calls fail because of it, or will.
fn takes_away(what: &ChangeKind) -> bool {
    match what {
        ChangeKind::RegionRemoved | ChangeKind::ModelRemoved { .. } => true,
        ChangeKind::LifecycleChanged { after, .. } => after.is_legacy(),
        ChangeKind::InvokeWithChanged { after, .. } => after.is_none(),
        ChangeKind::DestinationsChanged { .. }
        | ChangeKind::ProfileRemoved { .. }
        | ChangeKind::RegionAdded
        | ChangeKind::ModelAdded { .. }
        | ChangeKind::ProfileAdded { .. } => false,
    }
}

fn named(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED_IN_NOTE).copied();
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_IN_NOTE) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;

//! What an attempt makes of a region: the contract's table of states as one function.

use std::collections::BTreeSet;

use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{AttemptError, ErrorCode, RegionState, RegionStatus};
use crate::digest::sha256_hex;
use crate::publication::content::RegionContent;
use crate::reconcile::status::peers::PeerEvidence;

/// What becomes of the region's ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishAction {
    /// It gets the answer.
    Publish,
    /// It keeps its models; its metadata says how fresh they are.
    Keep,
    /// It goes.
    Remove,
}

/// How a question came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryContext {
    /// The spec's `metadata.generation`.
    pub generation: Option<i64>,
    /// Whether an answer with far less than before is held until it is confirmed.
    pub guard_shrinking: bool,
    /// When.
    pub at: Timestamp,
}

impl QueryContext {
    /// Whether an answer is to be compared with what an answer to the spec of this generation gave.
    pub(super) fn guards(self, observed_generation: Option<i64>) -> bool {
        self.guard_shrinking && observed_generation == self.generation
    }
}

/// The region after an answer.
pub fn answered(
    previous: Option<&RegionStatus>,
    content: &RegionContent,
    taken_at: Timestamp,
    config_map: &str,
    asked: QueryContext,
) -> (RegionStatus, PublishAction) {
    let now = asked.at;
    let ids = content.models.keys().map(String::as_str);
    let fingerprint = fingerprint(ids);
    if let Some(previous) = previous.filter(|p| asked.guards(p.observed_generation))
        && is_suspicious(previous, content)
        && previous.held_answer.as_ref() != Some(&fingerprint)
    {
        let message = format!(
            "the answer has {} models, the one before had {}: it is published once the next attempt confirms it; to take it now, force a refresh (annotation bedrock.modelmap.dev/requestedAt)",
            content.models.len(),
            previous.models,
        );
        let held = RegionStatus {
            held_answer: Some(fingerprint),
            ..stale(
                previous,
                AttemptError::new(ErrorCode::ShrinkHeld, message),
                now,
            )
        };
        return (held, PublishAction::Keep);
    }
    let empty = content.models.is_empty();
    let same_content = previous.filter(|p| p.sha256.as_deref() == Some(&content.sha256));
    let status = RegionStatus {
        state: if empty {
            RegionState::Empty
        } else {
            RegionState::Fresh
        },
        config_map: (!empty).then(|| config_map.to_owned()),
        sha256: (!empty).then(|| content.sha256.clone()),
        bytes: if empty {
            0
        } else {
            count(content.models_json.len())
        },
        models: count(content.models.len()),
        profiles: count(content.profiles()),
        associations: count(content.associations()),
        requiring_profile: requiring_profile(content),
        orphan_profiles: count(content.orphan_profiles.unwrap_or_default()),
        observed_generation: asked.generation,
        held_answer: None,
        discovered_at: (!empty).then(|| {
            let before = same_content.and_then(|p| p.discovered_at.clone());
            before.unwrap_or_else(|| to_k8s_time(taken_at))
        }),
        last_success_time: Some(to_k8s_time(taken_at)),
        last_attempt_time: Some(to_k8s_time(now)),
        stale_since: None,
        consecutive_failures: 0,
        error: None,
        mapping: None,
    };
    let publication = if empty {
        PublishAction::Remove
    } else {
        PublishAction::Publish
    };
    (status, publication)
}

/// Whether so many models went at once that the answer is believed only when it comes again.
fn is_suspicious(previous: &RegionStatus, content: &RegionContent) -> bool {
    let published = previous.config_map.is_some();
    published && count(content.models.len()) * 2 < previous.models
}

/// What tells one list of ids from another: a list that shrank is believed if the next attempt
/// gives the same one.
pub(super) fn fingerprint<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let sorted: BTreeSet<&str> = ids.collect();
    let lines: Vec<&str> = sorted.into_iter().collect();
    sha256_hex(lines.join("\n").as_bytes())
}

/// The region with the content that its ConfigMap was found to hold, of which the status (if there
/// is one) tells nothing or something else.
pub fn from_published(
    status: Option<&RegionStatus>,
    config_map: &str,
    content: &RegionContent,
    discovered_at: Option<Timestamp>,
) -> RegionStatus {
    RegionStatus {
        config_map: Some(config_map.to_owned()),
        sha256: Some(content.sha256.clone()),
        bytes: count(content.models_json.len()),
        models: count(content.models.len()),
        profiles: count(content.profiles()),
        associations: count(content.associations()),
        requiring_profile: requiring_profile(content),
        // It is not known which spec it was selected by.
        observed_generation: None,
        held_answer: None,
        discovered_at: discovered_at.map(to_k8s_time),
        ..status
            .cloned()
            .unwrap_or_else(|| unpublished(RegionState::Stale))
    }
}

fn requiring_profile(content: &RegionContent) -> i64 {
    let models = content.models.values();
    count(
        models
            .filter(|model| model.requires_inference_profile())
            .count(),
    )
}

/// The region after a failed attempt.
pub fn failed(
    previous: Option<&RegionStatus>,
    error: AttemptError,
    others: PeerEvidence,
    now: Timestamp,
) -> (RegionStatus, PublishAction) {
    if let Some(previous) = previous.filter(|p| p.config_map.is_some()) {
        return (stale(previous, error, now), PublishAction::Keep);
    }
    let (state, error) = match error.code {
        ErrorCode::NameNotResolved if others.resolve => (RegionState::Unsupported, error),
        ErrorCode::RegionDisabled if others.accept_credentials => (RegionState::Disabled, error),
        _ => (RegionState::Failed, error),
    };
    // A region that is not there is no failure that a retry in half a minute mends.
    let consecutive_failures = match state {
        RegionState::Unsupported | RegionState::Disabled => 0,
        RegionState::Fresh | RegionState::Empty | RegionState::Stale | RegionState::Failed => {
            previous
                .map_or(0, |p| p.consecutive_failures.max(0))
                .saturating_add(1)
        }
    };
    let status = RegionStatus {
        consecutive_failures,
        last_attempt_time: Some(to_k8s_time(now)),
        error: Some(error),
        ..unpublished(state)
    };
    (status, PublishAction::Remove)
}

fn stale(previous: &RegionStatus, error: AttemptError, now: Timestamp) -> RegionStatus {
    RegionStatus {
        state: RegionState::Stale,
        last_attempt_time: Some(to_k8s_time(now)),
        stale_since: previous.stale_since.clone().or(Some(to_k8s_time(now))),
        consecutive_failures: previous.consecutive_failures.max(0).saturating_add(1),
        error: Some(error),
        ..previous.clone()
    }
}

fn unpublished(state: RegionState) -> RegionStatus {
    RegionStatus {
        state,
        config_map: None,
        sha256: None,
        bytes: 0,
        models: 0,
        profiles: 0,
        associations: 0,
        requiring_profile: 0,
        orphan_profiles: 0,
        observed_generation: None,
        held_answer: None,
        discovered_at: None,
        last_success_time: None,
        last_attempt_time: None,
        stale_since: None,
        consecutive_failures: 0,
        error: None,
        mapping: None,
    }
}

/// Whether no region accepts the credentials: the service has one error code for invalid credentials
/// and for a region that is not enabled.
pub fn is_rejected_by_all_regions(code: ErrorCode, peers: PeerEvidence) -> bool {
    code == ErrorCode::RegionDisabled && !peers.accept_credentials
}

/// The error of a region with regard to the other regions.
pub fn disabled_or_invalid_credentials(error: AttemptError, others: PeerEvidence) -> AttemptError {
    if is_rejected_by_all_regions(error.code, others) {
        return AttemptError {
            code: ErrorCode::InvalidCredentials,
            message: format!(
                "no region accepts the credentials: check the operator's AWS identity ({})",
                error.message
            ),
            retry_after_seconds: error.retry_after_seconds,
        };
    }
    error
}

/// The time in whole seconds, as Kubernetes keeps it: what is rendered now must equal what is
/// rendered from the status after a restart.
pub fn to_k8s_time(time: Timestamp) -> Time {
    Time(
        time.round(
            jiff::TimestampRound::new()
                .smallest(Unit::Second)
                .mode(jiff::RoundMode::Floor),
        )
        .unwrap_or(time),
    )
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

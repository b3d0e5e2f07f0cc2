//! The state of a region after an attempt: the contract's table of states.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{AttemptError, ErrorCode, RegionSource, RegionState, RegionStatus};
use crate::bedrock::invocation::InvocationFacts;
use crate::publication::content::RegionContent;
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::shrink::{advice, content_fingerprint, loss};
use crate::text::one_line;

/// Ambiguous names of application profiles that the status lists.
const MAX_AMBIGUOUS_NAMES: usize = 10;
/// How much of a profile's name the status shows: AWS allows 64 characters.
const MAX_PROFILE_NAME_BYTES: usize = 256;

/// Action on the region's ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishAction {
    /// Write the response.
    Publish,
    /// Keep the models; update their freshness in the metadata.
    Keep,
    /// Delete it.
    Remove,
}

/// Circumstances of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryContext {
    /// `metadata.generation` of the spec.
    pub generation: Option<i64>,
    /// Whether a response with far fewer items waits for confirmation.
    pub guard_shrinking: bool,
    /// Time of the query.
    pub at: Timestamp,
}

impl QueryContext {
    /// Whether the shrink guard compares the response with one for the spec of this generation.
    fn guards(self, observed_generation: Option<i64>) -> bool {
        self.guard_shrinking && observed_generation == self.generation
    }
}

/// The region after a response.
pub fn after_response(
    previous: Option<&RegionStatus>,
    content: &RegionContent,
    facts: &BTreeMap<String, InvocationFacts>,
    taken_at: Timestamp,
    config_map: &str,
    query: QueryContext,
) -> (RegionStatus, PublishAction) {
    let now = query.at;
    let fingerprint = content_fingerprint(content);
    let guarded = previous
        .filter(|p| query.guards(p.observed_generation))
        .filter(|p| p.held_answer.as_ref() != Some(&fingerprint));
    if let Some((previous, loss)) = guarded.and_then(|p| Some((p, loss(p, content, facts)?))) {
        let message = format!("{loss}; {}", advice("the previous data stays"));
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
    let responded = RegionStatus {
        orphan_profiles: count(content.orphan_profiles.unwrap_or_default()),
        observed_generation: query.generation,
        last_success_time: Some(to_k8s_time(taken_at)),
        last_attempt_time: Some(to_k8s_time(now)),
        ..unpublished(RegionState::Empty)
    };
    if content.models.is_empty() {
        return (responded, PublishAction::Remove);
    }
    let discovered_at = previous
        .filter(|p| p.sha256.as_deref() == Some(&content.sha256))
        .and_then(|p| p.discovered_at.clone());
    let mut fresh = RegionStatus {
        state: RegionState::Fresh,
        discovered_at: discovered_at.or_else(|| Some(to_k8s_time(taken_at))),
        ..with_content(responded, config_map, content)
    };
    record_invocation(&mut fresh, facts);
    (fresh, PublishAction::Publish)
}

/// Records published content.
fn with_content(status: RegionStatus, config_map: &str, content: &RegionContent) -> RegionStatus {
    RegionStatus {
        config_map: Some(config_map.to_owned()),
        sha256: Some(content.sha256.clone()),
        bytes: count(content.models_json.len()),
        models: count(content.models.len()),
        profiles: count(content.profiles()),
        associations: count(content.associations()),
        requiring_profile: requiring_profile(content),
        ..status
    }
}

/// The region with the content found in its ConfigMap, of which the status records nothing.
pub fn from_published(
    config_map: &str,
    content: &RegionContent,
    discovered_at: Option<Timestamp>,
) -> RegionStatus {
    RegionStatus {
        discovered_at: discovered_at.map(to_k8s_time),
        ..with_content(unpublished(RegionState::Stale), config_map, content)
    }
}

/// Records how many published models have an ID that callers may pass, and why the others have none.
pub fn record_invocation(status: &mut RegionStatus, facts: &BTreeMap<String, InvocationFacts>) {
    let reasons = facts.values().filter_map(InvocationFacts::no_route_reason);
    status.not_invocable.clear();
    for reason in reasons {
        let models = status.not_invocable.entry(reason.as_str().to_owned());
        *models.or_default() += 1;
    }
    let with_id = facts.values().filter(|facts| facts.invoke_with.is_some());
    status.invocable = Some(count(with_id.count()));
    let ambiguous: BTreeSet<String> = facts
        .values()
        .filter_map(InvocationFacts::ambiguous_profile_name)
        .map(|name| one_line(name, MAX_PROFILE_NAME_BYTES))
        .collect();
    status.ambiguous_profile_names = ambiguous.into_iter().take(MAX_AMBIGUOUS_NAMES).collect();
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
    peers: PeerEvidence,
    source: RegionSource,
    now: Timestamp,
) -> (RegionStatus, PublishAction) {
    let is_denied = is_denied(error.code, peers, source);
    let error = if is_denied { denied(error) } else { error };
    if let Some(previous) = previous.filter(|p| p.config_map.is_some()) {
        let mut status = stale(previous, error, now);
        if is_denied {
            status.state = RegionState::Denied;
            status.consecutive_failures = 0;
        }
        return (status, PublishAction::Keep);
    }
    let state = match error.code {
        ErrorCode::NameNotResolved if peers.resolve => RegionState::Unsupported,
        ErrorCode::RegionDisabled if peers.accept_credentials => RegionState::Disabled,
        _ if is_denied => RegionState::Denied,
        _ => RegionState::Failed,
    };
    // A retry in half a minute cannot fix an absent region.
    let consecutive_failures = match state {
        RegionState::Unsupported | RegionState::Disabled | RegionState::Denied => 0,
        RegionState::Fresh | RegionState::Empty | RegionState::Stale | RegionState::Failed => {
            previous
                .map_or(0, |p| p.consecutive_failures.max(0))
                .saturating_add(1)
        }
    };
    let status = RegionStatus {
        consecutive_failures,
        last_attempt_time: Some(to_k8s_time(now)),
        // A region that answered without a model has answered, also if it fails now.
        last_success_time: previous.and_then(|p| p.last_success_time.clone()),
        error: Some(error),
        ..unpublished(state)
    };
    (status, PublishAction::Remove)
}

/// A published region that the spec does not include any more, until the spec takes effect.
pub fn not_in_spec(previous: &RegionStatus, now: Timestamp) -> RegionStatus {
    let message = "spec does not include the region any more; its data stays published until a region of the new spec is published, or until none of them has a model to publish";
    RegionStatus {
        last_attempt_time: previous.last_attempt_time.clone(),
        consecutive_failures: previous.consecutive_failures.max(1),
        ..stale(
            previous,
            AttemptError::new(ErrorCode::NotInSpec, message),
            now,
        )
    }
}

/// A published region of which the new spec selects no model, until the spec takes effect.
pub fn nothing_selected(previous: &RegionStatus, now: Timestamp) -> RegionStatus {
    let message = "the region returned no model that the new spec selects; the previous data stays published until a region of the new spec is published, or until no region has a model to publish";
    stale(
        previous,
        AttemptError::new(ErrorCode::ShrinkHeld, message),
        now,
    )
}

/// Whether the spec does not include the region, which is published only until the spec takes effect.
pub fn is_not_in_spec(region: &RegionStatus) -> bool {
    let error = region.error.as_ref();
    error.is_some_and(|error| error.code == ErrorCode::NotInSpec)
}

/// Whether the spec of this generation has taken effect: it has published a region, or has found
/// that there is nothing to publish. Only then what it no longer asks for is taken away. `before`
/// are all regions before the refresh, `after` those of the spec after it.
pub fn has_taken_effect(
    generation: Option<i64>,
    before: &BTreeMap<String, RegionStatus>,
    after: &BTreeMap<String, RegionStatus>,
) -> bool {
    let is_of_generation = |region: &RegionStatus| region.observed_generation == generation;
    let is_published =
        |region: &RegionStatus| region.config_map.is_some() && is_of_generation(region);
    let is_held = |region: &RegionStatus| {
        let error = region.error.as_ref();
        error.is_some_and(|e| e.code == ErrorCode::ShrinkHeld) && !is_of_generation(region)
    };
    let has_nothing = |region: &RegionStatus| match region.state {
        RegionState::Empty | RegionState::Unsupported | RegionState::Disabled => true,
        RegionState::Stale => is_held(region),
        RegionState::Denied => region.config_map.is_none(),
        RegionState::Fresh | RegionState::Failed => false,
    };
    let answers = |region: &RegionStatus| region.state == RegionState::Empty || is_held(region);
    let finds_nothing =
        after.values().all(has_nothing) && (after.is_empty() || after.values().any(answers));
    before.values().chain(after.values()).any(is_published) || finds_nothing
}

/// Whether a policy denies the region, not the identity's missing permission: the policy says so, or
/// another region grants what this one denies. Of regions that the account enables, all of them
/// denied is a fault of the identity, whatever the policy.
fn is_denied(code: ErrorCode, peers: PeerEvidence, source: RegionSource) -> bool {
    match (code, source) {
        (ErrorCode::DeniedByPolicy, RegionSource::Spec) => true,
        (ErrorCode::DeniedByPolicy | ErrorCode::AccessDenied, RegionSource::Account) => {
            peers.grant_actions
        }
        _ => false,
    }
}

/// The error of a Denied region, with the way around that the policy's own message has already.
fn denied(error: AttemptError) -> AttemptError {
    if error.code != ErrorCode::AccessDenied {
        return error;
    }
    AttemptError {
        message: format!(
            "{}; another region grants the action, so a policy may deny it in this one: exclude the region",
            error.message
        ),
        ..error
    }
}

/// The region with its last good data, which this error keeps from being confirmed.
pub fn stale(previous: &RegionStatus, error: AttemptError, now: Timestamp) -> RegionStatus {
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
        invocable: None,
        not_invocable: BTreeMap::new(),
        ambiguous_profile_names: Vec::new(),
        orphan_profiles: 0,
        observed_generation: None,
        held_answer: None,
        discovered_at: None,
        last_success_time: None,
        last_attempt_time: None,
        stale_since: None,
        consecutive_failures: 0,
        error: None,
        aliases: None,
        mapping: None,
    }
}

/// Whether no region accepts the credentials: the service has one error code for invalid credentials
/// and for a disabled region.
pub fn is_rejected_by_all_regions(code: ErrorCode, peers: PeerEvidence) -> bool {
    code == ErrorCode::RegionDisabled && !peers.accept_credentials
}

/// Distinguishes invalid credentials from a disabled region by the other regions.
pub fn disabled_or_invalid_credentials(error: AttemptError, peers: PeerEvidence) -> AttemptError {
    if is_rejected_by_all_regions(error.code, peers) {
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

/// The time in whole seconds, as Kubernetes stores it: content rendered now must equal content
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

pub(super) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

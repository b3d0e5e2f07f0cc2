//! What is to be done now for one resource, of its spec, its status and the time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::{
    ANNOTATION_REQUESTED_AT, BedrockModelMap, BedrockModelMapStatus, ErrorCode, RegionStatus,
};
use crate::aws::priority::Priority;
use crate::reconcile::schedule::{BackoffState, PUBLICATION_RETRY, RefreshSchedule, after, before};
use crate::reconcile::status::conditions::was_refused;

/// Snapshots younger than this part of the refresh interval serve instead of a new fetch.
const SHARED_PART_OF_INTERVAL: u32 = 10;

/// What decides.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The regions that the spec names; None: those of the account.
    pub named_regions: Option<&'a [String]>,
    /// The annotation that asks for a forced refresh.
    pub requested_at: Option<&'a str>,
    /// What was last reported.
    pub status: &'a BedrockModelMapStatus,
    /// Regions whose published content is gone and could not be put back.
    pub lost: &'a BTreeSet<String>,
    /// Whether the merged mapping is gone and could not be put back.
    pub mapping_lost: bool,
    /// How often.
    pub schedule: RefreshSchedule,
    /// The time.
    pub now: Timestamp,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// No region is due; look again at this time, or when something changes.
    Wait {
        /// When a region is due next.
        until: Timestamp,
    },
    /// Ask AWS.
    Refresh(Refresh),
}

/// A refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Why.
    pub reason: Reason,
    /// Whether the account is asked for its regions first.
    pub list_account_regions: bool,
    /// Answers from before this time do not serve.
    pub not_before: Timestamp,
}

impl Refresh {
    /// How urgently this region is wanted.
    pub fn urgency(&self, region: Option<&RegionStatus>) -> Priority {
        match (region, &self.reason) {
            (None, _) => Priority::First,
            (Some(_), Reason::First | Reason::NewGeneration | Reason::Requested(_)) => {
                Priority::Requested
            }
            (Some(_), Reason::Due) => Priority::Routine,
        }
    }

    /// Answers of this region from before this time do not serve: none from before an attempt at
    /// which AWS failed, and only a new one confirms an answer that is held.
    pub fn not_before(&self, region: Option<&RegionStatus>, now: Timestamp) -> Timestamp {
        let Some(error) = region.and_then(|region| region.error.as_ref()) else {
            return self.not_before;
        };
        if error.code == ErrorCode::ShrinkHeld {
            return now;
        }
        if error.code.concerns_publication() {
            return self.not_before;
        }
        let last = region.and_then(|region| region.last_attempt_time.as_ref());
        last.map_or(self.not_before, |last| last.0.max(self.not_before))
    }
}

/// Why a refresh happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The resource is new.
    First,
    /// The spec has changed.
    NewGeneration,
    /// A user asked for it, with this token.
    Requested(String),
    /// A region's time has come, its content is lost, or the merged mapping is not published.
    Due,
}

impl Reason {
    /// Whether every region is asked, due or not.
    pub fn asks_every_region(&self) -> bool {
        match self {
            Self::First | Self::NewGeneration | Self::Requested(_) => true,
            Self::Due => false,
        }
    }

    /// The reason as one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::First => "First",
            Self::NewGeneration => "NewGeneration",
            Self::Requested(_) => "Requested",
            Self::Due => "Due",
        }
    }

    /// Whether an answer with far fewer models than before is held until it is confirmed: not on
    /// another spec, which may ask for fewer, nor when a user asks to take what there is.
    pub fn guards_against_shrinking(&self) -> bool {
        match self {
            Self::First | Self::NewGeneration | Self::Requested(_) => false,
            Self::Due => true,
        }
    }
}

/// Decides what is to be done now.
pub fn plan(inputs: &PlanInput<'_>) -> Plan {
    let PlanInput {
        status,
        now,
        schedule,
        ..
    } = *inputs;
    let account_due = inputs.named_regions.is_none()
        && status
            .account_regions
            .as_ref()
            .is_none_or(|account| BackoffState::on_account(account).is_due(&schedule, now));
    let wanted = wanted(inputs.generation, inputs.requested_at, status);
    let reason = if let Some(reason) = wanted {
        reason
    } else if next_due(inputs) <= now || inputs.mapping_lost || has_unpublished_mapping(status) {
        Reason::Due
    } else {
        return Plan::Wait {
            until: next_due(inputs),
        };
    };
    let not_before = match reason {
        Reason::Requested(_) => now,
        Reason::First | Reason::NewGeneration | Reason::Due => {
            before(now, schedule.interval() / SHARED_PART_OF_INTERVAL)
        }
    };
    Plan::Refresh(Refresh {
        list_account_regions: inputs.named_regions.is_none()
            && (account_due || reason.asks_every_region()),
        reason,
        not_before,
    })
}

/// What a user wants, if the status does not speak of it yet.
fn wanted(
    generation: Option<i64>,
    requested_at: Option<&str>,
    status: &BedrockModelMapStatus,
) -> Option<Reason> {
    let handled = status.last_handled_refresh_request.as_deref();
    let token = requested_at.filter(|token| !token.is_empty() && Some(*token) != handled);
    if status.observed_generation.is_none() {
        Some(Reason::First)
    } else if status.observed_generation != generation {
        Some(Reason::NewGeneration)
    } else {
        token.map(|token| Reason::Requested(token.to_owned()))
    }
}

/// Whether a refresh is still to be done, as far as the resource tells by itself.
pub fn is_due(resource: &BedrockModelMap, now: Timestamp) -> bool {
    let metadata = &resource.metadata;
    if resource.spec.suspend || metadata.deletion_timestamp.is_some() {
        return false;
    }
    let nothing_yet = BedrockModelMapStatus::default();
    let status = resource.status.as_ref().unwrap_or(&nothing_yet);
    let annotations = metadata.annotations.as_ref();
    let requested_at = annotations.and_then(|a| a.get(ANNOTATION_REQUESTED_AT));
    match wanted(
        metadata.generation,
        requested_at.map(String::as_str),
        status,
    ) {
        // Not of a spec that is refused.
        Some(Reason::Requested(_)) => !was_refused(status),
        Some(_) => true,
        None => status
            .next_refresh_time
            .as_ref()
            .is_some_and(|next| next.0 <= now),
    }
}

/// When the resource is to be looked at next: when something is due, or the merged mapping can be
/// tried again.
pub fn next_reconcile(inputs: &PlanInput<'_>) -> Timestamp {
    let due = next_due(inputs);
    if has_unpublished_mapping(inputs.status) {
        due.min(after(inputs.now, PUBLICATION_RETRY))
    } else {
        due
    }
}

/// Whether the merged mapping is still to be published; that asks no region.
fn has_unpublished_mapping(status: &BedrockModelMapStatus) -> bool {
    status
        .mapping
        .as_ref()
        .is_some_and(|mapping| mapping.error.is_some())
}

/// When something is due next: at most one interval from now, whatever the status says.
pub fn next_due(inputs: &PlanInput<'_>) -> Timestamp {
    let PlanInput {
        status,
        now,
        schedule,
        ..
    } = *inputs;
    let account = match (inputs.named_regions, &status.account_regions) {
        (Some(_), _) => None,
        (None, None) => Some(now),
        (None, Some(account)) => Some(BackoffState::on_account(account).due_at(&schedule, now)),
    };
    targets(inputs.named_regions, &status.regions)
        .map(|region| due_at(region, inputs))
        .chain(account)
        .min()
        .unwrap_or(Timestamp::MAX)
        .min(after(now, schedule.longest()))
}

fn due_at(region: &str, inputs: &PlanInput<'_>) -> Timestamp {
    match inputs.status.regions.get(region) {
        Some(status) if !inputs.lost.contains(region) || status.consecutive_failures > 0 => {
            BackoffState::on_region(status).due_at(&inputs.schedule, inputs.now)
        }
        Some(_) | None => inputs.now,
    }
}

/// Which of the regions are asked in a refresh.
pub fn regions_to_ask<'a>(
    refresh: &Refresh,
    inputs: &PlanInput<'_>,
    regions: &'a [String],
) -> Vec<&'a str> {
    let every = refresh.reason.asks_every_region();
    let due = |region: &&str| match inputs.status.regions.get(*region) {
        Some(_) if every => true,
        Some(status) => {
            BackoffState::on_region(status).is_due(&inputs.schedule, inputs.now)
                || (inputs.lost.contains(*region) && status.consecutive_failures == 0)
        }
        None => true,
    };
    regions.iter().map(String::as_str).filter(due).collect()
}

/// The regions that are looked after: those named, or else those known of the account.
fn targets<'a>(
    named: Option<&'a [String]>,
    known: &'a BTreeMap<String, RegionStatus>,
) -> impl Iterator<Item = &'a str> {
    let known = named.is_none().then(|| known.keys().map(String::as_str));
    let named = named.into_iter().flatten().map(String::as_str);
    named.chain(known.into_iter().flatten())
}

#[cfg(test)]
mod tests;

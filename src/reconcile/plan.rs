//! The plan for one resource: a function of its spec, its status and the time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::refresh_token::acknowledged_form;
use crate::api::{
    ANNOTATION_REQUESTED_AT, AccountRegionsStatus, AliasesStatus, AttemptError, BedrockModelMap,
    BedrockModelMapStatus, ErrorCode, RegionStatus,
};
use crate::aws::priority::Priority;
use crate::reconcile::schedule::{BackoffState, PUBLICATION_RETRY, RefreshSchedule, after, before};
use crate::reconcile::status::aliases::Evidence;
use crate::reconcile::status::conditions::was_refused;
use crate::reconcile::status::region::is_not_in_spec;

/// A snapshot younger than this fraction of the refresh interval serves instead of a new fetch.
const SHARED_PART_OF_INTERVAL: u32 = 10;

/// Input of the plan.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The regions in the spec. None: those of the account.
    pub named_regions: Option<&'a [String]>,
    /// The forced refresh that the annotation requests.
    pub request: Option<RefreshRequest<'a>>,
    /// Time from which a forced refresh may begin.
    pub forced_refresh_from: Timestamp,
    /// The last reported status.
    pub status: &'a BedrockModelMapStatus,
    /// Regions whose published content could not be restored.
    pub unrecoverable: &'a BTreeSet<String>,
    /// Whether the merged mapping could not be restored.
    pub mapping_unrecoverable: bool,
    /// The refresh schedule.
    pub schedule: RefreshSchedule,
    /// Current time.
    pub now: Timestamp,
}

/// A request of a forced refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshRequest<'a> {
    /// The token of the annotation, as the status acknowledges it.
    pub token: &'a str,
    /// Time since which the operator knows of the request: a snapshot taken since then serves, also if
    /// the refresh has to wait.
    pub known_since: Timestamp,
}

static NO_REGIONS: BTreeSet<String> = BTreeSet::new();

impl<'a> PlanInput<'a> {
    /// The input after a refresh, which restored all content.
    pub fn after<'s>(&self, status: &'s BedrockModelMapStatus, now: Timestamp) -> PlanInput<'s>
    where
        'a: 's,
    {
        PlanInput {
            status,
            unrecoverable: &NO_REGIONS,
            mapping_unrecoverable: false,
            now,
            ..*self
        }
    }

    fn token(&self) -> Option<&'a str> {
        self.request.map(|request| request.token)
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// No region is due: reconcile at this time, or when something changes.
    Wait {
        /// Time at which a region is due.
        until: Timestamp,
    },
    /// Query AWS.
    Refresh(Refresh),
}

/// A refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Why.
    pub reason: Reason,
    /// Whether to list the account's regions first.
    pub list_account_regions: bool,
    /// Earliest time of a snapshot that serves.
    pub not_before: Timestamp,
}

impl Refresh {
    /// The priority of a region's query.
    pub fn priority(&self, region: Option<&RegionStatus>) -> Priority {
        match (region, &self.reason) {
            (None, _) => Priority::First,
            (Some(_), Reason::First | Reason::NewGeneration | Reason::Requested(_)) => {
                Priority::Requested
            }
            (Some(_), Reason::Due) => Priority::Routine,
        }
    }

    /// Earliest time of a snapshot that serves for this region: after a failure of AWS, the time of
    /// that attempt; for the confirmation of a held response, now.
    pub fn not_before(&self, region: Option<&RegionStatus>, now: Timestamp) -> Timestamp {
        let error = region.and_then(|region| region.error.as_ref());
        let last = region.and_then(|region| region.last_attempt_time.as_ref());
        self.not_before_after(error, last, now)
    }

    /// Earliest time of a list of the account's regions that serves, by the same rules.
    pub fn account_not_before(
        &self,
        account: Option<&AccountRegionsStatus>,
        now: Timestamp,
    ) -> Timestamp {
        let error = account.and_then(|account| account.error.as_ref());
        let last = account.and_then(|account| account.last_attempt_time.as_ref());
        self.not_before_after(error, last, now)
    }

    fn not_before_after(
        &self,
        error: Option<&AttemptError>,
        last_attempt: Option<&Time>,
        now: Timestamp,
    ) -> Timestamp {
        match error.map(|error| error.code) {
            Some(ErrorCode::ShrinkHeld) => now,
            Some(code) if !code.concerns_publication() => {
                last_attempt.map_or(self.not_before, |last| last.0.max(self.not_before))
            }
            Some(_) | None => self.not_before,
        }
    }
}

/// Why a refresh happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The resource is new.
    First,
    /// The spec has changed.
    NewGeneration,
    /// A user requested it, with this token.
    Requested(String),
    /// A region is due, its content is lost, or the merged mapping is not published.
    Due,
}

impl Reason {
    /// Whether to query every region, due or not.
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

    /// What a response says about aliases that lose their ID.
    pub fn evidence(&self) -> Evidence {
        if self.guards_against_shrinking() {
            Evidence::Response
        } else {
            Evidence::Accepted
        }
    }

    /// Whether a response with far fewer models waits for confirmation. A changed spec may select
    /// fewer, and a user who forces a refresh accepts them.
    pub fn guards_against_shrinking(&self) -> bool {
        match self {
            Self::First | Self::NewGeneration | Self::Requested(_) => false,
            Self::Due => true,
        }
    }
}

/// Decides what to do now.
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
    let requested = requested(inputs.generation, inputs.token(), status);
    let reason = if let Some(reason) = requested.filter(|_| deferred_until(inputs).is_none()) {
        reason
    } else if next_due(inputs) <= now || inputs.mapping_unrecoverable || has_unpublished(status) {
        Reason::Due
    } else {
        return Plan::Wait {
            until: next_due(inputs).min(deferred_until(inputs).unwrap_or(Timestamp::MAX)),
        };
    };
    let not_before = match reason {
        // The clock may have been set back since.
        Reason::Requested(_) => inputs.request.map_or(now, |r| r.known_since.min(now)),
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

/// The token of a forced refresh that the status does not acknowledge yet, in the form in which it will.
pub fn pending_token(resource: &BedrockModelMap) -> Option<Cow<'_, str>> {
    let annotations = resource.metadata.annotations.as_ref()?;
    let token = acknowledged_form(annotations.get(ANNOTATION_REQUESTED_AT)?);
    let status = resource.status.as_ref();
    let handled = status.and_then(|status| status.last_handled_refresh_request.as_deref());
    is_pending(&token, handled).then_some(token)
}

/// Whether the token is not the one that was handled last. An empty one requests nothing.
fn is_pending(token: &str, handled: Option<&str>) -> bool {
    !token.is_empty() && handled != Some(token)
}

/// The refresh that a user waits for: the status does not acknowledge it yet.
fn requested(
    generation: Option<i64>,
    requested_at: Option<&str>,
    status: &BedrockModelMapStatus,
) -> Option<Reason> {
    let handled = status.last_handled_refresh_request.as_deref();
    let token = requested_at.filter(|token| is_pending(token, handled));
    if status.observed_generation.is_none() {
        Some(Reason::First)
    } else if status.observed_generation != generation {
        Some(Reason::NewGeneration)
    } else {
        token.map(|token| Reason::Requested(token.to_owned()))
    }
}

/// Time at which a forced refresh begins that must not begin yet. Tokens that come until then are
/// served together: the refresh acknowledges the newest.
fn deferred_until(inputs: &PlanInput<'_>) -> Option<Timestamp> {
    let requested = requested(inputs.generation, inputs.token(), inputs.status)?;
    let is_deferred =
        matches!(requested, Reason::Requested(_)) && inputs.forced_refresh_from > inputs.now;
    is_deferred.then_some(inputs.forced_refresh_from)
}

/// Whether a refresh is due, judged by the resource alone.
pub fn is_due(resource: &BedrockModelMap, now: Timestamp) -> bool {
    let metadata = &resource.metadata;
    if resource.spec.suspend || metadata.deletion_timestamp.is_some() {
        return false;
    }
    let nothing_yet = BedrockModelMapStatus::default();
    let status = resource.status.as_ref().unwrap_or(&nothing_yet);
    let token = pending_token(resource);
    match requested(metadata.generation, token.as_deref(), status) {
        // A refused spec handles no request.
        Some(Reason::Requested(_)) => !was_refused(status),
        Some(_) => true,
        None => status
            .next_refresh_time
            .as_ref()
            .is_some_and(|next| next.0 <= now),
    }
}

/// Time of the next reconciliation: something is due, or the merged mapping can be retried.
pub fn next_reconcile(inputs: &PlanInput<'_>) -> Timestamp {
    let due = next_due(inputs).min(deferred_until(inputs).unwrap_or(Timestamp::MAX));
    if has_unpublished(inputs.status) {
        due.min(after(inputs.now, PUBLICATION_RETRY))
    } else {
        due
    }
}

/// Whether the merged mapping or a region's aliases wait for publication, which queries no region.
fn has_unpublished(status: &BedrockModelMapStatus) -> bool {
    let mapping = status.mapping.iter().filter_map(|m| m.error.as_ref());
    let aliases = aliases(status).filter_map(|aliases| aliases.error.as_ref());
    mapping.chain(aliases).next().is_some()
}

fn aliases(status: &BedrockModelMapStatus) -> impl Iterator<Item = &AliasesStatus> {
    let regions = status.regions.values();
    regions.filter_map(|region| region.aliases.as_deref())
}

/// Whether aliases are resolved again without a query: their last write failed, or one of their models
/// has reached its end of life.
pub fn are_aliases_due(aliases: &AliasesStatus, now: Timestamp) -> bool {
    let ended = |end: &Time| end.0 <= now;
    aliases.error.is_some() || aliases.next_end_of_life.as_ref().is_some_and(ended)
}

/// Time at which something is due: at most one interval from now, whatever the status says.
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
    let ends_of_life = aliases(status).filter_map(|a| Some(a.next_end_of_life.as_ref()?.0));
    targets(inputs.named_regions, &status.regions)
        .map(|region| due_at(region, inputs))
        .chain(account)
        .chain(ends_of_life)
        .min()
        .unwrap_or(Timestamp::MAX)
        .min(after(now, schedule.longest()))
}

fn due_at(region: &str, inputs: &PlanInput<'_>) -> Timestamp {
    match inputs.status.regions.get(region) {
        Some(status) if !is_lost(region, status, inputs) => {
            BackoffState::on_region(status).due_at(&inputs.schedule, inputs.now)
        }
        Some(_) | None => inputs.now,
    }
}

/// Whether the region is queried at once to restore its content. After an attempt with an error it
/// waits for its time: an error does not count as a failure in every state.
fn is_lost(region: &str, status: &RegionStatus, inputs: &PlanInput<'_>) -> bool {
    inputs.unrecoverable.contains(region) && status.error.is_none()
}

/// The regions that a refresh queries.
pub fn regions_to_query<'a>(
    refresh: &Refresh,
    inputs: &PlanInput<'_>,
    regions: &'a [String],
) -> Vec<&'a str> {
    let every = refresh.reason.asks_every_region();
    let due = |region: &&str| match inputs.status.regions.get(*region) {
        Some(_) if every => true,
        Some(status) => {
            BackoffState::on_region(status).is_due(&inputs.schedule, inputs.now)
                || is_lost(region, status, inputs)
        }
        None => true,
    };
    regions.iter().map(String::as_str).filter(due).collect()
}

/// The regions in scope: those of the spec, or those known of the account.
fn targets<'a>(
    named: Option<&'a [String]>,
    known: &'a BTreeMap<String, RegionStatus>,
) -> impl Iterator<Item = &'a str> {
    let known = known.iter().filter(|(_, status)| !is_not_in_spec(status));
    let known = named
        .is_none()
        .then(|| known.map(|(region, _)| region.as_str()));
    let named = named.into_iter().flatten().map(String::as_str);
    named.chain(known.into_iter().flatten())
}

#[cfg(test)]
mod tests;

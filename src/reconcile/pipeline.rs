//! One reconciliation of one resource, as a sequence of steps.
//!
//! The order of the steps bounds what is lost if the operator is killed between two of them: the
//! status names only published content, and only content that the status no longer names is
//! deleted.

use std::time::Duration;

use jiff::Timestamp;

use super::Effects;
use super::context::{RefreshContext, observe};
use super::discover::discover;
use super::drift::{Drift, Unrecoverable, repair_drift};
use super::last_good::LastGood;
use super::plan::{Plan, PlanInput, Reason, RefreshRequest, pending_token, plan};
use super::prune::prune;
use super::publish::publish;
use super::refusal::refuse;
use super::report::{announce, report, report_contention};
use super::schedule::{PUBLICATION_RETRY, RefreshSchedule};
use super::validate::ValidatedSpec;
use crate::api::{AttemptError, BedrockModelMap, BedrockModelMapStatus};
use crate::bedrock::diff::Changes;

/// Shortest wait until the next reconciliation, so that a time which has just come causes one only.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// When to reconcile again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    Change,
    /// After this time, or when something changes.
    After(Duration),
}

/// Result of a reconciliation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When to reconcile again.
    pub next: Next,
    /// ConfigMaps restored.
    pub restored: usize,
    /// The refresh, if one was due.
    pub refreshed: Option<Refreshed>,
    /// Failed writes, by region, that the status does not show because it has a graver error.
    pub write_errors: Vec<(String, AttemptError)>,
}

/// Result of a refresh.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// Why it happened.
    pub reason: Reason,
    /// The status after it.
    pub status: BedrockModelMapStatus,
    /// Changes of the published content.
    pub changes: Changes,
    /// Regions queried.
    pub queried: usize,
    /// ConfigMaps written or deleted.
    pub written: usize,
}

/// Reconciles one resource.
#[derive(Clone, Copy, Debug)]
pub struct Reconciler<'a, E> {
    /// The resource.
    pub resource: &'a BedrockModelMap,
    /// Its spec, or why that is refused.
    pub settings: Result<&'a ValidatedSpec, &'a AttemptError>,
    /// When the reconciliation began.
    pub now: Timestamp,
    /// Effects on the cluster and AWS.
    pub effects: &'a E,
}

impl<E: Effects> Reconciler<'_, E> {
    /// Reconciles the resource.
    pub async fn reconcile(&self) -> Result<Outcome, E::Error> {
        if self.resource.spec.suspend {
            return Ok(Outcome::idle());
        }
        let settings = match self.settings {
            Ok(settings) => settings,
            Err(error) => {
                let refused = refuse(self.effects, self.resource, error, self.now).await?;
                return Ok(Outcome::refused(refused));
            }
        };
        let observed = observe(self.resource);
        let context = RefreshContext {
            resource: self.resource,
            settings,
            status: &observed.status,
            owner: &observed.owner,
            now: self.now,
            effects: self.effects,
            last_good: LastGood::new(self.effects, &observed.owner, settings, &observed.status),
        };
        let Drift {
            restored,
            unrecoverable,
            mut write_errors,
            paused_until,
            ..
        } = repair_drift(&context).await?;
        let next = |time: Timestamp, now| {
            let contention = [paused_until, context.contended_until()];
            Next::at(
                contention.into_iter().flatten().fold(time, Timestamp::min),
                now,
            )
        };
        let token = pending_token(self.resource);
        let input = plan_input(&context, token.as_deref(), &unrecoverable);
        let refresh = match plan(&input) {
            Plan::Refresh(refresh) => refresh,
            Plan::Wait { until } => {
                report_contention(&context).await?;
                // A refresh that was killed before its end left ConfigMaps to prune.
                prune(&context, &observed.status).await?;
                return Ok(Outcome {
                    next: next(until, self.now),
                    restored,
                    refreshed: None,
                    write_errors,
                });
            }
        };
        if let Reason::Requested(_) = refresh.reason {
            self.effects.begin_forced_refresh(self.now);
        }
        let announced = announce(&context, &refresh.reason).await?;
        let discovered = discover(&context, &refresh, &input).await;
        // With memory of its own, so that a thousand refreshes that wait for AWS keep none for it.
        let published = Box::pin(publish(&context, discovered)).await?;
        let reported = report(
            &context,
            &input,
            &refresh.reason,
            announced,
            published.applied,
            &published.changes,
        )
        .await?;
        let pruned = prune(&context, &reported.status).await?;
        write_errors.extend(published.write_errors);
        Ok(Outcome {
            next: next(reported.next, reported.ended_at),
            restored,
            refreshed: Some(Refreshed {
                reason: refresh.reason,
                status: reported.status,
                changes: published.changes,
                queried: published.queried,
                written: published.written + pruned,
            }),
            write_errors,
        })
    }
}

fn plan_input<'a, E: Effects>(
    context: &RefreshContext<'a, E>,
    token: Option<&'a str>,
    unrecoverable: &'a Unrecoverable,
) -> PlanInput<'a> {
    let metadata = &context.resource.metadata;
    PlanInput {
        generation: metadata.generation,
        named_regions: context.settings.regions.as_deref(),
        request: token.map(|token| RefreshRequest {
            token,
            known_since: context.effects.request_known_since(token, context.now),
        }),
        forced_refresh_from: context.effects.forced_refresh_may_begin_at(context.now),
        status: context.status,
        unrecoverable: &unrecoverable.regions,
        mapping_unrecoverable: unrecoverable.mapping,
        schedule: RefreshSchedule::new(
            context.settings.interval,
            metadata.uid.as_deref().unwrap_or_default(),
        ),
        now: context.now,
    }
}

impl Outcome {
    /// Nothing is done until something changes.
    fn idle() -> Self {
        Self {
            next: Next::Change,
            restored: 0,
            refreshed: None,
            write_errors: Vec::new(),
        }
    }

    /// Nothing is done until something changes, failed writes apart.
    fn refused(write_errors: Vec<(String, AttemptError)>) -> Self {
        Self {
            next: if write_errors.is_empty() {
                Next::Change
            } else {
                Next::After(PUBLICATION_RETRY)
            },
            write_errors,
            ..Self::idle()
        }
    }
}

impl Next {
    fn at(time: Timestamp, now: Timestamp) -> Self {
        let wait = Duration::try_from(time.duration_since(now)).unwrap_or_default();
        Self::After(wait.max(MIN_WAIT))
    }
}

//! The step that reports: writes the status, and the Events of its transitions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Effects;
use super::context::RefreshContext;
use super::publish::Applied;
use crate::api::{
    ANNOTATION_REQUESTED_AT, AttemptError, BedrockModelMap, BedrockModelMapStatus, RegionSource,
};
use crate::bedrock::diff::Changes;
use crate::reconcile::plan::{PlanInput, Reason, next_due, next_reconcile};
use crate::reconcile::status::events::events;
use crate::reconcile::status::region::to_k8s_time;
use crate::reconcile::status::{conditions, contention};

/// Reports the start of a refresh that a user waits for. Returns the conditions as reported.
pub(super) async fn announce<E: Effects>(
    context: &RefreshContext<'_, E>,
    reason: &Reason,
) -> Result<Vec<Condition>, E::Error> {
    let Some((condition_reason, message)) = announcement(reason) else {
        return Ok(context.status.conditions.clone());
    };
    let mut status = context.status.clone();
    let generation = context.generation();
    let spec_is_new = status.observed_generation != generation;
    status.conditions = conditions::while_refreshing(
        &status,
        condition_reason,
        &message,
        spec_is_new,
        generation,
        context.now,
    );
    context.effects.report(&status, Vec::new()).await?;
    Ok(status.conditions)
}

/// The reason and the message of the condition Reconciling. A routine refresh has none.
fn announcement(reason: &Reason) -> Option<(&'static str, String)> {
    let (condition_reason, message) = match reason {
        Reason::First => (
            "FirstRefresh",
            "refreshing all regions for the first time".to_owned(),
        ),
        Reason::NewGeneration => (
            "NewGeneration",
            "refreshing all regions: the spec changed".to_owned(),
        ),
        Reason::Requested(_) => (
            "RefreshRequested",
            format!("refreshing all regions: requested by annotation {ANNOTATION_REQUESTED_AT}"),
        ),
        Reason::Due => return None,
    };
    Some((condition_reason, message))
}

/// The status as reported, and the time of the next reconciliation.
pub(super) struct Reported {
    pub(super) status: BedrockModelMapStatus,
    pub(super) ended_at: Timestamp,
    pub(super) next: Timestamp,
}

/// Reports the refresh.
pub(super) async fn report<E: Effects>(
    context: &RefreshContext<'_, E>,
    input: &PlanInput<'_>,
    reason: &Reason,
    announced: Vec<Condition>,
    applied: Applied,
    changes: &Changes,
) -> Result<Reported, E::Error> {
    let (source, generation) = (context.region_source(), context.generation());
    let mut status = applied.into_status(context, announced, reason);
    status.summary = Some(conditions::summary(&status.regions, source));
    let contended = context.contended();
    status.conditions =
        conditions::after_refresh(&status, source, &contended, generation, context.now);
    let ended_at = context.effects.now();
    let due = next_due(&input.after(&status, ended_at));
    status.next_refresh_time = Some(to_k8s_time(due));
    write(context.effects, context.resource, &status, changes, source).await?;
    Ok(Reported {
        next: next_reconcile(&input.after(&status, ended_at)),
        ended_at,
        status,
    })
}

/// Reports, without a refresh, ConfigMaps that become contended and those that no longer are.
pub(super) async fn report_contention<E: Effects>(
    context: &RefreshContext<'_, E>,
) -> Result<(), E::Error> {
    let contended = context.contended();
    if contended.is_empty() && contention::reported(context.status).is_none() {
        return Ok(());
    }
    let source = context.region_source();
    let mut status = context.status.clone();
    status.conditions = conditions::with_contention(&status, source, &contended, context.now);
    if status.conditions == context.status.conditions {
        return Ok(());
    }
    let changes = Changes::default();
    write(context.effects, context.resource, &status, &changes, source).await
}

/// Reports why the spec is refused.
pub(super) async fn report_refusal<E: Effects>(
    effects: &E,
    resource: &BedrockModelMap,
    mut status: BedrockModelMapStatus,
    error: &AttemptError,
    now: Timestamp,
) -> Result<(), E::Error> {
    let generation = resource.metadata.generation;
    status.observed_generation = generation;
    // No region is queried until the spec changes.
    status.next_refresh_time = None;
    let source = RegionSource::from(resource.spec.regions.as_deref());
    if !status.regions.is_empty() {
        status.summary = Some(conditions::summary(&status.regions, source));
    }
    status.conditions = conditions::refused(&status, error, source, generation, now);
    write(effects, resource, &status, &Changes::default(), source).await
}

async fn write<E: Effects>(
    effects: &E,
    resource: &BedrockModelMap,
    status: &BedrockModelMapStatus,
    changes: &Changes,
    source: RegionSource,
) -> Result<(), E::Error> {
    let before = resource.status.clone().unwrap_or_default();
    let events = events(&before, status, changes, source);
    effects.report(status, events).await
}

//! A region without a response to publish: its last good data stays published.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::aliases::publish_aliases;
use super::context::{RefreshContext, RefreshedRegion};
use super::last_good::Found;
use super::{Effects, Seen, Work};
use crate::api::{AttemptError, RegionStatus};
use crate::bedrock::invocation::InvocationFacts;
use crate::publication::content::RegionContent;
use crate::reconcile::status::aliases::Evidence;
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::region::{
    PublishAction, disabled_or_invalid_credentials, failed, from_published, record_invocation,
};

/// Retains a region whose refresh failed.
pub(super) async fn retain_failed<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    error: AttemptError,
    peers: PeerEvidence,
) -> Result<RefreshedRegion, E::Error> {
    let error = disabled_or_invalid_credentials(error, peers);
    let before = match context.status.regions.get(region).cloned() {
        Some(before) if before.config_map.is_some() => Some(before),
        before => find_unrecorded(context, region, before.as_ref())
            .await?
            .or(before),
    };
    let (status, action) = failed(
        before.as_ref(),
        error,
        peers,
        context.region_source(),
        context.now,
    );
    match action {
        PublishAction::Keep => retain(context, region, status).await,
        PublishAction::Publish | PublishAction::Remove => Ok(RefreshedRegion::unwritten(status)),
    }
}

/// The region as published without a record in the status: a refresh was killed before its status,
/// or a deleted resource of the same name left its ConfigMaps.
async fn find_unrecorded<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    before: Option<&RegionStatus>,
) -> Result<Option<RegionStatus>, E::Error> {
    let name = context.settings.region_config_map(region);
    let _permit = context.effects.render_permit(Work::Region).await;
    let live = context.effects.read(&name).await?;
    let found = context
        .last_good
        .annotated_content(before, live.as_ref())
        .await;
    Ok(found.map(|(content, since)| from_published(&name, &content, since)))
}

/// Updates the metadata in the region's ConfigMap, and moves it to the name in the spec. If that
/// cannot be written, the region's own error is the one to report.
pub(super) async fn retain<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    mut status: RegionStatus,
) -> Result<RefreshedRegion, E::Error> {
    if status.config_map.is_none() {
        return Ok(RefreshedRegion::unwritten(status));
    }
    let _permit = context.effects.render_permit(Work::Region).await;
    let Found { content, live } = context.last_good.find(region, &status).await?;
    let Some(content) = content else {
        // A query that finds the content resolves the aliases.
        if let Some(aliases) = &mut status.aliases {
            aliases.next_end_of_life = None;
        }
        return Ok(RefreshedRegion::unwritten(status));
    };
    status.mapping = Some(content.profile_ids());
    let facts = context.facts(region, &content);
    let rewritten = rewrite(context, region, &content, &facts, &mut status, live);
    let (written, write_errors) = rewritten.await;
    let mut refreshed = RefreshedRegion {
        written,
        write_errors,
        ..RefreshedRegion::unwritten(status)
    };
    let evidence = Evidence::LastGood;
    publish_aliases(context, region, &facts, evidence, &mut refreshed).await;
    refreshed.models_json = Some(context.share(content));
    Ok(refreshed)
}

/// Moves the region's ConfigMap to the name in the spec, or updates it under its current one. Returns
/// the number of ConfigMaps written, and the failed writes.
async fn rewrite<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    content: &RegionContent,
    facts: &BTreeMap<String, InvocationFacts>,
    status: &mut RegionStatus,
    live: Option<ConfigMap>,
) -> (usize, Vec<AttemptError>) {
    let desired = context.settings.region_config_map(region);
    let mut write_errors = Vec::new();
    let current = status.config_map.clone();
    let move_first = (current.as_ref() != Some(&desired)).then_some((desired, Seen::Unread));
    let current = current.map(|current| (current, Seen::Read(live.map(Box::new))));
    let names = move_first.into_iter().chain(current);
    for (name, seen) in names {
        match context
            .apply_region(&name, region, content, facts, status, seen)
            .await
        {
            Ok(written) => {
                record_invocation(status, facts);
                status.config_map = Some(name);
                return (usize::from(written), write_errors);
            }
            Err(error) => write_errors.push(error),
        }
    }
    (0, write_errors)
}

//! A region without a response to publish: its last good data stays published.

use super::context::{RefreshContext, RefreshedRegion};
use super::last_good::Found;
use super::{Effects, Seen, Work};
use crate::api::{AttemptError, RegionState, RegionStatus};
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::region::{
    PublishAction, disabled_or_invalid_credentials, failed, from_published,
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
        // The next prune deletes a ConfigMap that is still there.
        Some(before) if before.state == RegionState::Empty => Some(before),
        before => find_unrecorded(context, region).await?.or(before),
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
) -> Result<Option<RegionStatus>, E::Error> {
    let name = context.settings.region_config_map(region);
    let _permit = context.effects.render_permit(Work::Region).await;
    let live = context.effects.read(&name).await?;
    let recorded = context.last_good.recorded_content(live.as_ref());
    Ok(recorded.map(|(content, since)| from_published(None, &name, &content, since)))
}

/// Updates the metadata in the region's ConfigMap, and moves it to the name in the spec. If that
/// cannot be written, the region's own error is the one to report.
pub(super) async fn retain<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    mut status: RegionStatus,
) -> Result<RefreshedRegion, E::Error> {
    let Some(current) = status.config_map.clone() else {
        return Ok(RefreshedRegion::unwritten(status));
    };
    let _permit = context.effects.render_permit(Work::Region).await;
    let Found { content, live } = context.last_good.find(region, &status).await?;
    let content = if let Some(content) = content {
        content
    } else if let Some((content, since)) = context.last_good.recorded_content(live.as_ref()) {
        // A refresh was killed between this content and its status.
        status = from_published(Some(&status), &current, &content, since);
        content
    } else {
        return Ok(RefreshedRegion::unwritten(status));
    };
    status.mapping = Some(content.profile_ids());
    let desired = context.settings.region_config_map(region);
    let mut write_errors = Vec::new();
    if current != desired {
        let moved = context.apply_region(&desired, region, &content, &status, Seen::Unread);
        match moved.await {
            Ok(written) => {
                context.record_invocation(region, &content, &mut status);
                status.config_map = Some(desired);
                return Ok(RefreshedRegion {
                    models_json: Some(content.models_json),
                    written,
                    ..RefreshedRegion::unwritten(status)
                });
            }
            Err(error) => write_errors.push(error),
        }
    }
    let applied = context.apply_region(
        &current,
        region,
        &content,
        &status,
        Seen::Read(live.map(Box::new)),
    );
    let written = match applied.await {
        Ok(written) => {
            context.record_invocation(region, &content, &mut status);
            written
        }
        Err(error) => {
            write_errors.push(error);
            false
        }
    };
    Ok(RefreshedRegion {
        models_json: Some(content.models_json),
        written,
        write_errors,
        ..RefreshedRegion::unwritten(status)
    })
}

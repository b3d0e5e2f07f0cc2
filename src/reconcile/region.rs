//! Discovery and publication of one region.

use std::collections::BTreeMap;

use super::aliases::publish_aliases;
use super::context::{RefreshContext, RefreshedRegion, unwritable};
use super::rendering::render;
use super::{Effects, Seen, Work};
use crate::api::{AttemptError, RegionStatus};
use crate::bedrock::catalog::PackedSnapshot;
use crate::bedrock::diff::{ChangeKind, region_changes};
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::view::{FactsSource, RegionView};
use crate::publication::content::RegionContent;
use crate::reconcile::plan::Refresh;
use crate::reconcile::status::region::{PublishAction, QueryContext, after_response, to_k8s_time};

/// Outcome of a region's query, before the other regions are known.
pub(super) enum RegionOutcome {
    /// The response is published, if it has any model.
    Published(RefreshedRegion),
    /// The response waits for confirmation.
    Held(RegionStatus),
    /// There is no response, or it could not be published.
    Failed(AttemptError),
}

pub(super) async fn refresh_region<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    refresh: &Refresh,
) -> RegionOutcome {
    try_refresh(context, region, refresh)
        .await
        .unwrap_or_else(RegionOutcome::Failed)
}

/// Acquires the permit only when AWS has responded, so that a region that hangs holds none, and
/// drops the parsed models with it. What is rendered and written has its room from then on: thousands
/// of regions may wait at once.
async fn try_refresh<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    refresh: &Refresh,
) -> Result<RegionOutcome, AttemptError> {
    let before = context.status.regions.get(region);
    let not_before = refresh.not_before(before, context.now);
    let snapshot = context
        .effects
        .query(region, not_before, refresh.priority(before))
        .await?;
    let _permit = context.effects.render_permit(Work::Region).await;
    Box::pin(publish_response(context, region, refresh, &snapshot)).await
}

async fn publish_response<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    refresh: &Refresh,
    snapshot: &PackedSnapshot,
) -> Result<RegionOutcome, AttemptError> {
    let before = context.status.regions.get(region);
    let (effects, selection) = (context.effects, &context.settings.selection);
    let content = effects.compute(|| render(effects, snapshot, selection));
    let content = content.await?;
    let name = context.settings.region_config_map(region);
    let query = query_context(context, refresh);
    let taken_at = snapshot.taken_at;
    let decide = || {
        let facts = context.facts(region, &content);
        let after = after_response(before, &content, &facts, taken_at, &name, query);
        (facts, after)
    };
    let (facts, (status, action)) = context.effects.compute(decide).await;
    Ok(match action {
        PublishAction::Keep => RegionOutcome::Held(status),
        PublishAction::Remove => RegionOutcome::Published(RefreshedRegion {
            changes: match before {
                Some(before) if before.config_map.is_some() => vec![ChangeKind::RegionRemoved],
                Some(_) | None => Vec::new(),
            },
            ..RefreshedRegion::unwritten(status)
        }),
        PublishAction::Publish => {
            let mut published = publish(context, region, &name, status, &content, &facts).await?;
            let evidence = refresh.reason.evidence();
            publish_aliases(context, region, &facts, evidence, &mut published).await;
            published.models_json = Some(context.share(content));
            RegionOutcome::Published(published)
        }
    })
}

pub(super) fn query_context<E: Effects>(
    context: &RefreshContext<'_, E>,
    refresh: &Refresh,
) -> QueryContext {
    QueryContext {
        generation: context.generation(),
        guard_shrinking: refresh.reason.guards_against_shrinking(),
        at: context.now,
    }
}

async fn publish<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    name: &str,
    mut status: RegionStatus,
    content: &RegionContent,
    facts: &BTreeMap<String, InvocationFacts>,
) -> Result<RefreshedRegion, AttemptError> {
    let before = context.status.regions.get(region);
    let (replaced, seen) = replaced(context, region, name, content).await?;
    adopt_discovery_time(context, before, &mut status, &seen).await;
    let applied = context.apply_region(name, region, content, facts, &status, seen);
    let written = usize::from(applied.await?);
    status.mapping = Some(content.profile_ids());
    let changes = match replaced {
        Some(replaced) => {
            let view = |models| RegionView {
                models,
                facts: FactsSource::Policy(&context.settings.policy),
            };
            region_changes(
                region,
                Some(&view(&replaced.models)),
                Some(&view(&content.models)),
            )
        }
        // The content is the same, or the replaced one is lost.
        None if before.is_some_and(|b| b.config_map.is_some()) => Vec::new(),
        None => vec![ChangeKind::RegionAdded],
    };
    Ok(RefreshedRegion {
        changes,
        written,
        ..RefreshedRegion::unwritten(status)
    })
}

/// Reads the published content that the new one replaces, for the changes between both, and the
/// ConfigMap to write. A ConfigMap that the watch does not show is created without a read: the
/// request fails if it exists. Nor is one read whose content the status records.
async fn replaced<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    name: &str,
    by: &RegionContent,
) -> Result<(Option<RegionContent>, Seen), AttemptError> {
    let before = context.status.regions.get(region);
    if before.is_some_and(|before| before.sha256.as_ref() == Some(&by.sha256)) {
        return Ok((None, Seen::Unread));
    }
    let before = before.filter(|before| before.config_map.is_some());
    let Some(before) = before else {
        return Ok((None, read_labelled(context, name).await?));
    };
    let found = context.last_good.find(region, before).await;
    let found = found.map_err(|cause| unwritable(&cause))?;
    let seen = if before.config_map.as_deref() == Some(name) {
        Seen::Read(found.live.map(Box::new))
    } else {
        read_labelled(context, name).await?
    };
    Ok((found.content, seen))
}

async fn read_labelled<E: Effects>(
    context: &RefreshContext<'_, E>,
    name: &str,
) -> Result<Seen, AttemptError> {
    if !context.effects.is_labelled(name) {
        return Ok(Seen::Unread);
    }
    let live = context.effects.read(name).await;
    live.map(|live| Seen::Read(live.map(Box::new)))
        .map_err(|cause| unwritable(&cause))
}

/// Keeps the discovery time of content that the ConfigMap holds already and the status does not
/// record: a refresh was killed before its status, or a deleted resource of the same name left it.
async fn adopt_discovery_time<E: Effects>(
    context: &RefreshContext<'_, E>,
    before: Option<&RegionStatus>,
    status: &mut RegionStatus,
    seen: &Seen,
) {
    let is_recorded = before.is_some_and(|before| before.sha256 == status.sha256);
    let last_good = &context.last_good;
    if !is_recorded
        && let Seen::Read(live) = seen
        // AWS has just confirmed this content.
        && let Some((_, Some(since))) = last_good
            .annotated_content(Some(status), live.as_deref())
            .await
    {
        status.discovered_at = Some(to_k8s_time(since));
    }
}

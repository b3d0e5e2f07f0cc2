//! Publication of a region's aliases, which follow from its published models.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::context::{RefreshContext, RefreshedRegion, unwritable};
use super::effects::Seen;
use super::{Effects, Work};
use crate::api::{ANNOTATION_SHA256, AliasesStatus, AttemptError, ErrorCode, RegionStatus};
use crate::bedrock::aliases::{AliasEntries, Listing};
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::aliases::{ALIASES_JSON, AliasFiles, alias_files, read_aliases};
use crate::publication::ownership::{Content, DesiredConfigMap, Owner};
use crate::publication::render::{ConfigMapFiles, RenderError};
use crate::reconcile::plan::are_aliases_due;
use crate::reconcile::status::aliases::{Evidence, Settled, resolve_all, settle};

/// Publishes the aliases of a region whose models are published, and records them in its status.
pub(super) async fn publish_aliases<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    facts: &BTreeMap<String, InvocationFacts>,
    evidence: Evidence,
    refreshed: &mut RefreshedRegion,
) {
    if context.settings.aliases.is_empty() {
        refreshed.status.aliases = None;
        return;
    }
    let before = context.status.regions.get(region);
    let before = before.and_then(|region| region.aliases.clone());
    let before = before.unwrap_or_default();
    let settled = match settled(context, region, facts, evidence, &before).await {
        Ok(settled) => settled,
        Err(error) => {
            refreshed.status.aliases = Some(unpublished(*before, error));
            return;
        }
    };
    let Settled {
        entries,
        status,
        changes,
    } = settled;
    let mut status = AliasesStatus {
        config_map: before.config_map.clone(),
        sha256: before.sha256.clone(),
        env_config_map: before.env_config_map.clone(),
        env_sha256: before.env_sha256.clone(),
        ..status
    };
    match write(context, region, &entries, &mut status).await {
        Ok(written) => {
            refreshed.written += written;
            refreshed.changes.extend(changes);
            refreshed.status.aliases = Some(Box::new(status));
        }
        Err(error) => {
            let held_loss = before.held_loss;
            let status = AliasesStatus {
                held_loss,
                ..status
            };
            refreshed.status.aliases = Some(unpublished(status, error));
        }
    }
}

/// The status of aliases whose write failed. The retry finds the next end of life.
fn unpublished(status: AliasesStatus, error: AttemptError) -> Box<AliasesStatus> {
    Box::new(AliasesStatus {
        next_end_of_life: None,
        error: Some(error),
        ..status
    })
}

/// Reads what is published only if it differs, or if a loss waits for confirmation.
async fn settled<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    facts: &BTreeMap<String, InvocationFacts>,
    evidence: Evidence,
    before: &AliasesStatus,
) -> Result<Settled, AttemptError> {
    let aliases = &context.settings.aliases;
    let listing = Listing::new(facts, context.now);
    let held_loss = before.held_loss.as_deref();
    let resolved = settle(aliases, &listing, None, None, evidence);
    let files =
        alias_files(region, aliases, &resolved.entries).map_err(|cause| too_large(&cause))?;
    if held_loss.is_none() && files.aliases.sha256 == before.sha256 {
        return Ok(resolved);
    }
    let mut names = vec![context.settings.aliases_config_map(region)];
    if !before.config_map.is_empty() && before.config_map != names[0] {
        names.push(before.config_map.clone());
    }
    for name in names {
        if !context.effects.is_labelled(&name) {
            continue;
        }
        let live = context.effects.read(&name).await;
        let live = live.map_err(|cause| unwritable(&cause))?;
        if let Some(published) = recorded_aliases(context.owner, live.as_ref()) {
            return Ok(settle(
                aliases,
                &listing,
                Some(&published),
                held_loss,
                evidence,
            ));
        }
    }
    Ok(resolved)
}

fn too_large(cause: &RenderError) -> AttemptError {
    AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string())
}

/// Writes both ConfigMaps, the second also if the first fails, and records each in the status.
async fn write<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    entries: &AliasEntries,
    status: &mut AliasesStatus,
) -> Result<usize, AttemptError> {
    let AliasFiles { env, aliases } = alias_files(region, &context.settings.aliases, entries)
        .map_err(|cause| too_large(&cause))?;
    let (env_sha256, sha256) = (env.sha256.clone(), aliases.sha256.clone());
    let env_name = context.settings.env_config_map(region);
    let env = context.apply_aliases(&env_name, Content::Env(region.to_owned()), env);
    let env = env.await;
    if env.is_ok() {
        (status.env_config_map, status.env_sha256) = (env_name, env_sha256);
    }
    let name = context.settings.aliases_config_map(region);
    let aliases = context.apply_aliases(&name, Content::Aliases(region.to_owned()), aliases);
    let aliases = aliases.await;
    if aliases.is_ok() {
        (status.config_map, status.sha256) = (name, sha256);
    }
    Ok(usize::from(env?) + usize::from(aliases?))
}

/// Resolves the aliases of a region that is not queried, if one of their models has ended or their
/// last write has failed.
pub(super) async fn renew_aliases<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    mut status: RegionStatus,
) -> Result<RefreshedRegion, E::Error> {
    let Some(aliases) = status
        .aliases
        .as_mut()
        .filter(|aliases| are_aliases_due(aliases, context.now))
    else {
        return Ok(RefreshedRegion::unwritten(status));
    };
    aliases.next_end_of_life = None;
    let _permit = context.effects.render_permit(Work::Region).await;
    let content = context.last_good.find(region, &status).await?.content;
    let mut refreshed = RefreshedRegion::unwritten(status);
    if let Some(content) = content {
        let (facts, evidence) = (context.facts(region, &content), Evidence::LastGood);
        publish_aliases(context, region, &facts, evidence, &mut refreshed).await;
    }
    Ok(refreshed)
}

/// The entries of a ConfigMap of this resource whose annotation has their hash.
pub(super) fn recorded_aliases(owner: &Owner, live: Option<&ConfigMap>) -> Option<AliasEntries> {
    let live = live.filter(|live| owner.owns(&live.metadata))?;
    let sha256 = live.metadata.annotations.as_ref()?.get(ANNOTATION_SHA256)?;
    read_aliases(live.data.as_ref()?.get(ALIASES_JSON)?, sha256)
}

impl<E: Effects> RefreshContext<'_, E> {
    /// The files of the aliases as the status records them: from their ConfigMap, or resolved again
    /// from the region's last good data. None: neither gives them.
    pub(super) async fn recorded_alias_files(
        &self,
        region: &str,
        status: &RegionStatus,
        aliases: &AliasesStatus,
    ) -> Result<Option<AliasFiles>, E::Error> {
        let live = self.effects.read(&aliases.config_map).await?;
        let recorded = recorded_aliases(self.owner, live.as_ref());
        let files = |entries: &AliasEntries| {
            alias_files(region, &self.settings.aliases, entries)
                .ok()
                .filter(|files| {
                    files.aliases.sha256 == aliases.sha256 && files.env.sha256 == aliases.env_sha256
                })
        };
        if let Some(files) = recorded.as_ref().and_then(files) {
            return Ok(Some(files));
        }
        let Some(content) = self.last_good.find(region, status).await?.content else {
            return Ok(None);
        };
        let facts = self.facts(region, &content);
        let listing = Listing::new(&facts, self.now);
        Ok(files(&resolve_all(&self.settings.aliases, &listing)))
    }

    /// Writes one of the two ConfigMaps of a region's aliases unless it is up to date.
    pub(super) async fn apply_aliases(
        &self,
        name: &str,
        content: Content,
        files: ConfigMapFiles,
    ) -> Result<bool, AttemptError> {
        let inputs = self.inputs([files.sha256.clone()]);
        if self.effects.is_current(name, &inputs) {
            return Ok(false);
        }
        let target = DesiredConfigMap {
            name: name.to_owned(),
            content,
            ends: LifecycleSummary::default(),
            files,
            inputs,
        };
        self.effects.apply(&target, Seen::Unread).await
    }
}

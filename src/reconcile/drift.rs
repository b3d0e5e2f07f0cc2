//! The step that repairs drift: restores published ConfigMaps that were changed or deleted.

use std::collections::BTreeMap;

use std::collections::BTreeSet;

use super::context::RefreshContext;
use super::merged::merge;
use super::{Effects, Seen, Work};
use crate::api::{AliasesStatus, AttemptError, RegionStatus};
use crate::publication::aliases::AliasFiles;
use crate::publication::ownership::Content;

/// Result of the step.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// ConfigMaps restored.
    pub(super) restored: usize,
    pub(super) unrecoverable: Unrecoverable,
    /// Failed writes, by region.
    pub(super) write_errors: Vec<(String, AttemptError)>,
}

/// Content that only a refresh restores: nothing in the cluster or in memory holds it, or its
/// ConfigMap cannot be written.
#[derive(Debug, Default)]
pub(super) struct Unrecoverable {
    pub(super) regions: BTreeSet<String>,
    pub(super) mapping: bool,
}

impl Drift {
    fn record(&mut self, region: &str, restored: Restored) {
        match restored {
            Restored::Written(config_maps) => self.restored += config_maps,
            Restored::NotFound => {
                self.unrecoverable.regions.insert(region.to_owned());
            }
            // A refresh of the region reports the error, and retries at the right time.
            Restored::Failed(error) => {
                self.write_errors.push((region.to_owned(), error));
                self.unrecoverable.regions.insert(region.to_owned());
            }
        }
    }
}

enum Restored {
    /// As many ConfigMaps were written.
    Written(usize),
    NotFound,
    Failed(AttemptError),
}

pub(super) async fn repair_drift<E: Effects>(
    context: &RefreshContext<'_, E>,
) -> Result<Drift, E::Error> {
    let mut drift = Drift::default();
    // A changed spec renders everything again.
    if context.status.observed_generation != context.generation() {
        return Ok(drift);
    }
    for (region, status) in &context.status.regions {
        let Some(name) = &status.config_map else {
            continue;
        };
        if !context.effects.is_unchanged(name) {
            let restored = restore_region(context, region, name, status).await?;
            drift.record(region, restored);
        }
        // The plan publishes aliases that have an error.
        let aliases = status.aliases.as_ref().filter(|a| a.error.is_none());
        if let Some(aliases) = aliases
            && ![&aliases.config_map, &aliases.env_config_map]
                .into_iter()
                .all(|name| context.effects.is_unchanged(name))
        {
            let restored = restore_aliases(context, region, status, aliases).await?;
            drift.record(region, restored);
        }
    }
    // The plan publishes a mapping that has an error.
    let mapping = context.status.mapping.as_ref();
    let has_drifted =
        mapping.is_some_and(|m| m.error.is_none() && !context.effects.is_unchanged(&m.config_map));
    if has_drifted && drift.unrecoverable.regions.is_empty() {
        match restore_mapping(context).await? {
            Restored::Written(config_maps) => drift.restored += config_maps,
            Restored::NotFound => {}
            Restored::Failed(_) => drift.unrecoverable.mapping = true,
        }
    }
    Ok(drift)
}

/// Holds the permit for this one region only: the mapping needs one of its own.
async fn restore_region<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    name: &str,
    status: &RegionStatus,
) -> Result<Restored, E::Error> {
    let _permit = context.effects.render_permit(Work::Region).await;
    let found = context.last_good.find(region, status).await?;
    let Some(content) = found.content else {
        return Ok(Restored::NotFound);
    };
    let applied = context.apply_region(
        name,
        region,
        &content,
        status,
        Seen::Read(found.live.map(Box::new)),
    );
    Ok(Restored::from(applied.await))
}

async fn restore_aliases<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    status: &RegionStatus,
    aliases: &AliasesStatus,
) -> Result<Restored, E::Error> {
    let _permit = context.effects.render_permit(Work::Region).await;
    let files = context.recorded_alias_files(region, status, aliases);
    let Some(AliasFiles {
        env,
        aliases: formats,
    }) = files.await?
    else {
        return Ok(Restored::NotFound);
    };
    let region = || region.to_owned();
    let targets = [
        (&aliases.env_config_map, Content::Env(region()), env),
        (&aliases.config_map, Content::Aliases(region()), formats),
    ];
    let mut written = 0;
    for (name, content, files) in targets {
        match context.apply_aliases(name, content, files).await {
            Ok(was_written) => written += usize::from(was_written),
            Err(error) => return Ok(Restored::Failed(error)),
        }
    }
    Ok(Restored::Written(written))
}

async fn restore_mapping<E: Effects>(
    context: &RefreshContext<'_, E>,
) -> Result<Restored, E::Error> {
    let (mapping, written) = merge(context, &context.status.regions, BTreeMap::default()).await?;
    Ok(match mapping.and_then(|mapping| mapping.error) {
        Some(error) => Restored::Failed(error),
        None => Restored::from(Ok(written)),
    })
}

impl From<Result<bool, AttemptError>> for Restored {
    fn from(written: Result<bool, AttemptError>) -> Self {
        match written {
            Ok(written) => Self::Written(usize::from(written)),
            Err(error) => Self::Failed(error),
        }
    }
}

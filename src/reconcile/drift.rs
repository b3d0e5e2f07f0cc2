//! The step that repairs drift: restores published ConfigMaps that were changed or deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::contention::Repairs;
use super::context::RefreshContext;
use super::merged::merge;
use super::{Effects, Seen, Work};
use crate::api::{AliasesStatus, AttemptError, ErrorCode, RegionStatus};
use crate::publication::aliases::AliasFiles;
use crate::publication::ownership::Content;

/// Result of the step.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// ConfigMaps restored.
    pub(super) restored: usize,
    pub(super) unrecoverable: Unrecoverable,
    /// `models.json` of the regions that were read, for the merged mapping.
    models_json: BTreeMap<String, Arc<str>>,
    /// Failed writes, by region.
    pub(super) write_errors: Vec<(String, AttemptError)>,
    /// Time until which a repair pauses, because another writer changes a ConfigMap again and again.
    pub(super) paused_until: Option<Timestamp>,
}

/// Content that only a refresh restores: nothing in the cluster or in memory holds it, or its
/// ConfigMap cannot be written.
#[derive(Debug, Default)]
pub(super) struct Unrecoverable {
    pub(super) regions: BTreeSet<String>,
    pub(super) mapping: bool,
}

impl Drift {
    fn pause_until(&mut self, time: Timestamp) {
        self.paused_until = Some(self.paused_until.map_or(time, |until| until.min(time)));
    }

    fn record(&mut self, region: &str, restored: Restored) {
        match restored {
            Restored::Written(config_maps) => self.restored += config_maps,
            Restored::NotFound => {
                self.unrecoverable.regions.insert(region.to_owned());
            }
            Restored::Overtaken => {}
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
    /// Another writer was faster each time. The next repair tries again.
    Overtaken,
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
        if let Some(due) = due(context, &mut drift, &[name]).await? {
            let restored = restore_region(context, region, name, status, &mut drift).await?;
            due.record(context, &mut drift, &restored);
            drift.record(region, restored);
        }
        // The plan publishes aliases that have an error.
        let aliases = status.aliases.as_ref().filter(|a| a.error.is_none());
        if let Some(aliases) = aliases
            && let names = [&aliases.config_map, &aliases.env_config_map]
            && let Some(due) = due(context, &mut drift, &names).await?
        {
            let restored = restore_aliases(context, region, status, aliases).await?;
            due.record(context, &mut drift, &restored);
            drift.record(region, restored);
        }
    }
    // The plan publishes a mapping that has an error.
    let mapping = context.status.mapping.as_ref();
    let mapping = mapping.filter(|mapping| mapping.error.is_none());
    if let Some(mapping) = mapping
        && drift.unrecoverable.regions.is_empty()
        && let Some(due) = due(context, &mut drift, &[&mapping.config_map]).await?
    {
        let models_json = std::mem::take(&mut drift.models_json);
        let restored = restore_mapping(context, models_json).await?;
        due.record(context, &mut drift, &restored);
        match restored {
            Restored::Written(config_maps) => drift.restored += config_maps,
            Restored::NotFound | Restored::Overtaken => {}
            Restored::Failed(_) => drift.unrecoverable.mapping = true,
        }
    }
    Ok(drift)
}

/// Repairs that may begin now, with their ConfigMaps.
struct DueRepairs<'n>(Vec<(&'n str, Repairs)>);

impl DueRepairs<'_> {
    /// Records the repairs, if a ConfigMap was written or was about to be.
    fn record<E: Effects>(
        self,
        context: &RefreshContext<'_, E>,
        drift: &mut Drift,
        restored: &Restored,
    ) {
        let is_overtaken = matches!(restored, Restored::Overtaken);
        if !is_overtaken && !matches!(restored, Restored::Written(1..)) {
            return;
        }
        for (name, repairs) in self.0 {
            if is_overtaken {
                drift.pause_until(repairs.may_begin_at(context.now));
            }
            context.effects.record_repair(name, repairs);
        }
    }
}

/// The repairs of those ConfigMaps that have drifted. None: none has, or one of them pauses.
async fn due<'n, E: Effects>(
    context: &RefreshContext<'_, E>,
    drift: &mut Drift,
    names: &[&'n String],
) -> Result<Option<DueRepairs<'n>>, E::Error> {
    let (effects, now) = (context.effects, context.now);
    let mut all = Vec::new();
    for name in names.iter().filter(|name| !effects.is_unchanged(name)) {
        let earlier = effects.repairs_of(name);
        let from = earlier.may_begin_at(now);
        if from > now {
            drift.pause_until(from);
            return Ok(None);
        }
        let mut repairs = earlier.repaired(now);
        if repairs.is_contended(now) {
            // The watch keeps no field managers.
            repairs = repairs.written_by(effects.read(name).await?.as_ref());
        }
        all.push((name.as_str(), repairs));
    }
    Ok((!all.is_empty()).then_some(DueRepairs(all)))
}

/// Holds the permit for this one region only: the mapping needs one of its own.
async fn restore_region<E: Effects>(
    context: &RefreshContext<'_, E>,
    region: &str,
    name: &str,
    status: &RegionStatus,
    drift: &mut Drift,
) -> Result<Restored, E::Error> {
    let _permit = context.effects.render_permit(Work::Region).await;
    let found = context.last_good.find(region, status).await?;
    let Some(content) = found.content else {
        return Ok(Restored::NotFound);
    };
    let facts = context.facts(region, &content);
    let seen = Seen::Read(found.live.map(Box::new));
    let applied = context.apply_region(name, region, &content, &facts, status, seen);
    let restored = Restored::from(applied.await);
    let models_json = context.share(content);
    drift.models_json.insert(region.to_owned(), models_json);
    Ok(restored)
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
            Err(error) => return Ok(Restored::from(Err(error))),
        }
    }
    Ok(Restored::Written(written))
}

async fn restore_mapping<E: Effects>(
    context: &RefreshContext<'_, E>,
    models_json: BTreeMap<String, Arc<str>>,
) -> Result<Restored, E::Error> {
    let (mapping, written) = merge(context, &context.status.regions, models_json).await?;
    Ok(match mapping.and_then(|mapping| mapping.error) {
        Some(error) => Restored::from(Err(error)),
        None => Restored::from(Ok(written)),
    })
}

impl From<Result<bool, AttemptError>> for Restored {
    fn from(written: Result<bool, AttemptError>) -> Self {
        match written {
            Ok(written) => Self::Written(usize::from(written)),
            Err(error) if error.code == ErrorCode::WriteConflict => Self::Overtaken,
            Err(error) => Self::Failed(error),
        }
    }
}

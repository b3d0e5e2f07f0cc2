//! The step that repairs drift: restores published ConfigMaps that were changed or deleted.

use std::collections::BTreeMap;

use std::collections::BTreeSet;

use super::context::RefreshContext;
use super::merged::merge;
use super::{Effects, Seen, Work};
use crate::api::{AttemptError, RegionStatus};

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

enum Restored {
    Written,
    Unchanged,
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
        if context.effects.is_unchanged(name) {
            continue;
        }
        match restore_region(context, region, name, status).await? {
            Restored::Written => drift.restored += 1,
            Restored::Unchanged => {}
            Restored::NotFound => {
                drift.unrecoverable.regions.insert(region.clone());
            }
            // A refresh of the region reports the error, and retries at the right time.
            Restored::Failed(error) => {
                drift.write_errors.push((region.clone(), error));
                drift.unrecoverable.regions.insert(region.clone());
            }
        }
    }
    // The plan publishes a mapping that has an error.
    let mapping = context.status.mapping.as_ref();
    let has_drifted =
        mapping.is_some_and(|m| m.error.is_none() && !context.effects.is_unchanged(&m.config_map));
    if has_drifted && drift.unrecoverable.regions.is_empty() {
        match restore_mapping(context).await? {
            Restored::Written => drift.restored += 1,
            Restored::Unchanged | Restored::NotFound => {}
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
            Ok(true) => Self::Written,
            Ok(false) => Self::Unchanged,
            Err(error) => Self::Failed(error),
        }
    }
}

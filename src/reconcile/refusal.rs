//! The step for a resource whose spec is refused: what it has published stays, marked as Stale, so
//! that readers of a mount see that nobody confirms it any more.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;

use super::report::report_refusal;
use super::{Effects, Seen, Work};
use crate::api::{
    ANNOTATION_SHA256, AttemptError, BedrockModelMap, BedrockModelMapStatus, RegionStatus,
};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::content::{METADATA_JSON, MODELS_JSON, RegionContent};
use crate::publication::ownership::{Content, DesiredConfigMap, Owner};
use crate::publication::render::ConfigMapFiles;
use crate::publication::staleness::{stale_mapping, stale_region};
use crate::reconcile::status::region::{stale, to_k8s_time};

/// Marks the published content as Stale and reports why the spec is refused. Returns failed writes, by
/// ConfigMap; their regions are marked by the next reconciliation.
pub(super) async fn refuse<E: Effects>(
    effects: &E,
    resource: &BedrockModelMap,
    error: &AttemptError,
    now: Timestamp,
) -> Result<Vec<(String, AttemptError)>, E::Error> {
    let mut status = resource.status.clone().unwrap_or_default();
    let refusal = Refusal {
        effects,
        owner: Owner::from_resource(resource),
        error,
        now,
    };
    let write_errors = refusal.mark(&mut status).await?;
    report_refusal(effects, resource, status, error, now).await?;
    Ok(write_errors)
}

struct Refusal<'a, E> {
    effects: &'a E,
    owner: Owner,
    error: &'a AttemptError,
    now: Timestamp,
}

impl<E: Effects> Refusal<'_, E> {
    /// Marks the merged ConfigMap first: the regions' status records that all is marked.
    async fn mark(
        &self,
        status: &mut BedrockModelMapStatus,
    ) -> Result<Vec<(String, AttemptError)>, E::Error> {
        let mut write_errors = Vec::new();
        if !status
            .regions
            .values()
            .any(|region| self.is_unmarked(region))
        {
            return Ok(write_errors);
        }
        if let Some(mapping) = &status.mapping {
            let name = &mapping.config_map;
            let marked = self.mark_one(name, Content::Mapping).await?;
            if let Err(error) = marked {
                write_errors.push((name.clone(), error));
                return Ok(write_errors);
            }
        }
        for (region, status) in &mut status.regions {
            if !self.is_unmarked(status) {
                continue;
            }
            let Some(name) = &status.config_map else {
                continue;
            };
            let content = Content::Region(region.clone());
            match self.mark_one(name, content).await? {
                Ok(()) if status.stale_since.is_none() => {
                    *status = stale(status, self.error.clone(), self.now);
                }
                Ok(()) => {}
                Err(error) => write_errors.push((name.clone(), error)),
            }
        }
        Ok(write_errors)
    }

    /// Whether the published metadata may be Fresh: nothing marked it, or a write of it failed.
    fn is_unmarked(&self, status: &RegionStatus) -> bool {
        let name = status.config_map.as_ref();
        name.is_some_and(|name| status.stale_since.is_none() || !self.effects.is_unchanged(name))
    }

    /// Marks a ConfigMap, unless somebody else owns it or changed its content: the spec that would
    /// restore it is refused.
    async fn mark_one(
        &self,
        name: &str,
        content: Content,
    ) -> Result<Result<(), AttemptError>, E::Error> {
        let work = match content {
            Content::Mapping => Work::Mapping,
            Content::Region(_) | Content::Env(_) | Content::Aliases(_) => Work::Region,
        };
        let _permit = self.effects.render_permit(work).await;
        let live = self.effects.read(name).await?;
        let live = live.filter(|live| self.owner.owns(&live.metadata));
        let Some((live, target)) = live.and_then(|live| {
            let target = marked(&live, name, content, to_k8s_time(self.now).0)?;
            Some((live, target))
        }) else {
            return Ok(Ok(()));
        };
        let seen = Seen::Read(Some(Box::new(live)));
        Ok(self.effects.apply(&target, seen).await.map(drop))
    }
}

/// The ConfigMap with its metadata marked as Stale; one that is marked already is written no more, and
/// counts as verified. None: its content is not what its annotation says.
fn marked(
    live: &ConfigMap,
    name: &str,
    content: Content,
    since: Timestamp,
) -> Option<DesiredConfigMap> {
    let sha256 = live.metadata.annotations.as_ref()?.get(ANNOTATION_SHA256)?;
    let mut data = live.data.clone()?;
    let metadata = data.get_mut(METADATA_JSON)?;
    let ends = if let Content::Mapping = content {
        if let Some(stale) = stale_mapping(metadata, since) {
            *metadata = stale;
        }
        // The regions' own ConfigMaps count their lifecycles.
        LifecycleSummary::default()
    } else {
        if let Some(stale) = stale_region(metadata, since) {
            *metadata = stale;
        }
        let published = RegionContent::read(data.get(MODELS_JSON)?, sha256)?;
        LifecycleSummary::from_models(&published.models)
    };
    let binary_data = live.binary_data.iter().flatten();
    let binary_data = binary_data.map(|(file, bytes)| (file.clone(), bytes.0.clone()));
    Some(DesiredConfigMap {
        name: name.to_owned(),
        content,
        ends,
        files: ConfigMapFiles {
            data,
            binary_data: binary_data.collect(),
            sha256: sha256.clone(),
        },
        // The next refresh renders it again.
        inputs: String::new(),
    })
}

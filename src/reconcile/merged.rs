//! The merged mapping of one resource: put together from what its regions have published.

use super::refresh::{RefreshContext, RefreshResult};
use super::{Effects, Work};
use crate::api::{AttemptError, ErrorCode, MappingStatus, RegionStatus};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::ownership::{Content, DesiredConfigMap};
use crate::publication::render::mapping_files;
use crate::reconcile::status::conditions::has_answered;

impl<W: Effects> RefreshContext<'_, W> {
    /// Brings the merged mapping up to date.
    pub(super) async fn merge(&self, round: &mut RefreshResult) -> Result<(), W::Error> {
        let before = &self.status.mapping;
        if !round.regions.values().any(has_answered) {
            return Ok(());
        }
        let _permit = self.world.render_permit(Work::Mapping).await;
        let published = round.regions.iter().filter(|(_, r)| r.config_map.is_some());
        for (region, status) in published.clone() {
            if round.models_json.contains_key(region) {
                continue;
            }
            let Some(content) = self.last_good.find(region, status).await?.content else {
                // Its time is now: the plan asks for what is lost. Until then the merged mapping
                // stays as it is.
                round.mapping.clone_from(before);
                return Ok(());
            };
            round
                .models_json
                .insert(region.clone(), content.models_json);
        }
        let models_json = &round.models_json;
        let regions = published.filter_map(|(region, status)| {
            Some((region.as_str(), models_json.get(region)?.as_str(), status))
        });
        let name = self.settings.mapping_config_map();
        let result = self.publish_mapping(&name, regions).await;
        round.mapping = Some(match result {
            Ok((status, written)) => {
                round.written += usize::from(written);
                status
            }
            Err(error) => MappingStatus {
                error: Some(error),
                ..before.clone().unwrap_or_default()
            },
        });
        Ok(())
    }

    async fn publish_mapping<'r>(
        &self,
        name: &str,
        regions: impl Iterator<Item = (&'r str, &'r str, &'r RegionStatus)> + Clone,
    ) -> Result<(MappingStatus, bool), AttemptError> {
        let compression = self.resource.spec.output.compression;
        let mapping = mapping_files(regions, compression)
            .map_err(|cause| AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string()))?;
        let status = MappingStatus {
            config_map: name.to_owned(),
            sha256: mapping.files.sha256.clone(),
            bytes: i64::try_from(mapping.bytes).unwrap_or(i64::MAX),
            compressed: mapping.compressed,
            error: None,
        };
        let target = DesiredConfigMap {
            name: name.to_owned(),
            content: Content::Mapping,
            // Those of its regions are told by their own.
            ends: LifecycleSummary::default(),
            files: mapping.files,
        };
        let live = self.read_to_write(name).await?;
        let written = self.world.apply(&target, live).await?;
        Ok((status, written))
    }

    /// Restores the merged mapping from what is published. Returns whether it was written.
    pub(super) async fn restore_mapping(&self) -> Result<Result<bool, AttemptError>, W::Error> {
        let mut round = RefreshResult::of(self.status.regions.clone());
        self.merge(&mut round).await?;
        Ok(match round.mapping.and_then(|mapping| mapping.error) {
            Some(error) => Err(error),
            None => Ok(round.written > 0),
        })
    }
}

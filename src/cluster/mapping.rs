//! The merged mapping of one resource: put together from what its regions have published.

use std::collections::BTreeMap;

use super::call::CallError;
use super::refresh::{Refreshed, Refresher};
use crate::api::{AttemptError, ErrorCode, MappingStatus, RegionState, RegionStatus};
use crate::core::changes::Changes;
use crate::core::content::RegionContent;
use crate::core::ownership::{Content, Target};
use crate::core::region_state::error;
use crate::core::render::mapping_files;

impl Refresher<'_> {
    /// Brings the merged mapping up to date.
    pub(super) async fn merge(
        &self,
        refreshed: &mut Refreshed,
        mut contents: BTreeMap<String, RegionContent>,
    ) -> Result<(), CallError> {
        let before = &self.status.mapping;
        let answered = |r: &RegionStatus| {
            matches!(
                r.state,
                RegionState::Fresh | RegionState::Empty | RegionState::Stale
            )
        };
        if !refreshed.regions.values().any(answered) {
            return Ok(());
        }
        let published = refreshed
            .regions
            .iter()
            .filter(|(_, r)| r.config_map.is_some());
        for (region, status) in published.clone() {
            if contents.contains_key(region) {
                continue;
            }
            let Some(content) = self.last_good.content(region, status).await? else {
                // Its time is now: the plan asks for what is lost. Until then the merged mapping
                // stays as it is.
                refreshed.mapping.clone_from(before);
                return Ok(());
            };
            contents.insert(region.clone(), content);
        }
        let regions = published
            .filter_map(|(region, status)| Some((region.as_str(), contents.get(region)?, status)));
        let name = self.settings.mapping_config_map();
        let result = self.publish_mapping(&name, regions).await;
        refreshed.mapping = Some(match result {
            Ok((status, written)) => {
                refreshed.written += usize::from(written);
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
        regions: impl Iterator<Item = (&'r str, &'r RegionContent, &'r RegionStatus)> + Clone,
    ) -> Result<(MappingStatus, bool), AttemptError> {
        let compression = self.resource.spec.output.compression;
        let mapping = mapping_files(regions, compression)
            .map_err(|cause| error(ErrorCode::PayloadTooLarge, cause.to_string()))?;
        let status = MappingStatus {
            config_map: name.to_owned(),
            sha256: mapping.files.sha256.clone(),
            bytes: i64::try_from(mapping.bytes).unwrap_or(i64::MAX),
            compressed: mapping.compressed,
            error: None,
        };
        let target = Target {
            name: name.to_owned(),
            content: Content::Mapping,
            files: mapping.files,
        };
        let written = self.apply(&target).await?;
        Ok((status, written))
    }

    /// Restores the merged mapping from what is published. Returns whether it was written.
    pub(super) async fn restore_mapping(&self) -> Result<bool, CallError> {
        let mut refreshed = Refreshed {
            regions: self.status.regions.clone(),
            account: None,
            mapping: None,
            changes: Changes::default(),
            asked: 0,
            written: 0,
        };
        self.merge(&mut refreshed, BTreeMap::new()).await?;
        Ok(refreshed.written > 0)
    }
}

//! Last good data, read back without AWS: the cluster is the durable store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::Effects;
use super::rendering::render;
use crate::api::{ANNOTATION_SHA256, BedrockModelMapStatus, RegionState, RegionStatus};
use crate::publication::content::{
    METADATA_JSON, MODELS_JSON, RegionContent, RegionMetadata, read_mapping_json,
};
use crate::publication::ownership::Owner;
use crate::reconcile::validate::ValidatedSpec;

/// The `models.json` of each region in the merged mapping.
pub(crate) type MergedModels = BTreeMap<String, Box<RawValue>>;

/// Whether content with this hash may be the region's last good data. Who may write ConfigMaps can
/// write any content together with its hash, but not the status. A status without a hash admits any
/// content: a refresh was killed before its first status, or a deleted resource left its ConfigMaps.
fn admits(status: Option<&RegionStatus>, sha256: &str) -> bool {
    match status {
        None => true,
        Some(RegionStatus {
            sha256: Some(recorded),
            ..
        }) => recorded == sha256,
        // The next prune deletes a ConfigMap that is still there.
        Some(status) => status.state != RegionState::Empty,
    }
}

pub(super) struct LastGood<'a, E> {
    effects: &'a E,
    owner: &'a Owner,
    settings: &'a ValidatedSpec,
    status: &'a BedrockModelMapStatus,
    merged: OnceCell<MergedModels>,
}

/// Result of a search for a region's content.
pub(super) struct Found {
    /// The content with the hash in the status. None: no source has it.
    pub(super) content: Option<RegionContent>,
    /// The ConfigMap that the status names, as read.
    pub(super) live: Option<ConfigMap>,
}

impl<'a, E: Effects> LastGood<'a, E> {
    pub(super) fn new(
        effects: &'a E,
        owner: &'a Owner,
        settings: &'a ValidatedSpec,
        status: &'a BedrockModelMapStatus,
    ) -> Self {
        Self {
            effects,
            owner,
            settings,
            status,
            merged: OnceCell::new(),
        }
    }

    /// Finds the content with the hash in the region's status: in its ConfigMap, in the last
    /// response in memory, or in the merged ConfigMap.
    pub(super) async fn find(
        &self,
        region: &str,
        status: &RegionStatus,
    ) -> Result<Found, E::Error> {
        let (Some(name), Some(sha256)) = (&status.config_map, &status.sha256) else {
            return Ok(Found {
                content: None,
                live: None,
            });
        };
        let live = self.effects.read(name).await?;
        let json = self
            .ours(live.as_ref())
            .and_then(|live| live.data.as_ref()?.get(MODELS_JSON));
        let mut content = match json {
            Some(json) => self.read(json, sha256).await,
            None => None,
        };
        if content.is_none() {
            let remembered = self.effects.compute(|| self.remembered(region)).await;
            content = remembered.filter(|c| c.sha256 == *sha256);
        }
        if content.is_none() {
            let merged = self.merged.get_or_try_init(|| self.read_merged()).await?;
            content = match merged.get(region) {
                Some(models) => self.read(models.get(), sha256).await,
                None => None,
            };
        }
        Ok(Found { content, live })
    }

    /// The content and its discovery time in a ConfigMap of this resource, if the annotation has the
    /// content's hash and the region's status admits it.
    pub(super) async fn annotated_content(
        &self,
        status: Option<&RegionStatus>,
        live: Option<&ConfigMap>,
    ) -> Option<(RegionContent, Option<Timestamp>)> {
        let live = self.ours(live)?;
        let annotations = live.metadata.annotations.as_ref()?;
        let data = live.data.as_ref()?;
        let sha256 = annotations.get(ANNOTATION_SHA256)?;
        if !admits(status, sha256) {
            return None;
        }
        let content = self.read(data.get(MODELS_JSON)?, sha256).await?;
        let metadata = data.get(METADATA_JSON);
        let metadata: Option<RegionMetadata> =
            metadata.and_then(|json| serde_json::from_str(json).ok());
        Some((
            content,
            metadata.and_then(|metadata| metadata.discovered_at),
        ))
    }

    fn ours<'c>(&self, live: Option<&'c ConfigMap>) -> Option<&'c ConfigMap> {
        live.filter(|live| self.owner.owns(&live.metadata))
    }

    async fn read(&self, json: &str, sha256: &str) -> Option<RegionContent> {
        let read = || RegionContent::read(json, sha256);
        self.effects.compute(read).await
    }

    fn remembered(&self, region: &str) -> Option<RegionContent> {
        let snapshot = self.effects.last_snapshot(region)?;
        render(self.effects, &snapshot, &self.settings.selection).ok()
    }

    async fn read_merged(&self) -> Result<MergedModels, E::Error> {
        let Some(name) = self
            .status
            .mapping
            .as_ref()
            .map(|mapping| &mapping.config_map)
            // Never published: the status has no name to read.
            .filter(|name| !name.is_empty())
        else {
            return Ok(BTreeMap::new());
        };
        let live = self.effects.read(name).await?;
        let live = live.filter(|live| self.owner.owns(&live.metadata));
        let Some(live) = live else {
            return Ok(BTreeMap::new());
        };
        Ok(self.effects.compute(|| merged_models(live)).await)
    }
}

/// The `models.json` of each region in a merged ConfigMap. None are read from an unreadable mapping: it counts
/// as missing, and the next merge replaces it.
pub(crate) fn merged_models(config_map: ConfigMap) -> MergedModels {
    let binary_data = config_map.binary_data.unwrap_or_default().into_iter();
    let binary_data = binary_data.map(|(file, bytes)| (file, bytes.0)).collect();
    let json = read_mapping_json(&config_map.data.unwrap_or_default(), &binary_data);
    let mapping = json
        .ok()
        .flatten()
        .and_then(|json| serde_json::from_str(&json).ok());
    let mapping: Option<BTreeMap<String, MergedModels>> = mapping;
    mapping
        .and_then(|mut mapping| mapping.remove("models"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn content_with_another_hash_than_the_recorded_one_is_not_last_good() {
        let cases: [(&str, Option<Value>, bool); 7] = [
            ("no region in the status", None, true),
            (
                "failed, nothing published",
                Some(json!({"state": "Failed"})),
                true,
            ),
            ("nothing selected", Some(json!({"state": "Empty"})), false),
            (
                "hash of the content",
                Some(json!({"state": "Fresh", "sha256": "a"})),
                true,
            ),
            (
                "another hash",
                Some(json!({"state": "Fresh", "sha256": "b"})),
                false,
            ),
            (
                "another hash, stale",
                Some(json!({"state": "Stale", "sha256": "b"})),
                false,
            ),
            (
                "another hash, denied",
                Some(json!({"state": "Denied", "sha256": "b"})),
                false,
            ),
        ];
        for (case, status, admitted) in cases {
            let status: Option<RegionStatus> =
                status.map(|status| serde_json::from_value(status).unwrap());
            assert_eq!(admits(status.as_ref(), "a"), admitted, "{case}");
        }
    }
}

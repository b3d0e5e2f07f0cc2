//! Content that was published before, had back without AWS: the cluster is the durable store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::Effects;
use crate::api::{ANNOTATION_SHA256, BedrockModelMapStatus, RegionStatus};
use crate::bedrock::association::associate;
use crate::publication::content::{
    METADATA_JSON, MODELS_JSON, RegionContent, RegionMetadata, read_mapping_json,
};
use crate::publication::ownership::Owner;
use crate::reconcile::validate::ValidatedSpec;

/// The `models.json` of each region, as the merged mapping has it.
type MergedModels = BTreeMap<String, Box<RawValue>>;

/// Looks for what one resource has published.
pub(super) struct LastGood<'a, W> {
    world: &'a W,
    owner: &'a Owner,
    settings: &'a ValidatedSpec,
    status: &'a BedrockModelMapStatus,
    merged: OnceCell<MergedModels>,
}

/// What was found of a region.
pub(super) struct Found {
    /// The content that the status says is published; None: nowhere is what has its hash.
    pub(super) content: Option<RegionContent>,
    /// The ConfigMap that the status names, as it is.
    pub(super) live: Option<ConfigMap>,
}

impl<'a, W: Effects> LastGood<'a, W> {
    pub(super) fn new(
        world: &'a W,
        owner: &'a Owner,
        settings: &'a ValidatedSpec,
        status: &'a BedrockModelMapStatus,
    ) -> Self {
        Self {
            world,
            owner,
            settings,
            status,
            merged: OnceCell::new(),
        }
    }

    /// Looks for the content that the status says is published of the region: in its own
    /// ConfigMap, in the last answer in memory, and in the merged ConfigMap.
    pub(super) async fn find(
        &self,
        region: &str,
        status: &RegionStatus,
    ) -> Result<Found, W::Error> {
        let (Some(name), Some(sha256)) = (&status.config_map, &status.sha256) else {
            return Ok(Found {
                content: None,
                live: None,
            });
        };
        let live = self.world.read(name).await?;
        let mut content = self
            .ours(live.as_ref())
            .and_then(|live| live.data.as_ref()?.get(MODELS_JSON))
            .and_then(|json| RegionContent::read(json, sha256));
        if content.is_none() {
            content = self.remembered(region).filter(|c| c.sha256 == *sha256);
        }
        if content.is_none() {
            let merged = self.merged.get_or_try_init(|| self.read_merged()).await?;
            content = merged
                .get(region)
                .and_then(|models| RegionContent::read(models.get(), sha256));
        }
        Ok(Found { content, live })
    }

    /// What the ConfigMap holds of a region, and when that was first seen, if it is ours and says
    /// itself that this is what was published.
    pub(super) fn recorded_content(
        &self,
        live: Option<&ConfigMap>,
    ) -> Option<(RegionContent, Option<Timestamp>)> {
        let live = self.ours(live)?;
        let annotations = live.metadata.annotations.as_ref()?;
        let data = live.data.as_ref()?;
        let content =
            RegionContent::read(data.get(MODELS_JSON)?, annotations.get(ANNOTATION_SHA256)?)?;
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

    fn remembered(&self, region: &str) -> Option<RegionContent> {
        let snapshot = self.world.last_snapshot(region)?;
        RegionContent::from_catalog(associate(&snapshot, &self.settings.selection)).ok()
    }

    async fn read_merged(&self) -> Result<MergedModels, W::Error> {
        let Some(name) = self
            .status
            .mapping
            .as_ref()
            .map(|mapping| &mapping.config_map)
            // Never published: there is no object to ask for.
            .filter(|name| !name.is_empty())
        else {
            return Ok(BTreeMap::new());
        };
        let live = self.world.read(name).await?;
        let Some(live) = self.ours(live.as_ref()) else {
            return Ok(BTreeMap::new());
        };
        let data = live.data.clone().unwrap_or_default();
        let binary = live.binary_data.clone().unwrap_or_default();
        let binary = binary
            .into_iter()
            .map(|(file, bytes)| (file, bytes.0))
            .collect();
        // What cannot be read is as good as missing: it will be written anew.
        let json = read_mapping_json(&data, &binary).ok().flatten();
        let mapping: Option<BTreeMap<String, MergedModels>> =
            json.and_then(|json| serde_json::from_str(&json).ok());
        Ok(mapping
            .and_then(|mut m| m.remove("models"))
            .unwrap_or_default())
    }
}

//! Content that was published before, had back without AWS: the cluster is the durable store.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::OnceCell;

use super::call::CallError;
use super::publish::Publisher;
use crate::api::{BedrockModelMapStatus, RegionStatus};
use crate::aws::Snapshots;
use crate::core::association::associate;
use crate::core::content::{MODELS_JSON, RegionContent, read_mapping_json};
use crate::core::selection::Selection;

/// Looks for what one resource has published.
pub(super) struct LastGood<'a> {
    pub(super) publisher: &'a Publisher,
    pub(super) snapshots: &'a Snapshots,
    pub(super) selection: &'a Selection,
    pub(super) status: &'a BedrockModelMapStatus,
    merged: OnceCell<BTreeMap<String, Value>>,
}

impl<'a> LastGood<'a> {
    pub(super) fn new(
        publisher: &'a Publisher,
        snapshots: &'a Snapshots,
        selection: &'a Selection,
        status: &'a BedrockModelMapStatus,
    ) -> Self {
        Self {
            publisher,
            snapshots,
            selection,
            status,
            merged: OnceCell::new(),
        }
    }

    /// The content that the status says is published of the region: from its own `ConfigMap`, from
    /// the last answer in memory, or from the merged `ConfigMap`. None: nowhere is what has the
    /// hash in the status.
    pub(super) async fn content(
        &self,
        region: &str,
        status: &RegionStatus,
    ) -> Result<Option<RegionContent>, CallError> {
        let (Some(name), Some(sha256)) = (&status.config_map, &status.sha256) else {
            return Ok(None);
        };
        let live = self.publisher.read(name).await?;
        let published = live.and_then(|live| live.data?.remove(MODELS_JSON));
        if let Some(content) = published.and_then(|json| RegionContent::read(&json, sha256)) {
            return Ok(Some(content));
        }
        if let Some(content) = self.remembered(region).filter(|c| c.sha256 == *sha256) {
            return Ok(Some(content));
        }
        let merged = self.merged.get_or_try_init(|| self.read_merged()).await?;
        let json = merged
            .get(region)
            .and_then(|models| serde_json::to_string(models).ok());
        Ok(json.and_then(|json| RegionContent::read(&json, sha256)))
    }

    fn remembered(&self, region: &str) -> Option<RegionContent> {
        let snapshot = self.snapshots.last(region)?;
        RegionContent::of(associate(&snapshot, self.selection)).ok()
    }

    async fn read_merged(&self) -> Result<BTreeMap<String, Value>, CallError> {
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
        let Some(live) = self.publisher.read(name).await? else {
            return Ok(BTreeMap::new());
        };
        let data = live.data.unwrap_or_default();
        let binary = live.binary_data.unwrap_or_default();
        let binary = binary
            .into_iter()
            .map(|(file, bytes)| (file, bytes.0))
            .collect();
        // What cannot be read is as good as missing: it will be written anew.
        let json = read_mapping_json(&data, &binary).ok().flatten();
        let mapping: Option<BTreeMap<String, BTreeMap<String, Value>>> =
            json.and_then(|json| serde_json::from_str(&json).ok());
        Ok(mapping
            .and_then(|mut m| m.remove("models"))
            .unwrap_or_default())
    }
}

//! The lifecycles of published models after a restart, for the metrics: from what is published, because the
//! status does not hold them.

use std::sync::Arc;

use futures::future::try_join_all;

use super::effects::ClusterEffects;
use super::request::CallError;
use crate::api::RegionStatus;
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::content::{MODELS_JSON, RegionContent};
use crate::reconcile::{Effects as _, MergedModels, Work, merged_models};

/// A region whose `ConfigMap` an earlier process verified, and this one has not read.
struct Unread<'a> {
    region: &'a str,
    config_map: &'a str,
    sha256: &'a str,
}

impl ClusterEffects<'_> {
    /// Completes the record of an earlier process. Equal content is read once for all resources: from the
    /// merged `ConfigMap`, or from that of the region.
    pub(super) async fn recall_lifecycles(&self) -> Result<(), CallError> {
        if self.unread().is_empty() {
            return Ok(());
        }
        let _permit = self.render_permit(Work::Mapping).await;
        // Another resource may have read the same meanwhile.
        let unread = self.unread();
        let mapping = self.resource.status.iter().find_map(|s| s.mapping.as_ref());
        let mapping =
            mapping.filter(|mapping| !unread.is_empty() && !mapping.config_map.is_empty());
        let merged = match mapping {
            Some(mapping) => self.read(&mapping.config_map).await?,
            None => None,
        };
        let merged = match merged {
            Some(merged) => self.compute(|| merged_models(merged)).await,
            None => MergedModels::new(),
        };
        let recall = |region| self.recall_region(region, &merged);
        try_join_all(unread.into_iter().map(recall)).await?;
        Ok(())
    }

    async fn recall_region(
        &self,
        region: Unread<'_>,
        merged: &MergedModels,
    ) -> Result<(), CallError> {
        let mut ends = match merged.get(region.region) {
            Some(json) => self.lifecycles_in(json.get(), region.sha256).await,
            None => None,
        };
        if ends.is_none() {
            let live = self.read(region.config_map).await?;
            let data = live.and_then(|live| live.data);
            if let Some(json) = data.as_ref().and_then(|data| data.get(MODELS_JSON)) {
                ends = self.lifecycles_in(json, region.sha256).await;
            }
        }
        if let Some(ends) = ends {
            let ends = self.context.lifecycles.share(region.sha256, Arc::new(ends));
            self.set_ends(region.config_map, ends);
        }
        Ok(())
    }

    /// None: the JSON has another hash.
    async fn lifecycles_in(&self, json: &str, sha256: &str) -> Option<LifecycleSummary> {
        let read = || {
            let content = RegionContent::read(json, sha256)?;
            Some(LifecycleSummary::from_models(&content.models))
        };
        self.compute(read).await
    }

    /// The regions whose lifecycles no resource in memory has. A `ConfigMap` that was changed is not among
    /// them: its repair reads it.
    fn unread(&self) -> Vec<Unread<'_>> {
        let verified = self.context.own_writes.published(self.uid);
        let lacks_ends = |config_map: &str| {
            let verified = verified.get(config_map);
            verified.is_some_and(|verified| verified.ends.is_none())
                && self.is_unchanged(config_map)
        };
        let status = self.resource.status.iter();
        let mut unread: Vec<Unread<'_>> = status
            .flat_map(|status| &status.regions)
            .filter_map(|(region, status)| Unread::new(region, status))
            .filter(|unread| lacks_ends(unread.config_map))
            .collect();
        unread.retain(|unread| match self.context.lifecycles.get(unread.sha256) {
            Some(ends) => {
                self.set_ends(unread.config_map, ends);
                false
            }
            None => true,
        });
        unread
    }

    fn set_ends(&self, config_map: &str, ends: Arc<LifecycleSummary>) {
        let own_writes = &self.context.own_writes;
        own_writes.set_ends(self.uid, config_map, ends);
    }
}

impl<'a> Unread<'a> {
    fn new(region: &'a str, status: &'a RegionStatus) -> Option<Self> {
        Some(Self {
            region,
            config_map: status.config_map.as_deref()?,
            sha256: status.sha256.as_deref()?,
        })
    }
}

//! What a `BedrockModelMap` has published, with its status.

use super::ModelMap;
use crate::api::{BedrockModelMap, BedrockModelMapStatus, RegionSource, RegionStatus};

/// What a `BedrockModelMap` has published.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProfileMapping {
    /// The regions' models, profiles embedded.
    pub map: ModelMap,
    /// The resource's status.
    pub status: BedrockModelMapStatus,
    /// Where the resource's regions come from.
    pub region_source: RegionSource,
}

impl ProfileMapping {
    pub(super) fn new(map: ModelMap, resource: &BedrockModelMap) -> Self {
        Self {
            map,
            status: resource.status.clone().unwrap_or_default(),
            region_source: RegionSource::from(resource.spec.regions.as_deref()),
        }
    }

    /// The regions that failed at the last attempt, as the condition `Degraded` counts them.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &RegionStatus)> {
        self.status
            .regions
            .iter()
            .filter(|(_, region)| region.state.is_failure(self.region_source))
            .map(|(name, region)| (name.as_str(), region))
    }
}

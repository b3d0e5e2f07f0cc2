//! What a `BedrockModelMap` has published, with its status.

use super::ModelMap;
use crate::api::{BedrockModelMap, BedrockModelMapStatus, RegionSource, RegionStatus};
use crate::bedrock::policy::InvocationPolicy;

/// What a `BedrockModelMap` has published.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProfileMapping {
    /// The regions' models, profiles embedded, and how they are invoked under the resource's policy.
    pub map: ModelMap,
    /// The resource's status.
    pub status: BedrockModelMapStatus,
    /// Where the resource's regions come from.
    pub region_source: RegionSource,
}

impl ProfileMapping {
    pub(super) fn new(map: ModelMap, resource: &BedrockModelMap) -> Self {
        // The merged mapping does not depend on the policy, and does not contain it.
        let policy = resource.spec.invocation.as_ref();
        let policy = policy.map_or_else(InvocationPolicy::default, InvocationPolicy::from);
        Self {
            map: map.with_policy(&policy),
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

//! Published model maps, read back: from a mounted folder ([`MountedMap`]), or from a cluster
//! (`MapReader`, with the feature `cluster`).

#[cfg(feature = "cluster")]
mod cluster;
mod files;
#[cfg(feature = "cluster")]
mod get_error;
mod mount;
mod mounted_map;
#[cfg(feature = "cluster")]
mod profile_mapping;
#[cfg(feature = "cluster")]
mod refresh_request;
#[cfg(feature = "cluster")]
mod watch;

use std::collections::BTreeMap;

use jiff::Timestamp;

#[cfg(feature = "cluster")]
pub use cluster::{MapReader, PublishedAliases, RefreshMode, get_model_profile_mapping};
pub use files::FilesError;
#[cfg(feature = "internals")]
pub use files::read as read_files;
#[cfg(feature = "cluster")]
pub use get_error::GetError;
pub use mount::MountError;
pub use mounted_map::MountedMap;
#[cfg(feature = "cluster")]
pub use profile_mapping::ProfileMapping;
#[cfg(feature = "cluster")]
pub use watch::MappingWatch;

use crate::api::RegionState;
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::model::Models;
use crate::bedrock::policy::InvocationPolicy;
use crate::bedrock::resolve::{self, Resolution, ResolveError};
use crate::bedrock::view::{FactsSource, RegionView, Regions};
use crate::publication::content::{self, ContentError, RegionContent};

/// The published models of each region that has any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelMap {
    pub(crate) regions: BTreeMap<String, RegionModels>,
}

/// The published models of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionModels {
    pub(crate) content: RegionContent,
    pub(crate) state: RegionState,
    pub(crate) stale_since: Option<Timestamp>,
    /// How its models are invoked: as published, or under a policy that was given.
    pub(crate) facts: BTreeMap<String, InvocationFacts>,
}

impl ModelMap {
    /// The regions, by name.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = (&str, &RegionModels)> {
        self.regions
            .iter()
            .map(|(name, region)| (name.as_str(), region))
    }

    /// Keeps only these regions; an empty list keeps all.
    #[cfg(feature = "operator")]
    pub(crate) fn retain_regions(&mut self, names: &[String]) {
        if !names.is_empty() {
            self.regions.retain(|region, _| names.contains(region));
        }
    }

    /// The region of this name. The error lists the regions of the map.
    pub fn region(&self, name: &str) -> Result<&RegionModels, ResolveError> {
        self.regions
            .get(name)
            .ok_or_else(|| ResolveError::UnknownRegion {
                region: name.to_owned(),
                known: self.regions.keys().cloned().collect(),
            })
    }

    /// The ID to pass to invoke a model from a region: the model's own ID if it is on demand there,
    /// else the ID of an inference profile. `model_id` is the whole ID, as AWS returns it.
    pub fn invoke_with(&self, region: &str, model_id: &str) -> Result<String, ResolveError> {
        resolve::invoke_with(&self.views(), region, model_id)
    }

    /// How a model is invoked from a region, with every inference profile that references it.
    pub fn invocation(
        &self,
        region: &str,
        model_id: &str,
    ) -> Result<InvocationFacts, ResolveError> {
        resolve::invocation(&self.views(), region, model_id)
    }

    /// The models of a region that match `wanted`: a model ID, an inference profile's ID or ARN, a
    /// model ARN, a glob on model IDs (`*` and `?`), or a name or a part of one, such as
    /// `claude-sonnet-4-5`. See [`resolve::resolve`].
    pub fn resolve(&self, region: &str, wanted: &str) -> Result<Vec<Resolution>, ResolveError> {
        resolve::resolve(&self.views(), region, wanted)
    }

    /// The map under another policy than the one it was published with. `models.json` does not
    /// depend on the policy, so that nothing is lost.
    #[must_use]
    pub fn with_policy(mut self, policy: &InvocationPolicy) -> Self {
        for (name, region) in &mut self.regions {
            region.facts = region.content.facts(name, policy);
        }
        self
    }

    /// The regions as `diff` and `resolve` take them.
    pub(crate) fn views(&self) -> Regions<'_> {
        self.regions
            .iter()
            .map(|(name, region)| (name.as_str(), region.view()))
            .collect()
    }

    /// The models of each region.
    pub fn models(&self) -> BTreeMap<&str, &Models> {
        self.regions
            .iter()
            .map(|(region, published)| (region.as_str(), &published.content.models))
            .collect()
    }

    /// The bytes of `mapping.json` with these regions.
    pub fn mapping_json(&self) -> Result<String, ContentError> {
        content::mapping_json(
            self.regions
                .iter()
                .map(|(name, region)| (name.as_str(), &*region.content.models_json)),
        )
    }
}

impl RegionModels {
    /// The model summaries by model ID, as AWS returns them, profiles embedded.
    pub fn models(&self) -> &Models {
        &self.content.models
    }

    /// How each model is invoked, by model ID.
    pub fn invocations(&self) -> &BTreeMap<String, InvocationFacts> {
        &self.facts
    }

    fn view(&self) -> RegionView<'_> {
        RegionView {
            models: &self.content.models,
            facts: FactsSource::Published(&self.facts),
        }
    }

    /// `Fresh`, or `Stale` if the last attempt failed and this is the last good data.
    pub fn state(&self) -> RegionState {
        self.state
    }

    /// The time since which the data could not be confirmed, if it is stale.
    pub fn stale_since(&self) -> Option<Timestamp> {
        self.stale_since
    }
}

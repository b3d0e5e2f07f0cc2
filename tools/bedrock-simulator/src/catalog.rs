use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which models and inference profiles each region has, as raw API summaries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    regions: BTreeMap<String, Region>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Region {
    status: RegionOptStatus,
    models: Vec<Value>,
    profiles: Vec<Value>,
}

/// What a region has, as in the files of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Listings {
    pub(crate) model_summaries: Vec<Value>,
    pub(crate) inference_profile_summaries: Vec<Value>,
}

/// Whether a region is enabled for the account, in the words of the Account service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words of AWS")]
pub enum RegionOptStatus {
    Enabled,
    Enabling,
    Disabling,
    Disabled,
    #[default]
    EnabledByDefault,
}

impl Catalog {
    /// A catalogue without regions.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of all regions, also of those not enabled, in alphabetical order.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.keys().map(String::as_str)
    }

    /// The models of a region, none if there is no such region.
    pub fn models(&self, region: &str) -> &[Value] {
        self.regions
            .get(region)
            .map_or(&[], |region| &region.models)
    }

    /// The inference profiles of both types of a region, none if there is no such region.
    pub fn profiles(&self, region: &str) -> &[Value] {
        self.regions
            .get(region)
            .map_or(&[], |region| &region.profiles)
    }

    /// Replaces the models of a region, which is created if it is new.
    pub fn set_models(&mut self, region: &str, models: Vec<Value>) -> &mut Self {
        self.region(region).models = models;
        self
    }

    /// Replaces the inference profiles of a region, which is created if it is new. Each profile's `type` says which of
    /// the two listings it belongs to.
    pub fn set_profiles(&mut self, region: &str, profiles: Vec<Value>) -> &mut Self {
        self.region(region).profiles = profiles;
        self
    }

    /// Enables or disables a region, which is created if it is new. Bedrock refuses every call to a region that is not
    /// enabled.
    pub fn set_status(&mut self, region: &str, status: RegionOptStatus) -> &mut Self {
        self.region(region).status = status;
        self
    }

    /// Removes every model of that id from a region.
    pub fn remove_model(&mut self, region: &str, id: &str) -> &mut Self {
        self.region(region)
            .models
            .retain(|model| model["modelId"] != id);
        self
    }

    /// Removes every inference profile of that id from a region.
    pub fn remove_profile(&mut self, region: &str, id: &str) -> &mut Self {
        let profiles = &mut self.region(region).profiles;
        profiles.retain(|profile| profile["inferenceProfileId"] != id);
        self
    }

    /// Removes a region: it is not listed any more, and Bedrock refuses every call to it.
    pub fn remove_region(&mut self, region: &str) -> &mut Self {
        self.regions.remove(region);
        self
    }

    pub(crate) fn is_enabled(&self, region: &str) -> bool {
        let status = self.regions.get(region).map(|region| region.status);
        matches!(
            status,
            Some(RegionOptStatus::Enabled | RegionOptStatus::EnabledByDefault)
        )
    }

    /// The regions as `ListRegions` returns them.
    pub(crate) fn region_summaries(&self) -> impl Iterator<Item = Value> {
        let regions = self.regions.iter();
        regions.map(|(name, region)| json!({"RegionName": name, "RegionOptStatus": region.status}))
    }

    fn region(&mut self, name: &str) -> &mut Region {
        self.regions.entry(name.to_owned()).or_default()
    }
}

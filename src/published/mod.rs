//! Published mappings, read back: a mounted folder, or a cluster's `ConfigMap`.

#[cfg(feature = "cluster")]
mod cluster;
mod files;
mod mount;
#[cfg(feature = "cluster")]
mod watch;

use std::collections::BTreeMap;

use jiff::Timestamp;

#[cfg(feature = "cluster")]
pub use cluster::{GetError, ProfileMapping, Refresh, get_model_profile_mapping};
pub use files::UnreadableFiles;
pub use mount::{MountError, read_mount};
#[cfg(feature = "cluster")]
pub use watch::MappingWatch;

use crate::api::RegionState;
use crate::core::content::{self, ContentError, RegionContent};
use crate::core::resolve::Models;

/// What is published: the regions that have models.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Published {
    /// By region.
    pub regions: BTreeMap<String, PublishedRegion>,
}

/// What is published of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRegion {
    /// Its models.
    pub content: RegionContent,
    /// Fresh, or Stale when the last attempt failed.
    pub state: RegionState,
    /// Since when it could not be confirmed.
    pub stale_since: Option<Timestamp>,
}

impl Published {
    /// The models of each region.
    pub fn models(&self) -> BTreeMap<&str, &Models> {
        let regions = self.regions.iter();
        regions
            .map(|(region, published)| (region.as_str(), &published.content.models))
            .collect()
    }

    /// The bytes of `mapping.json` with these regions.
    pub fn mapping_json(&self) -> Result<String, ContentError> {
        let regions = self.regions.iter();
        content::mapping_json(regions.map(|(region, p)| (region.as_str(), &p.content)))
    }
}

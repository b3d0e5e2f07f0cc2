//! The content of the published files, and how it is read back.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::RegionState;
use crate::bedrock::association::RegionCatalog;
use crate::bedrock::invocation::{self, InvocationFacts};
use crate::bedrock::model::{Models, embedded_profile_ids};
use crate::bedrock::policy::InvocationPolicy;
use crate::digest::sha256_hex;

/// The models of a region.
pub const MODELS_JSON: &str = "models.json";
/// How each model is invoked.
pub const INVOCATION_JSON: &str = "invocation.json";
/// The description of the other files, with their freshness.
pub const METADATA_JSON: &str = "metadata.json";
/// The models of all regions.
pub const MAPPING_JSON: &str = "mapping.json";
/// The models of all regions, compressed.
pub const MAPPING_JSON_GZ: &str = "mapping.json.gz";
/// What each alias stands for.
pub const ALIASES_JSON: &str = "aliases.json";
/// The version of the files' structure, in `metadata.json`.
pub const SCHEMA_VERSION: u32 = 1;
/// The largest uncompressed mapping that is read back: 35 regions have 2 MB in 2026.
const MAX_MAPPING_BYTES: u64 = 64 * 1024 * 1024;

/// Content that cannot be written or read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The file is not the expected JSON.
    #[error("{file} cannot be read: {cause}")]
    Json {
        /// The file.
        file: &'static str,
        /// The cause, which the message contains.
        cause: serde_json::Error,
    },
    /// The mapping cannot be compressed or decompressed.
    #[error("{MAPPING_JSON_GZ} cannot be read or written: {0}")]
    Gzip(std::io::Error),
    /// The mapping expands beyond the size limit.
    #[error("{MAPPING_JSON_GZ} expands to more than {MAX_MAPPING_BYTES} bytes")]
    Expands,
}

/// The models of a region as published.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionContent {
    /// `models.json`.
    pub models_json: Arc<str>,
    /// SHA-256 of `models.json`, in hex.
    pub sha256: String,
    /// The models by ID.
    pub models: Models,
    /// Number of selected profiles that reference no listed model. Published files do not state it:
    /// None in content that was read back.
    pub orphan_profiles: Option<usize>,
}

impl RegionContent {
    /// Renders the models of a catalog.
    pub fn from_catalog(catalog: RegionCatalog) -> Result<Self, ContentError> {
        let models_json = json(MODELS_JSON, &catalog.models)?;
        Ok(Self {
            orphan_profiles: Some(catalog.orphan_profiles),
            ..Self::new(models_json, catalog.models)
        })
    }

    /// Pairs models with their bytes.
    pub(crate) fn new(models_json: String, models: Models) -> Self {
        Self {
            sha256: sha256_hex(models_json.as_bytes()),
            models_json: models_json.into(),
            models,
            orphan_profiles: None,
        }
    }

    /// Reads `models.json` back if it has the expected hash.
    pub fn read(models_json: &str, expected_sha256: &str) -> Option<Self> {
        (sha256_hex(models_json.as_bytes()) == expected_sha256).then_some(())?;
        Some(Self {
            models_json: models_json.into(),
            sha256: expected_sha256.to_owned(),
            models: serde_json::from_str(models_json).ok()?,
            orphan_profiles: None,
        })
    }

    /// Number of inference profiles that at least one model embeds.
    pub fn profiles(&self) -> usize {
        embedded_profile_ids(&self.models).len()
    }

    /// Number of embedded inference profiles, counted once for each model.
    pub fn associations(&self) -> usize {
        self.models
            .values()
            .map(|model| model.profile_ids().count())
            .sum()
    }

    /// The sorted IDs of each model's embedded profiles.
    pub fn profile_ids(&self) -> BTreeMap<String, Vec<String>> {
        self.models
            .iter()
            .map(|(id, model)| (id.clone(), model.profile_ids().map(str::to_owned).collect()))
            .collect()
    }

    /// How each model is invoked from the region under the policy.
    pub fn facts(
        &self,
        region: &str,
        policy: &InvocationPolicy,
    ) -> BTreeMap<String, InvocationFacts> {
        invocation::facts(region, &self.models, policy)
    }
}

/// The content of a region without its parsed models, which take ten times as much memory.
#[derive(Clone, Debug)]
pub struct PackedContent {
    models_json: Arc<str>,
    sha256: String,
    orphan_profiles: Option<usize>,
}

impl PackedContent {
    /// Packs the content, and shares its bytes.
    pub fn new(content: &RegionContent) -> Self {
        Self {
            models_json: Arc::clone(&content.models_json),
            sha256: content.sha256.clone(),
            orphan_profiles: content.orphan_profiles,
        }
    }

    /// The content that was packed.
    pub fn unpack(&self) -> Result<RegionContent, ContentError> {
        let models = serde_json::from_str(&self.models_json);
        let file = MODELS_JSON;
        Ok(RegionContent {
            models_json: Arc::clone(&self.models_json),
            sha256: self.sha256.clone(),
            models: models.map_err(|cause| ContentError::Json { file, cause })?,
            orphan_profiles: self.orphan_profiles,
        })
    }

    /// Size in memory.
    pub fn bytes(&self) -> usize {
        self.models_json.len()
    }
}

/// `metadata.json` of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionMetadata {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The region.
    pub region: String,
    /// Fresh, or Stale when the last attempt failed.
    pub state: RegionState,
    /// Time at which this content was first discovered.
    pub discovered_at: Option<Timestamp>,
    /// Time since which the content could not be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
    /// Number of models.
    pub models: i64,
    /// Number of inference profiles that at least one model embeds.
    pub profiles: i64,
    /// Number of embedded inference profiles, counted once for each model.
    pub associations: i64,
}

/// `metadata.json` of the merged mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingMetadata {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Number of models in all regions.
    pub models: i64,
    /// Number of inference profiles that at least one model embeds, in all regions.
    pub profiles: i64,
    /// Number of embedded inference profiles, counted once for each model.
    pub associations: i64,
    /// The freshness of each region.
    pub regions: BTreeMap<String, RegionFreshness>,
}

/// The freshness of a region's part of the merged mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionFreshness {
    /// Fresh, or Stale when the last attempt failed.
    pub state: RegionState,
    /// Time at which this content was first discovered.
    pub discovered_at: Option<Timestamp>,
    /// Time since which the content could not be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
}

/// `{"models": {region: {modelId: model}}}`, composed of each region's `models.json`.
pub fn mapping_json<'a>(
    regions: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<String, ContentError> {
    let regions: BTreeMap<_, _> = regions.collect();
    let mut mapping = String::from(r#"{"models":{"#);
    for (index, (region, models_json)) in regions.iter().enumerate() {
        if index > 0 {
            mapping.push(',');
        }
        mapping.push_str(&json(MAPPING_JSON, region)?);
        mapping.push(':');
        mapping.push_str(models_json);
    }
    mapping.push_str("}}");
    Ok(mapping)
}

/// Reads `mapping.json` from the files of a merged ConfigMap, compressed or not. None: both files are
/// missing.
pub fn read_mapping_json(
    data: &BTreeMap<String, String>,
    binary_data: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<String>, ContentError> {
    if let Some(gzip) = binary_data.get(MAPPING_JSON_GZ) {
        let mut mapping = Vec::new();
        GzDecoder::new(gzip.as_slice())
            .take(MAX_MAPPING_BYTES + 1)
            .read_to_end(&mut mapping)
            .map_err(ContentError::Gzip)?;
        if mapping.len() as u64 > MAX_MAPPING_BYTES {
            return Err(ContentError::Expands);
        }
        return String::from_utf8(mapping)
            .map(Some)
            .map_err(|error| ContentError::Gzip(std::io::Error::other(error)));
    }
    Ok(data.get(MAPPING_JSON).cloned())
}

pub(super) fn json<T: Serialize + ?Sized>(
    file: &'static str,
    value: &T,
) -> Result<String, ContentError> {
    serde_json::to_string(value).map_err(|cause| ContentError::Json { file, cause })
}

#[cfg(test)]
mod tests;

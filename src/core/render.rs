//! The bytes of the published ConfigMaps: a function of their content alone.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::{Compression as Level, GzBuilder, read::GzDecoder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::association::RegionCatalog;
use super::invocation::{self, InvocationFacts};
use crate::api::{Compression, RegionState, RegionStatus};

/// The models of a region.
pub const MODELS_JSON: &str = "models.json";
/// How each model is invoked.
pub const INVOCATION_JSON: &str = "invocation.json";
/// What the other files are, and how fresh.
pub const METADATA_JSON: &str = "metadata.json";
/// The models of all regions.
pub const MAPPING_JSON: &str = "mapping.json";
/// The models of all regions, compressed.
pub const MAPPING_JSON_GZ: &str = "mapping.json.gz";
/// The version of the files' structure, in `metadata.json`.
pub const SCHEMA_VERSION: u32 = 1;
/// What a ConfigMap can hold in all: the limit of the Kubernetes API.
pub const MAX_CONFIG_MAP_BYTES: usize = 1024 * 1024;
/// From this size on, `compression: Auto` compresses the merged mapping. Some 10 % below what a
/// ConfigMap can hold, so that growth between two refreshes does not make it unpublishable.
pub const AUTO_COMPRESSION_BYTES: usize = 900 * 1024;
/// The largest uncompressed mapping that is read back: 35 regions have 2 MB in 2026.
const MAX_MAPPING_BYTES: u64 = 64 * 1024 * 1024;

/// Why content cannot be published or read back.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// It is larger than a ConfigMap can be.
    #[error(
        "{file} has {bytes} bytes; a ConfigMap holds at most {MAX_CONFIG_MAP_BYTES}: narrow spec.models{hint}"
    )]
    TooLarge {
        /// The file.
        file: &'static str,
        /// What the ConfigMap would hold in all.
        bytes: usize,
        /// What else would help.
        hint: &'static str,
    },
    /// It is not the JSON expected.
    #[error("{file} cannot be read: {source}")]
    Json {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It cannot be compressed or uncompressed.
    #[error("{MAPPING_JSON_GZ} cannot be read or written: {0}")]
    Gzip(#[from] std::io::Error),
    /// It expands to more than any mapping has.
    #[error("{MAPPING_JSON_GZ} expands to more than {MAX_MAPPING_BYTES} bytes")]
    Expands,
}

/// The models of a region as published, and what follows from them alone.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionContent {
    /// `models.json`.
    pub models_json: String,
    /// SHA-256 of `models.json`, in hex.
    pub sha256: String,
    /// The models by id.
    pub models: BTreeMap<String, Map<String, Value>>,
}

impl RegionContent {
    /// Renders the models of a catalog.
    pub fn of(catalog: RegionCatalog) -> Result<Self, RenderError> {
        let models_json = json(MODELS_JSON, &catalog.models)?;
        Ok(Self {
            sha256: sha256(models_json.as_bytes()),
            models_json,
            models: catalog.models,
        })
    }

    /// Takes back what was published, if it still is what was published.
    pub fn read(models_json: &str, expected_sha256: &str) -> Option<Self> {
        (sha256(models_json.as_bytes()) == expected_sha256).then_some(())?;
        Some(Self {
            models_json: models_json.to_owned(),
            sha256: expected_sha256.to_owned(),
            models: serde_json::from_str(models_json).ok()?,
        })
    }

    /// How each model is invoked.
    pub fn facts(&self) -> BTreeMap<String, InvocationFacts> {
        invocation::facts(&self.models)
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
    /// When this content was first seen.
    pub discovered_at: Option<Timestamp>,
    /// Since when it could not be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
    /// Models.
    pub models: i64,
    /// Inference profiles that the models embed.
    pub profiles: i64,
    /// Inference profiles embedded, counted once for each model.
    pub associations: i64,
}

/// The files of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Text, by file name.
    pub data: BTreeMap<String, String>,
    /// Bytes, by file name.
    pub binary_data: BTreeMap<String, Vec<u8>>,
    /// The annotation `content-sha256`.
    pub sha256: String,
}

impl Files {
    fn bytes(&self) -> usize {
        let text = self.data.iter().map(|(k, v)| k.len() + v.len());
        let binary = self.binary_data.iter().map(|(k, v)| k.len() + v.len());
        text.chain(binary).sum()
    }

    fn checked(self, file: &'static str, hint: &'static str) -> Result<Self, RenderError> {
        match self.bytes() {
            bytes if bytes > MAX_CONFIG_MAP_BYTES => {
                Err(RenderError::TooLarge { file, bytes, hint })
            }
            _ => Ok(self),
        }
    }
}

/// The files of a region's ConfigMap, of its content and what the status says of it.
pub fn region_files(
    region: &str,
    content: &RegionContent,
    status: &RegionStatus,
) -> Result<Files, RenderError> {
    let metadata = RegionMetadata {
        schema_version: SCHEMA_VERSION,
        region: region.to_owned(),
        state: status.state,
        discovered_at: status.discovered_at.as_ref().map(|t| t.0),
        stale_since: status.stale_since.as_ref().map(|t| t.0),
        models: status.models,
        profiles: status.profiles,
        associations: status.associations,
    };
    let data = BTreeMap::from([
        (MODELS_JSON.to_owned(), content.models_json.clone()),
        (
            INVOCATION_JSON.to_owned(),
            sorted_json(INVOCATION_JSON, &content.facts())?,
        ),
        (
            METADATA_JSON.to_owned(),
            sorted_json(METADATA_JSON, &metadata)?,
        ),
    ]);
    let files = Files {
        data,
        binary_data: BTreeMap::new(),
        sha256: content.sha256.clone(),
    };
    files.checked(MODELS_JSON, "")
}

/// `metadata.json` of the merged mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingMetadata {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Models of all regions.
    pub models: i64,
    /// Inference profiles that the models embed, of all regions.
    pub profiles: i64,
    /// Inference profiles embedded, counted once for each model.
    pub associations: i64,
    /// How fresh each region is.
    pub regions: BTreeMap<String, RegionFreshness>,
}

/// How fresh a region's part of the merged mapping is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionFreshness {
    /// Fresh, or Stale when the last attempt failed.
    pub state: RegionState,
    /// When this content was first seen.
    pub discovered_at: Option<Timestamp>,
    /// Since when it could not be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
}

/// The merged mapping: its files, and whether they are compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The files of the merged ConfigMap.
    pub files: Files,
    /// Size of `mapping.json`, or of `mapping.json.gz` where compressed.
    pub bytes: usize,
    /// Whether it is compressed.
    pub compressed: bool,
}

/// The files of the merged ConfigMap, of each published region's content and status.
pub fn mapping_files<'a>(
    regions: impl Iterator<Item = (&'a str, &'a RegionContent, &'a RegionStatus)> + Clone,
    compression: Compression,
) -> Result<Mapping, RenderError> {
    let mapping = mapping_json(
        regions
            .clone()
            .map(|(region, content, _)| (region, content)),
    )?;
    let sha256 = sha256(mapping.as_bytes());
    let total = |count: fn(&RegionStatus) -> i64| regions.clone().map(|(_, _, s)| count(s)).sum();
    let metadata = MappingMetadata {
        schema_version: SCHEMA_VERSION,
        models: total(|s| s.models),
        profiles: total(|s| s.profiles),
        associations: total(|s| s.associations),
        regions: regions
            .map(|(region, _, status)| (region.to_owned(), freshness(status)))
            .collect(),
    };
    let metadata = (
        METADATA_JSON.to_owned(),
        sorted_json(METADATA_JSON, &metadata)?,
    );
    let compressed = match compression {
        Compression::Auto => mapping.len() > AUTO_COMPRESSION_BYTES,
        Compression::Always => true,
        Compression::Never => false,
    };
    let mut files = Files {
        data: BTreeMap::from([metadata]),
        binary_data: BTreeMap::new(),
        sha256,
    };
    let bytes = if compressed {
        let gzip = compress(mapping.as_bytes())?;
        let bytes = gzip.len();
        files.binary_data.insert(MAPPING_JSON_GZ.to_owned(), gzip);
        bytes
    } else {
        let bytes = mapping.len();
        files.data.insert(MAPPING_JSON.to_owned(), mapping);
        bytes
    };
    let hint = if compressed {
        ""
    } else {
        ", or set spec.output.compression to Auto"
    };
    let file = if compressed {
        MAPPING_JSON_GZ
    } else {
        MAPPING_JSON
    };
    Ok(Mapping {
        files: files.checked(file, hint)?,
        bytes,
        compressed,
    })
}

fn freshness(status: &RegionStatus) -> RegionFreshness {
    RegionFreshness {
        state: status.state,
        discovered_at: status.discovered_at.as_ref().map(|t| t.0),
        stale_since: status.stale_since.as_ref().map(|t| t.0),
    }
}

/// `{"models": {region: {modelId: model}}}`, put together from the regions' own bytes.
pub fn mapping_json<'a>(
    regions: impl Iterator<Item = (&'a str, &'a RegionContent)>,
) -> Result<String, RenderError> {
    let regions: BTreeMap<_, _> = regions.collect();
    let mut mapping = String::from(r#"{"models":{"#);
    for (index, (region, content)) in regions.iter().enumerate() {
        if index > 0 {
            mapping.push(',');
        }
        mapping.push_str(&json(MAPPING_JSON, region)?);
        mapping.push(':');
        mapping.push_str(&content.models_json);
    }
    mapping.push_str("}}");
    Ok(mapping)
}

/// `mapping.json` of a merged ConfigMap's files, compressed or not. None: there is neither.
pub fn read_mapping_json(
    data: &BTreeMap<String, String>,
    binary_data: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<String>, RenderError> {
    if let Some(gzip) = binary_data.get(MAPPING_JSON_GZ) {
        let mut mapping = Vec::new();
        GzDecoder::new(gzip.as_slice())
            .take(MAX_MAPPING_BYTES + 1)
            .read_to_end(&mut mapping)?;
        if mapping.len() as u64 > MAX_MAPPING_BYTES {
            return Err(RenderError::Expands);
        }
        let mapping = String::from_utf8(mapping);
        return Ok(Some(mapping.map_err(std::io::Error::other)?));
    }
    Ok(data.get(MAPPING_JSON).cloned())
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        for digit in [byte >> 4, byte & 0xf] {
            hex.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    hex
}

/// Without time and name, so that the same content gives the same bytes.
fn compress(bytes: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Level::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// With the keys of every object sorted, which those of a struct are not by themselves.
fn sorted_json<T: Serialize>(file: &'static str, value: &T) -> Result<String, RenderError> {
    let value = serde_json::to_value(value).map_err(|source| RenderError::Json { file, source })?;
    json(file, &value)
}

fn json<T: Serialize + ?Sized>(file: &'static str, value: &T) -> Result<String, RenderError> {
    serde_json::to_string(value).map_err(|source| RenderError::Json { file, source })
}

#[cfg(test)]
mod tests;

//! The bytes of the published ConfigMaps, a pure function of their content.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use flate2::{Compression as Level, GzBuilder};
use serde::Serialize;

use crate::api::{Compression, RegionStatus};
use crate::bedrock::invocation::InvocationFacts;
use crate::digest::sha256_hex;
use crate::publication::content::{
    ContentError, INVOCATION_JSON, MAPPING_JSON, MAPPING_JSON_GZ, METADATA_JSON, MODELS_JSON,
    MappingMetadata, RegionContent, RegionFreshness, RegionMetadata, SCHEMA_VERSION, json,
    mapping_json,
};

/// The size limit of a ConfigMap in the Kubernetes API.
pub const MAX_CONFIG_MAP_BYTES: usize = 1024 * 1024;
/// The size above which `compression: Auto` compresses the merged mapping. It is 10 % below the limit
/// of a ConfigMap, so that growth between two refreshes does not make the mapping unpublishable.
pub const AUTO_COMPRESSION_BYTES: usize = 900 * 1024;

/// Content that cannot be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The files exceed the size limit of a ConfigMap.
    #[error(
        "{file} has {bytes} bytes; a ConfigMap holds at most {MAX_CONFIG_MAP_BYTES}: narrow spec.models{hint}"
    )]
    TooLarge {
        /// The file.
        file: &'static str,
        /// The size of all files.
        bytes: usize,
        /// A further remedy, as the end of the message.
        hint: &'static str,
    },
    /// The content cannot be serialized.
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// The files of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMapFiles {
    /// Text, by file name.
    pub data: BTreeMap<String, String>,
    /// Bytes, by file name.
    pub binary_data: BTreeMap<String, Vec<u8>>,
    /// The annotation `content-sha256`.
    pub sha256: String,
}

impl ConfigMapFiles {
    /// The size of all files, names included: the limit of a ConfigMap applies to it.
    pub fn bytes(&self) -> usize {
        let text = self.data.iter().map(|(k, v)| k.len() + v.len());
        let binary = self.binary_data.iter().map(|(k, v)| k.len() + v.len());
        text.chain(binary).sum()
    }

    pub(super) fn checked(
        self,
        file: &'static str,
        hint: &'static str,
    ) -> Result<Self, RenderError> {
        match self.bytes() {
            bytes if bytes > MAX_CONFIG_MAP_BYTES => {
                Err(RenderError::TooLarge { file, bytes, hint })
            }
            _ => Ok(self),
        }
    }
}

/// Renders the files of a region's ConfigMap from its content, the facts of its models and its status.
pub fn region_files(
    region: &str,
    content: &RegionContent,
    facts: &BTreeMap<String, InvocationFacts>,
    status: &RegionStatus,
) -> Result<ConfigMapFiles, RenderError> {
    let metadata = RegionMetadata {
        schema_version: SCHEMA_VERSION,
        region: region.to_owned(),
        state: status.state.freshness(),
        discovered_at: status.discovered_at.as_ref().map(|t| t.0),
        stale_since: status.stale_since.as_ref().map(|t| t.0),
        models: status.models,
        profiles: status.profiles,
        associations: status.associations,
    };
    let data = BTreeMap::from([
        (MODELS_JSON.to_owned(), content.models_json.to_string()),
        (
            INVOCATION_JSON.to_owned(),
            sorted_json(INVOCATION_JSON, facts)?,
        ),
        (
            METADATA_JSON.to_owned(),
            sorted_json(METADATA_JSON, &metadata)?,
        ),
    ]);
    let files = ConfigMapFiles {
        data,
        binary_data: BTreeMap::new(),
        sha256: content.sha256.clone(),
    };
    files.checked(MODELS_JSON, "")
}

/// The rendered merged mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The files of the merged ConfigMap.
    pub files: ConfigMapFiles,
    /// Size of `mapping.json`, or of `mapping.json.gz` where compressed.
    pub bytes: usize,
    /// Whether the mapping is compressed.
    pub compressed: bool,
}

/// Renders the files of the merged ConfigMap from each published region's `models.json` and status.
pub fn mapping_files<'a>(
    regions: impl Iterator<Item = (&'a str, &'a str, &'a RegionStatus)> + Clone,
    compression: Compression,
) -> Result<Mapping, RenderError> {
    let mapping = mapping_json(
        regions
            .clone()
            .map(|(region, models_json, _)| (region, models_json)),
    )?;
    let sha256 = sha256_hex(mapping.as_bytes());
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
    let mut files = ConfigMapFiles {
        data: BTreeMap::from([metadata]),
        binary_data: BTreeMap::new(),
        sha256,
    };
    let bytes = if compressed {
        let gzip = compress(mapping.as_bytes()).map_err(ContentError::Gzip)?;
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
        state: status.state.freshness(),
        discovered_at: status.discovered_at.as_ref().map(|t| t.0),
        stale_since: status.stale_since.as_ref().map(|t| t.0),
    }
}

/// The header has no time and no name, so that the same content gives the same bytes.
fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Level::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Sorts the keys of every object: serde writes those of a struct in the order of its fields.
pub(super) fn sorted_json<T: Serialize>(
    file: &'static str,
    value: &T,
) -> Result<String, ContentError> {
    let value = serde_json::to_value(value).map_err(|cause| ContentError::Json { file, cause })?;
    json(file, &value)
}

#[cfg(test)]
mod tests;

//! The files of a `ConfigMap`, read and checked against each other.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ModelMap, RegionModels};
use crate::bedrock::invocation::{InvocationFacts, facts};
use crate::bedrock::model::Models;
use crate::bedrock::policy::InvocationPolicy;
use crate::publication::content::{
    ContentError, INVOCATION_JSON, MAPPING_JSON, METADATA_JSON, MODELS_JSON, MappingMetadata,
    RegionContent, RegionMetadata, SCHEMA_VERSION, read_mapping_json,
};

/// Why files are not a published model map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file is missing beside another.
    #[error("incomplete: {0} is missing")]
    Missing(&'static str),
    /// Another program wrote the files.
    #[error("{METADATA_JSON} does not describe a model map: {0}")]
    NotOurs(&'static str),
    /// A newer version wrote the files.
    #[error(
        "{METADATA_JSON} has schemaVersion {0}, and this version reads {SCHEMA_VERSION}: upgrade bedrock-model-map"
    )]
    Newer(u64),
    /// A file is not the expected JSON.
    #[error("{file} cannot be parsed")]
    Json {
        /// The file.
        file: &'static str,
        /// The reason.
        source: serde_json::Error,
    },
    /// The mapping cannot be decompressed.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The files are of different versions.
    #[error("{file} and {METADATA_JSON} disagree: {difference}")]
    Mixed {
        /// The file.
        file: &'static str,
        /// The difference.
        difference: String,
    },
}

/// Reads the files of a region's `ConfigMap` or of the merged one.
pub fn read(
    data: &BTreeMap<String, String>,
    binary_data: &BTreeMap<String, Vec<u8>>,
) -> Result<ModelMap, FilesError> {
    let metadata = data
        .get(METADATA_JSON)
        .ok_or(FilesError::Missing(METADATA_JSON))?;
    let metadata: Value = parse(METADATA_JSON, metadata)?;
    match metadata.get("schemaVersion").and_then(Value::as_u64) {
        Some(version) if version == u64::from(SCHEMA_VERSION) => {}
        Some(version) if version > u64::from(SCHEMA_VERSION) => {
            return Err(FilesError::Newer(version));
        }
        Some(_) | None => return Err(FilesError::NotOurs("it has no valid schemaVersion")),
    }
    if metadata.get("regions").is_some() {
        let mapping =
            read_mapping_json(data, binary_data)?.ok_or(FilesError::Missing(MAPPING_JSON))?;
        merged(&mapping, typed(metadata)?)
    } else if metadata.get("region").is_some() {
        let models = data
            .get(MODELS_JSON)
            .ok_or(FilesError::Missing(MODELS_JSON))?;
        let invocation = data.get(INVOCATION_JSON).map(String::as_str);
        region(models, invocation, typed(metadata)?)
    } else {
        Err(FilesError::NotOurs("it has no region"))
    }
}

fn region(
    json: &str,
    invocation: Option<&str>,
    metadata: RegionMetadata,
) -> Result<ModelMap, FilesError> {
    let models: Models = parse(MODELS_JSON, json)?;
    if i64::try_from(models.len()) != Ok(metadata.models) {
        return Err(FilesError::Mixed {
            file: MODELS_JSON,
            difference: format!(
                "{MODELS_JSON} has {} models, {METADATA_JSON} says {}",
                models.len(),
                metadata.models
            ),
        });
    }
    let facts = match invocation {
        Some(json) => published_facts(json, &models)?,
        None => facts(&metadata.region, &models, &InvocationPolicy::default()),
    };
    let models = RegionModels {
        content: RegionContent::new(json.to_owned(), models),
        state: metadata.state,
        stale_since: metadata.stale_since,
        facts,
    };
    Ok(ModelMap {
        regions: BTreeMap::from([(metadata.region, models)]),
    })
}

fn published_facts(
    json: &str,
    models: &Models,
) -> Result<BTreeMap<String, InvocationFacts>, FilesError> {
    let facts: BTreeMap<String, InvocationFacts> = parse(INVOCATION_JSON, json)?;
    if facts.keys().ne(models.keys()) {
        return Err(FilesError::Mixed {
            file: INVOCATION_JSON,
            difference: format!(
                "{INVOCATION_JSON} has {} models, {MODELS_JSON} has {}",
                facts.len(),
                models.len()
            ),
        });
    }
    Ok(facts)
}

fn merged(json: &str, mut metadata: MappingMetadata) -> Result<ModelMap, FilesError> {
    #[derive(serde::Deserialize)]
    struct Mapping {
        models: BTreeMap<String, Models>,
    }
    let mapping: Mapping = parse(MAPPING_JSON, json)?;
    let only_in = |file: &str, region: &str| FilesError::Mixed {
        file: MAPPING_JSON,
        difference: format!("region {region} is only in {file}"),
    };
    let mut map = ModelMap::default();
    for (region, models) in mapping.models {
        let Some(freshness) = metadata.regions.remove(&region) else {
            return Err(only_in(MAPPING_JSON, &region));
        };
        let models_json = serde_json::to_string(&models).map_err(|source| FilesError::Json {
            file: MAPPING_JSON,
            source,
        })?;
        let models = RegionModels {
            facts: facts(&region, &models, &InvocationPolicy::default()),
            content: RegionContent::new(models_json, models),
            state: freshness.state,
            stale_since: freshness.stale_since,
        };
        map.regions.insert(region, models);
    }
    match metadata.regions.into_keys().next() {
        Some(region) => Err(only_in(METADATA_JSON, &region)),
        None => Ok(map),
    }
}

pub(super) fn parse<T: DeserializeOwned>(file: &'static str, json: &str) -> Result<T, FilesError> {
    serde_json::from_str(json).map_err(|source| FilesError::Json { file, source })
}

fn typed<T: DeserializeOwned>(metadata: Value) -> Result<T, FilesError> {
    serde_json::from_value(metadata).map_err(|source| FilesError::Json {
        file: METADATA_JSON,
        source,
    })
}

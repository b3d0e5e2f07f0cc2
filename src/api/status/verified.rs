//! The ConfigMaps of a resource as the operator has verified them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ConfigMaps as the operator last wrote or verified them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifiedStatus {
    /// Version of the operator that verified them. Another version verifies them again.
    pub operator_version: String,
    /// The ConfigMaps, by name. One that is missing here is verified again after a restart.
    pub config_maps: BTreeMap<String, VerifiedConfigMap>,
}

/// A ConfigMap as the operator last wrote or verified it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifiedConfigMap {
    /// `metadata.resourceVersion` of the ConfigMap.
    pub resource_version: String,
    /// Size of its files in bytes, file names included.
    pub bytes: i64,
    /// Hash of the spec and the status that it was rendered from: 16 hexadecimal digits. Absent if the next
    /// refresh renders it again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub inputs: String,
}

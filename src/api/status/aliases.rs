//! The status of a region's aliases.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AttemptError;
use super::schema;

/// State of the ConfigMaps with the aliases of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AliasesStatus {
    /// Name of the ConfigMap with `aliases.json`, `litellm.yaml` and `claude-code.json`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub config_map: String,
    /// SHA-256 of `aliases.json`: 64 hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Name of the ConfigMap with an environment variable for each alias.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub env_config_map: String,
    /// SHA-256 of the variables as `NAME=value`, one a line, sorted by name: 64 hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub env_sha256: String,
    /// Number of aliases that stand for a model of the region.
    pub resolved: i64,
    /// Number of aliases that stand for no model of the region.
    pub unresolved: i64,
    /// The first eight aliases that stand for no model, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<AliasProblem>,
    /// SHA-256, in hexadecimal digits, of the names of aliases that have lost their ID and keep the
    /// last one. The operator removes it if the next response loses the same ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_loss: Option<String>,
    /// Time at which the first of the chosen models reaches its end of life. The operator resolves the
    /// aliases again at that time. Absent if AWS has announced none.
    #[schemars(schema_with = "schema::time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_end_of_life: Option<Time>,
    /// Error of the last write. Absent if both ConfigMaps are up to date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
}

/// An alias that stands for no model of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AliasProblem {
    /// Name of the alias.
    pub alias: String,
    /// Stable one-word reason, such as `NotListed`, `EndOfLife` or `DestinationNotAllowed`.
    pub reason: String,
    /// Human-readable details, with the nearest model ID.
    pub message: String,
}

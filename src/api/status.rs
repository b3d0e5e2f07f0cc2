//! What the operator reports.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::region_state::RegionState;

/// What is published, how fresh it is, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = super::schema::plain)]
pub struct BedrockModelMapStatus {
    /// The generation of the spec that was last tried in all regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`: the latest spec was tried, and every region that has ever answered is published.
    /// `Reconciling`: the first refresh, one for a new spec, or a forced one is under way.
    /// `Stalled`: only a change by a user helps. `Degraded`: a region asked for is Stale or Failed.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// When the answers now published were last confirmed, by at least one region.
    #[schemars(schema_with = "schema::time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_refresh_time: Option<Time>,

    /// When a region is asked next.
    #[schemars(schema_with = "schema::time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_refresh_time: Option<Time>,

    /// The value of the annotation `bedrock.modelmap.dev/requestedAt` whose refresh was last done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_refresh_request: Option<String>,

    /// Totals over all regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,

    /// The merged ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingStatus>,

    /// Why `regions` does not show the ids of models and profiles, although the spec asks for them.
    /// `TooLarge`: the status would have passed 512 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping_omitted: Option<MappingOmitted>,

    /// The last question to the account for its enabled regions; absent when the spec names regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_regions: Option<AccountRegionsStatus>,

    /// Each region, by its name.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, RegionStatus>,
}

/// Totals over all regions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Regions asked for, without those that are Unsupported or Disabled when the spec names none.
    pub regions: i64,
    /// Fresh and Empty regions of all regions, such as `33/34`; for `kubectl get`.
    pub regions_fresh: String,
    /// Regions whose last attempt succeeded: Fresh or Empty.
    pub fresh: i64,
    /// Regions whose last attempt failed while older data is published.
    pub stale: i64,
    /// Regions whose last attempt failed and for which nothing was ever published.
    pub failed: i64,
    /// Published (region, model) pairs.
    pub models: i64,
    /// Published (region, inference profile) pairs.
    pub profiles: i64,
    /// Inference profiles embedded in models.
    pub associations: i64,
    /// Published (region, model) pairs that can only be invoked through an inference profile.
    pub requiring_profile: i64,
}

/// The merged ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MappingStatus {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub config_map: String,
    /// SHA-256 of `mapping.json` before compression, in hex.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Size of `mapping.json`, or of `mapping.json.gz` where compressed, in bytes.
    pub bytes: i64,
    /// Whether `mapping.json.gz` (in `binaryData`) takes the place of `mapping.json`.
    pub compressed: bool,
    /// Why the merged ConfigMap could not be brought up to date; absent when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
}

/// Why the status shows no ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MappingOmitted {
    /// The status would have passed 512 KiB.
    TooLarge,
}

/// The last question to the account for its enabled regions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountRegionsStatus {
    /// When the account was last asked.
    #[schemars(schema_with = "schema::time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt_time: Option<Time>,
    /// How many attempts in a row failed.
    pub consecutive_failures: i64,
    /// What the last attempt ended with, if it failed. The regions known before are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// The generation of the spec for which the account last told its regions. An answer is held
    /// for having shrunk only by comparison with one for the same spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// SHA-256, in hex, of the list of regions that is held for having shrunk: the next attempt
    /// confirms it if it gives the same list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_answer: Option<String>,
}

/// How a region stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionStatus {
    /// `Fresh`: the last attempt succeeded. `Empty`: it succeeded, and no model is left after
    /// selection. `Stale`: the last attempt failed, older data is published. `Failed`: the last
    /// attempt failed, nothing was ever published. `Unsupported`: Bedrock has no endpoint of that
    /// name, nothing was ever published. `Disabled`: the region is not enabled for the account,
    /// nothing was ever published.
    pub state: RegionState,
    /// The region's ConfigMap; absent when none is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<String>,
    /// SHA-256 of `models.json`, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of `models.json` in bytes.
    #[serde(default)]
    pub bytes: i64,
    /// Published models.
    #[serde(default)]
    pub models: i64,
    /// Inference profiles that at least one published model embeds.
    #[serde(default)]
    pub profiles: i64,
    /// Inference profiles embedded, counted once for each model.
    #[serde(default)]
    pub associations: i64,
    /// Published models that can only be invoked through an inference profile.
    #[serde(default)]
    pub requiring_profile: i64,
    /// Inference profiles none of whose models the region lists.
    #[serde(default)]
    pub orphan_profiles: i64,
    /// The generation of the spec by which the content now published was selected. An answer is held
    /// for having shrunk only by comparison with one to the same spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// SHA-256, in hex, of the model ids of an answer that is held for having shrunk: the next
    /// attempt confirms it if it names the same models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_answer: Option<String>,
    /// When the content now published was first seen.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovered_at: Option<Time>,
    /// When the content now published was last confirmed.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Time>,
    /// When the region was last asked.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_time: Option<Time>,
    /// Since when the content published could not be confirmed; absent unless the state is Stale.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Time>,
    /// How many attempts in a row failed. The region is asked again after 30 s, then 1 min, 2 min
    /// and so on up to the refresh interval.
    #[serde(default)]
    pub consecutive_failures: i64,
    /// What the last attempt ended with, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// For each model the sorted ids of the inference profiles that reference it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<BTreeMap<String, Vec<String>>>,
}

/// What an attempt ended with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptError {
    /// What went wrong, as one word, such as `AccessDenied`, `Throttled` or `Timeout`.
    #[schemars(with = "String")]
    pub code: ErrorCode,
    /// What went wrong and what to do about it.
    pub message: String,
    /// How many seconds the service asked to wait before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<i64>,
}

impl AttemptError {
    /// An error for which the service named no time to wait.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_seconds: None,
        }
    }
}

/// What went wrong, as one word: stable, for alerts and scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ErrorCode {
    /// AWS knows the caller and refuses: an IAM permission is missing.
    AccessDenied,
    /// The credentials are missing, expired or not accepted anywhere.
    InvalidCredentials,
    /// The operator's configuration does not permit the role for this namespace.
    RoleNotAllowed,
    /// The region is not enabled for the account.
    RegionDisabled,
    /// The endpoint's name does not exist in DNS.
    NameNotResolved,
    /// The endpoint could not be reached, or the connection broke.
    Unreachable,
    /// No answer came within the time allowed.
    Timeout,
    /// AWS asked to slow down.
    Throttled,
    /// AWS failed on its own side.
    ServiceError,
    /// AWS refused the request as wrong.
    InvalidRequest,
    /// The answer is not what the API promises.
    MalformedAnswer,
    /// The pages of the answer did not come to an end.
    EndlessPagination,
    /// The answer is larger than the operator accepts.
    AnswerTooLarge,
    /// The answer had less than half of the models known before, and is held until confirmed.
    ShrinkHeld,
    /// The content is larger than a ConfigMap can be.
    PayloadTooLarge,
    /// A ConfigMap of that name exists and is not this resource's.
    TargetConflict,
    /// The Kubernetes API did not take the ConfigMap.
    WriteFailed,
    /// The partition has no service that lists the account's regions.
    RegionsUnavailable,
    /// The spec is not valid.
    InvalidSpec,
    /// A code of another version of the operator.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The code as it stands in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::InvalidCredentials => "InvalidCredentials",
            Self::RoleNotAllowed => "RoleNotAllowed",
            Self::RegionDisabled => "RegionDisabled",
            Self::NameNotResolved => "NameNotResolved",
            Self::Unreachable => "Unreachable",
            Self::Timeout => "Timeout",
            Self::Throttled => "Throttled",
            Self::ServiceError => "ServiceError",
            Self::InvalidRequest => "InvalidRequest",
            Self::MalformedAnswer => "MalformedAnswer",
            Self::EndlessPagination => "EndlessPagination",
            Self::AnswerTooLarge => "AnswerTooLarge",
            Self::ShrinkHeld => "ShrinkHeld",
            Self::PayloadTooLarge => "PayloadTooLarge",
            Self::TargetConflict => "TargetConflict",
            Self::WriteFailed => "WriteFailed",
            Self::RegionsUnavailable => "RegionsUnavailable",
            Self::InvalidSpec => "InvalidSpec",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether AWS answered, and the answer could not be published.
    pub fn concerns_publication(self) -> bool {
        match self {
            Self::PayloadTooLarge | Self::TargetConflict | Self::WriteFailed => true,
            Self::AccessDenied
            | Self::InvalidCredentials
            | Self::RoleNotAllowed
            | Self::RegionDisabled
            | Self::NameNotResolved
            | Self::Unreachable
            | Self::Timeout
            | Self::Throttled
            | Self::ServiceError
            | Self::InvalidRequest
            | Self::MalformedAnswer
            | Self::EndlessPagination
            | Self::AnswerTooLarge
            | Self::ShrinkHeld
            | Self::RegionsUnavailable
            | Self::InvalidSpec
            | Self::Unknown => false,
        }
    }

    /// Whether only a change by a user helps, so that the resource is `Stalled`.
    pub fn needs_user(self) -> bool {
        match self {
            Self::AccessDenied
            | Self::InvalidCredentials
            | Self::RoleNotAllowed
            | Self::PayloadTooLarge
            | Self::TargetConflict
            | Self::RegionsUnavailable
            | Self::InvalidSpec => true,
            Self::RegionDisabled
            | Self::NameNotResolved
            | Self::Unreachable
            | Self::Timeout
            | Self::Throttled
            | Self::ServiceError
            | Self::InvalidRequest
            | Self::MalformedAnswer
            | Self::EndlessPagination
            | Self::AnswerTooLarge
            | Self::ShrinkHeld
            | Self::WriteFailed
            | Self::Unknown => false,
        }
    }
}

mod schema {
    use schemars::{Schema, SchemaGenerator, json_schema};

    pub fn time(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }

    pub fn conditions(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type", "status", "lastTransitionTime", "reason", "message"],
                "properties": {
                    "type": { "type": "string", "maxLength": 316, "description": "Ready, Reconciling, Stalled or Degraded." },
                    "status": { "type": "string", "enum": ["True", "False", "Unknown"], "description": "True: the condition holds. False: it does not. Unknown: that cannot be said yet." },
                    "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0, "description": "The generation of the spec that the condition speaks of." },
                    "lastTransitionTime": { "type": "string", "format": "date-time", "description": "When the status last changed." },
                    "reason": { "type": "string", "minLength": 1, "maxLength": 1024, "description": "Why, as one word." },
                    "message": { "type": "string", "maxLength": 32768, "description": "Why, for people." },
                },
            },
        })
    }
}

//! The status of a `BedrockModelMap`.

mod aliases;
pub(super) mod schema;
mod verified;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use aliases::{AliasProblem, AliasesStatus};
pub use verified::{VerifiedConfigMap, VerifiedStatus};

use super::attempt_error::AttemptError;
use super::region_state::RegionState;

/// Observed state: the published content, its freshness, and errors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(
    transform = super::schema::plain,
    // Clients that judge by kstatus, such as Flux, count an object without a status as done.
    extend("default" = serde_json::json!({"observedGeneration": schema::UNOBSERVED_GENERATION}))
)]
pub struct BedrockModelMapStatus {
    /// `metadata.generation` of the spec that the operator last attempted in every region. -1 until
    /// the operator has seen the resource.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "schema::deserialize_generation"
    )]
    pub observed_generation: Option<i64>,

    /// `Ready`: the latest spec was attempted, and every region that ever succeeded is
    /// published. `Reconciling`: the first refresh, a refresh after a spec change or a forced
    /// refresh is in progress. `Stalled`: the operator cannot continue until a user changes
    /// something. `Degraded`: at least one region of the spec is Stale or Failed, or
    /// (reason `Contended`) another writer changes a ConfigMap again and again. `IdsAvailable`: False if
    /// `spec.invocation` leaves published models without an ID that callers may pass; the message
    /// counts them by reason. It is no error, and changes no other condition. `Reconciling` and
    /// `Stalled` are absent while they do not apply, `IdsAvailable` while nothing is published.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// Time at which at least one region last confirmed its published content.
    #[schemars(schema_with = "schema::time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_refresh_time: Option<Time>,

    /// Time of the next scheduled attempt in any region.
    #[schemars(schema_with = "schema::time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_refresh_time: Option<Time>,

    /// Value of the annotation `bedrock.modelmap.dev/requestedAt` that the operator handled last. The
    /// forced refresh is complete when this field equals the annotation, or `sha256:` and the hash
    /// of an annotation of more than 253 characters. Forced refreshes of a resource begin at least
    /// 10 s apart; one serves all values set until it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_refresh_request: Option<String>,

    /// Totals over all regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,

    /// State of the merged ConfigMap, which holds the models of all regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingStatus>,

    /// Reason why `regions[].mapping` is absent although `spec.output.statusDetail` is `Mapping`.
    /// `TooLarge`: the status would exceed 512 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping_omitted: Option<MappingOmitted>,

    /// Result of the last `account:ListRegions` call. Absent if `spec.regions` names the regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_regions: Option<AccountRegionsStatus>,

    /// The ConfigMaps as the operator last wrote or verified them. After a restart it reads only those that
    /// were changed since. Absent in a status that an earlier version of the operator wrote.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<VerifiedStatus>,

    /// State of each region, by region name.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, RegionStatus>,
}

/// Totals over all regions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Number of regions of the spec. If the spec names no regions, Unsupported, Disabled and Denied
    /// regions do not count.
    pub regions: i64,
    /// `fresh` and `regions` as one text, such as `33/34`, for `kubectl get`.
    pub regions_fresh: String,
    /// Number of regions whose last attempt succeeded: Fresh or Empty.
    pub fresh: i64,
    /// Number of regions whose last attempt failed and whose last good data stays published.
    pub stale: i64,
    /// Number of regions whose last attempt failed and that have no data published. If the spec names
    /// regions, Unsupported, Disabled and Denied regions count.
    pub failed: i64,
    /// Number of published models, counted once for each region.
    pub models: i64,
    /// Number of published inference profiles, counted once for each region.
    pub profiles: i64,
    /// Number of (model, inference profile) pairs published, summed over the regions.
    pub associations: i64,
    /// Number of published models that only an inference profile can invoke, counted once for each
    /// region.
    pub requiring_profile: i64,
    /// Number of published models that have an ID which callers may pass, counted once for each
    /// region. Absent until every published region states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocable: Option<i64>,
    /// Number of aliases that stand for a model, counted once for each region. Absent without
    /// `spec.aliases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<i64>,
    /// Number of aliases that stand for no model, counted once for each region. Absent without
    /// `spec.aliases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases_unresolved: Option<i64>,
}

/// State of the merged ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MappingStatus {
    /// Name of the ConfigMap.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub config_map: String,
    /// SHA-256 of the uncompressed `mapping.json`: 64 hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Published size in bytes: of `mapping.json.gz` if compressed, else of `mapping.json`.
    pub bytes: i64,
    /// Whether the ConfigMap holds `mapping.json.gz` (in `binaryData`) instead of `mapping.json`.
    pub compressed: bool,
    /// Error of the last write. Absent if the ConfigMap is up to date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
}

/// Reason why the status shows no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum MappingOmitted {
    /// The status would exceed 512 KiB.
    // A reason that a later version wrote reads as this one: the mapping is omitted either way, and
    // the next status states the reason again.
    #[serde(other)]
    TooLarge,
}

/// Result of the last `account:ListRegions` call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountRegionsStatus {
    /// Time of the last attempt.
    #[schemars(schema_with = "schema::time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt_time: Option<Time>,
    /// Number of consecutive failed attempts; 0 after a success. A retry follows after 30 s, then
    /// 1 min, 2 min and so on up to the refresh interval.
    pub consecutive_failures: i64,
    /// Error of the last attempt; absent after a success. The previous list of regions stays in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// `metadata.generation` of the spec at the last successful call. The shrink guard compares only
    /// results of the same generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// SHA-256, in hexadecimal digits, of a list without some of the known regions that waits for
    /// confirmation. The operator accepts the list if the next attempt returns it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_answer: Option<String>,
    /// Globs of `spec.excludeRegions` that match no region of the last list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmatched_excludes: Vec<String>,
}

/// State of one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionStatus {
    /// State of the region. `Fresh`: the last attempt succeeded. `Empty`: the last attempt succeeded,
    /// and the filters select no model. `Stale`: the last attempt failed, or the spec is refused, and the
    /// last good data stays published. `Failed`: the last attempt failed, and no data is published. `Unsupported`:
    /// Bedrock has no endpoint in the region, and no data is published. `Disabled`: the region is not
    /// enabled for the account, and no data is published. `Denied`: a policy denies the requests
    /// explicitly, or AWS denies them in a region that the spec does not name and grants them in
    /// another; the last good data, if there is any, stays published. An Unsupported, Disabled or
    /// Denied region is queried once per refresh interval, and degrades the resource only if the
    /// spec names it.
    pub state: RegionState,
    /// Name of the region's ConfigMap. Absent if none is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<String>,
    /// SHA-256 of `models.json`: 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of `models.json` in bytes.
    #[serde(default)]
    pub bytes: i64,
    /// Number of published models.
    #[serde(default)]
    pub models: i64,
    /// Number of distinct inference profiles that the published models embed.
    #[serde(default)]
    pub profiles: i64,
    /// Number of (model, inference profile) pairs published.
    #[serde(default)]
    pub associations: i64,
    /// Number of published models that only an inference profile can invoke.
    #[serde(default)]
    pub requiring_profile: i64,
    /// Number of published models that have an ID which callers may pass: `invokeWith` in
    /// `invocation.json`, by `spec.invocation`. Absent if none is published, and in a status that
    /// an earlier version of the operator wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocable: Option<i64>,
    /// Number of published models without such an ID, by the `reason` in `invocation.json`, such as
    /// `DestinationNotAllowed` or `ProvisionedOnly`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_invocable: BTreeMap<String, i64>,
    /// Names that several application inference profiles of one model carry, if `invokeWith` is the
    /// ARN of one of them: at most 10. Of these profiles, the one with the fewest destination regions
    /// is chosen, then the first by ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ambiguous_profile_names: Vec<String>,
    /// Number of inference profiles that contain no model of the region's list. They are not
    /// published.
    #[serde(default)]
    pub orphan_profiles: i64,
    /// `metadata.generation` of the spec that selected the published content. The shrink guard
    /// compares only results of the same generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// SHA-256, in hexadecimal digits, of the IDs of a response with less than half of the published
    /// models, profiles or models with an ID to pass. The operator publishes that response if the
    /// next attempt returns the same models and profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_answer: Option<String>,
    /// Time at which AWS first returned the published content.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovered_at: Option<Time>,
    /// Time at which AWS last confirmed the published content.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Time>,
    /// Time of the last attempt.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_time: Option<Time>,
    /// Time of the first failed attempt since the last success, or of the refusal of the spec. Absent
    /// unless data is published and not confirmed.
    #[schemars(schema_with = "schema::time")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Time>,
    /// Number of consecutive failed attempts; 0 after a success. A retry follows after 30 s, then
    /// 1 min, 2 min and so on up to the refresh interval; after 1 min at most if AWS responded and
    /// the publication failed.
    #[serde(default)]
    pub consecutive_failures: i64,
    /// Error of the last attempt; absent after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// State of the ConfigMaps with the aliases. Absent without `spec.aliases`, and if no models of the
    /// region are published.
    // Most regions have none: a box keeps the map of all regions small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Box<AliasesStatus>>,
    /// The sorted inference profile IDs of each published model. Absent with
    /// `spec.output.statusDetail: Summary`, and if `status.mappingOmitted` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<BTreeMap<String, Vec<String>>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{ErrorCode, RegionState};

    #[test]
    fn status_of_a_later_version_is_readable() {
        let status: BedrockModelMapStatus = serde_json::from_value(json!({
            "mappingOmitted": "TooManyModels",
            "regions": {"us-east-1": {
                "state": "Paused",
                "error": {"code": "Quarantined", "message": "why"},
                "newField": 1,
            }},
        }))
        .unwrap();
        let region = &status.regions["us-east-1"];
        assert_eq!(status.mapping_omitted, Some(MappingOmitted::TooLarge));
        assert_eq!(region.state, RegionState::Stale);
        let code = region.error.as_ref().map(|error| error.code);
        assert_eq!(code, Some(ErrorCode::Unknown));
    }
}

//! The spec of a `BedrockModelMap`.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::aliases::AliasSpec;
use super::filters::{InferenceProfilesSpec, ModelsSpec};
use super::invocation::InvocationSpec;
use super::schema;
use super::status::BedrockModelMapStatus;

/// Refresh interval of a resource that sets none.
pub const DEFAULT_REFRESH_INTERVAL: std::time::Duration = std::time::Duration::from_secs(6 * 3600);
/// Shortest refresh interval that the rule on `spec.refreshInterval` accepts.
pub const MIN_REFRESH_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);
/// Longest refresh interval that the rule on `spec.refreshInterval` accepts.
pub const MAX_REFRESH_INTERVAL: std::time::Duration =
    std::time::Duration::from_secs(30 * 24 * 3600);

/// Desired state: the regions, models and inference profiles to map, and how to publish them.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bedrock.modelmap.dev",
    version = "v1alpha1",
    kind = "BedrockModelMap",
    plural = "bedrockmodelmaps",
    singular = "bedrockmodelmap",
    shortname = "bmm",
    category = "bedrock",
    namespaced,
    derive = "PartialEq",
    status = "BedrockModelMapStatus",
    doc = "Discovers which Amazon Bedrock models each AWS region offers and which inference profile invokes them, and publishes the result as ConfigMaps.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name must have at most 63 characters: it is used as a label value"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Status of the Ready condition"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Reason of the Ready condition"),
    printcolumn(name = "Regions", type_ = "string", json_path = ".status.summary.regionsFresh", description = "Regions whose last attempt succeeded, of all regions"),
    printcolumn(name = "Models", type_ = "integer", json_path = ".status.summary.models", description = "Published (region, model) pairs"),
    printcolumn(name = "Profiles", type_ = "integer", json_path = ".status.summary.profiles", description = "Published (region, inference profile) pairs"),
    printcolumn(name = "Last Refresh", type_ = "date", json_path = ".status.lastRefreshTime", description = "Time at which AWS last confirmed published content"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since the resource was created"),
    printcolumn(name = "Next Refresh", type_ = "string", json_path = ".status.nextRefreshTime", priority = 1, description = "Time of the next scheduled attempt in any region"),
    printcolumn(name = "Stale", type_ = "integer", json_path = ".status.summary.stale", priority = 1, description = "Regions whose last attempt failed and whose last good data stays published"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.summary.failed", priority = 1, description = "Regions whose last attempt failed and that have no data published"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1, description = "Whether the spec pauses the resource"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1, description = "Message of the Ready condition")
)]
#[x_kube(validation = Rule::new("!has(self.excludeRegions) || !has(self.regions)").message("excludeRegions cannot be combined with regions: it leaves out enabled regions where regions is omitted"))]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::plain)]
pub struct BedrockModelMapSpec {
    /// AWS regions to discover, such as `us-east-1`: 1 to 64 unique names. Default: every region
    /// that is enabled for the account, which requires the permission `account:ListRegions`. GovCloud,
    /// the European Sovereign Cloud and the isolated partitions lack that API: there the resource
    /// stalls with the reason `RegionsUnavailable` until the spec names regions. A region of another
    /// partition than the AWS identity's fails with `InvalidSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(max = 32), regex(pattern = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$")),
        extend("x-kubernetes-list-type" = "set"),
        transform = schema::worded("must be the name of an AWS region, such as us-east-1")
    )]
    pub regions: Option<Vec<String>>,

    /// Globs on AWS regions to leave out (`*` any characters, `?` one character), such as `ap-*`: at
    /// most 64, of at most 32 characters. Only if `regions` is omitted: enabled regions that match
    /// are not discovered, for instance those that a service control policy denies. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 32), regex(pattern = r"^[a-z0-9*?-]+$")),
        transform = schema::worded("must be a glob on AWS regions, such as ap-* or us-west-2")
    )]
    pub exclude_regions: Vec<String>,

    /// Time between two refreshes of a region, as a Go duration such as `6h` or `1h30m`: `1m` to
    /// `720h` (30 days). Default: `6h`. Jitter of up to 5 % spreads the refreshes of many resources.
    /// A region that fails is retried after 30 s, then 1 min, 2 min and so on up to this interval.
    // The digit limits keep every value that matches within the 292 years that `duration` parses: beyond that the rule
    // would fail instead of reporting the message.
    #[serde(default = "default_refresh_interval")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(
        "self.matches('^([0-9]{1,4}([.][0-9]{1,9})?h|[0-9]{1,6}([.][0-9]{1,9})?m|[0-9]{1,9}([.][0-9]{1,9})?(s|ms|us|ns))+$') && duration(self) >= duration('1m') && duration(self) <= duration('720h')"
    ).message("refreshInterval must be a Go duration between 1m and 720h (30 days), such as 6h or 1h30m"))]
    pub refresh_interval: String,

    /// Pauses the resource. While `true`, the operator calls no AWS API and writes nothing, the
    /// status included; published ConfigMaps stay. Default: `false`.
    #[serde(default)]
    pub suspend: bool,

    /// Selects the models to publish. A model is published if it passes every filter that is set.
    /// Default: all models.
    #[serde(default)]
    pub models: ModelsSpec,

    /// Selects the inference profiles to publish. Each profile is embedded in the models of the same
    /// region that it contains. Default: all profiles.
    #[serde(default)]
    pub inference_profiles: InferenceProfilesSpec,

    /// Policy that chooses the ID which callers pass for a model (`invokeWith` in `invocation.json`).
    /// `models.json` and the merged mapping do not depend on it. Default: the model ID if the model
    /// is available on demand, else the profile of a geography, else the global profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(
        "!has(self.applicationProfiles) || (has(self.preference) && 'Application' in self.preference)"
    ).message("applicationProfiles needs Application in preference: otherwise no application profile is ever chosen"))]
    pub invocation: Option<InvocationSpec>,

    /// Logical names for models, which applications read in place of IDs: at most 64. Each region has
    /// two more ConfigMaps then: `<prefix>-<region>-env` with the ID of each alias under the name of
    /// its environment variable, and `<prefix>-<region>-aliases` with `aliases.json`, `litellm.yaml`
    /// and `claude-code.json`. An alias that loses its ID keeps the last one until a second response
    /// confirms the loss. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    #[x_kube(
        validation = Rule::new("self.all(a, !has(a.env) || !(a.env in ['AWS_REGION', 'CLAUDE_CODE_USE_BEDROCK']))")
            .message("env cannot be AWS_REGION or CLAUDE_CODE_USE_BEDROCK: claude-code.json sets them"),
        validation = Rule::new("self.all(a, self.exists_one(b, (has(b.env) ? b.env : 'BEDROCK_MODEL_' + b.name.upperAscii().replace('-', '_')) == (has(a.env) ? a.env : 'BEDROCK_MODEL_' + a.name.upperAscii().replace('-', '_'))))")
            .message("two aliases have the same environment variable: set env, whose default is BEDROCK_MODEL_ and the name in upper case with _ for -")
    )]
    pub aliases: Vec<AliasSpec>,

    /// AWS identity used for discovery. Default: the operator's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsSpec>,

    /// Names, metadata and size of what the operator publishes.
    #[serde(default)]
    pub output: OutputSpec,

    /// What happens to the ConfigMaps when this resource is deleted. `Delete`: the garbage collector
    /// deletes them, because they have an owner reference. `Retain`: they stay, without an owner
    /// reference; a new resource of the same name takes them over. Default: `Delete`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl Default for BedrockModelMapSpec {
    fn default() -> Self {
        Self {
            regions: None,
            exclude_regions: Vec::new(),
            refresh_interval: default_refresh_interval(),
            suspend: false,
            models: ModelsSpec::default(),
            inference_profiles: InferenceProfilesSpec::default(),
            invocation: None,
            aliases: Vec::new(),
            aws: None,
            output: OutputSpec::default(),
            deletion_policy: DeletionPolicy::default(),
        }
    }
}

fn default_refresh_interval() -> String {
    "6h".to_owned()
}

/// AWS identity used for discovery.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.externalId) || has(self.roleArn)").message("externalId needs roleArn: it is sent when that role is assumed"))]
#[serde(rename_all = "camelCase")]
pub struct AwsSpec {
    /// ARN of the IAM role to assume, such as `arn:aws:iam::123456789012:role/bedrock-reader`: at
    /// most 2048 characters. The operator's option `--allow-role` must permit the role for this
    /// namespace; otherwise the resource stalls with the reason `RoleNotAllowed`. If STS refuses the
    /// role, the regions fail with `AccessDenied`. Published ConfigMaps stay. The STS session is named `<namespace>@<name>` after this resource. Default:
    /// the operator's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 2048),
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$"),
        transform = schema::worded("must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/bedrock-reader")
    )]
    pub role_arn: Option<String>,

    /// External ID that the trust policy of the role requires: 2 to 1224 letters, digits and
    /// characters of `+=,.@:/_-`. Requires `roleArn`. Default: none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 1224),
        regex(pattern = r"^[A-Za-z0-9+=,.@:/_-]+$"),
        transform = schema::worded("must consist of letters, digits and + = , . @ : / _ -")
    )]
    pub external_id: Option<String>,
}

/// Names, metadata and size of what the operator publishes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputSpec {
    /// Prefix of the ConfigMap names `<prefix>-<region>` and `<prefix>-mapping`: at most 200
    /// lower-case letters, digits, `-` and `.`. Default: the name of this resource. After a change
    /// the operator publishes under the new names and deletes the ConfigMaps of the old names. If a
    /// name belongs to an object that is not this resource's, the operator leaves that object alone
    /// and the region fails with `TargetConflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 200),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        transform = schema::worded("must be the start of an object name: lower-case letters, digits, - and ., each part between dots beginning and ending with a letter or a digit")
    )]
    pub config_map_prefix: Option<String>,

    /// Labels added to every ConfigMap: at most 32. The operator reserves the key
    /// `app.kubernetes.io/managed-by` and keys that start with `bedrock.modelmap.dev/`. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        schema_with = "schema::labels",
        transform = schema::worded(schema::LABEL_VALUE_MESSAGE)
    )]
    #[x_kube(
        validation = Rule::new("self.all(k, k != 'app.kubernetes.io/managed-by' && !k.startsWith('bedrock.modelmap.dev/'))")
            .message(Message::Expression("'reserved for the operator: ' + self.filter(k, k == 'app.kubernetes.io/managed-by' || k.startsWith('bedrock.modelmap.dev/'))[0]".to_owned())),
        validation = Rule::new(schema::LABEL_KEYS)
            .message(Message::Expression(schema::LABEL_KEYS_MESSAGE.to_owned()))
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations added to every ConfigMap: at most 32, with values of at most 1024 characters. The
    /// operator reserves keys that start with `bedrock.modelmap.dev/`. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::annotations")]
    #[x_kube(
        validation = Rule::new(schema::NOT_RESERVED)
            .message(Message::Expression(schema::RESERVED_MESSAGE.to_owned())),
        validation = Rule::new(schema::ANNOTATION_KEYS)
            .message(Message::Expression(schema::ANNOTATION_KEYS_MESSAGE.to_owned()))
    )]
    pub annotations: BTreeMap<String, String>,

    /// When the merged ConfigMap holds `mapping.json.gz` (in `binaryData`) instead of `mapping.json`.
    /// `Auto`: if `mapping.json` is larger than 900 KiB. `Always`: at any size. `Never`: a mapping
    /// larger than 1 MiB is not published and fails with `PayloadTooLarge`. The ConfigMaps of single
    /// regions are never compressed. Default: `Auto`.
    #[serde(default)]
    pub compression: Compression,

    /// How much `status.regions` shows. `Mapping`: counts, and the inference profile IDs of each
    /// model. `Summary`: counts only. Default: `Mapping`.
    #[serde(default)]
    pub status_detail: StatusDetail,
}

/// When the merged mapping is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compression {
    /// Compresses a mapping that is larger than 900 KiB.
    #[default]
    Auto,
    /// Compresses at any size.
    Always,
    /// Does not compress; a mapping larger than 1 MiB is not published.
    Never,
}

/// How much `status.regions` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatusDetail {
    /// Counts, and the inference profile IDs of each model.
    #[default]
    Mapping,
    /// Counts only.
    Summary,
}

/// What happens to the ConfigMaps when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The garbage collector deletes them.
    #[default]
    Delete,
    /// They stay.
    Retain,
}

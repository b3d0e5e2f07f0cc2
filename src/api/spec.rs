//! What a user declares.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filters::{InferenceProfilesSpec, ModelsSpec};
use super::schema;
use super::status::BedrockModelMapStatus;

/// The refresh interval of a resource that names none.
pub const DEFAULT_REFRESH_INTERVAL: std::time::Duration = std::time::Duration::from_hours(6);
/// The shortest refresh interval; the rule on `spec.refreshInterval` holds to it.
pub const MIN_REFRESH_INTERVAL: std::time::Duration = std::time::Duration::from_mins(1);
/// The longest refresh interval; the rule on `spec.refreshInterval` holds to it.
pub const MAX_REFRESH_INTERVAL: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// Which models and inference profiles of Amazon Bedrock to map, where, and how often.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bedrock.modelmap.dev",
    version = "v1alpha1",
    kind = "BedrockModelMap",
    plural = "bedrockmodelmaps",
    singular = "bedrockmodelmap",
    shortname = "bmm",
    namespaced,
    derive = "PartialEq",
    status = "BedrockModelMapStatus",
    doc = "Keeps in ConfigMaps which Amazon Bedrock models exist in which region, and through which inference profile each is invoked.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name must have at most 63 characters: it is used as a label value"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether the latest spec is published"),
    printcolumn(name = "Regions", type_ = "string", json_path = ".status.summary.regionsFresh", description = "Fresh regions of all regions"),
    printcolumn(name = "Models", type_ = "integer", json_path = ".status.summary.models", description = "Published (region, model) pairs"),
    printcolumn(name = "Profiles", type_ = "integer", json_path = ".status.summary.profiles", description = "Published (region, inference profile) pairs"),
    printcolumn(name = "Last Refresh", type_ = "date", json_path = ".status.lastRefreshTime", description = "When the published answers were last confirmed"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Since when the resource exists"),
    printcolumn(name = "Next Refresh", type_ = "string", json_path = ".status.nextRefreshTime", priority = 1, description = "When a region is asked next"),
    printcolumn(name = "Stale", type_ = "integer", json_path = ".status.summary.stale", priority = 1, description = "Regions whose older data is published because the last attempt failed"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.summary.failed", priority = 1, description = "Regions that never answered"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1, description = "What the Ready condition says")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::plain)]
pub struct BedrockModelMapSpec {
    /// AWS regions to map, such as `us-east-1`: 1 to 64, each once. Omitted: every region that is
    /// enabled for the account, which needs the permission `account:ListRegions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(max = 32), regex(pattern = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$")),
        extend("x-kubernetes-list-type" = "set"),
        transform = schema::worded("must be the name of an AWS region, such as us-east-1")
    )]
    pub regions: Option<Vec<String>>,

    /// How often every region is asked again, as a Go duration such as `6h` or `1h30m`: at least
    /// `1m`, at most `720h` (30 days). Each refresh is moved by up to 5 % either way, so that many
    /// resources do not ask at the same moment. Default: `6h`.
    // The numbers of digits keep what the pattern lets pass within the 292 years that `duration` takes: beyond, the
    // rule would fail instead of saying no.
    #[serde(default = "default_refresh_interval")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(
        "self.matches('^([0-9]{1,4}([.][0-9]{1,9})?h|[0-9]{1,6}([.][0-9]{1,9})?m|[0-9]{1,9}([.][0-9]{1,9})?(s|ms|us|ns))+$') && duration(self) >= duration('1m') && duration(self) <= duration('720h')"
    ).message("refreshInterval must be a Go duration between 1m and 720h (30 days), such as 6h or 1h30m"))]
    pub refresh_interval: String,

    /// While true, AWS is not asked and nothing is written, the status included. What is published
    /// stays. Default: false.
    #[serde(default)]
    pub suspend: bool,

    /// Which models to keep. Omitted: all. A model is kept if it passes every filter given.
    #[serde(default)]
    pub models: ModelsSpec,

    /// Which inference profiles to embed in the models that they reference.
    #[serde(default)]
    pub inference_profiles: InferenceProfilesSpec,

    /// As whom AWS is asked. Omitted: with the operator's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsSpec>,

    /// How the ConfigMaps look.
    #[serde(default)]
    pub output: OutputSpec,

    /// What becomes of the ConfigMaps when this resource is deleted. `Delete`, the default: they go
    /// with it (owner reference). `Retain`: they stay (no owner reference); a resource of the same
    /// name takes them over again.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl Default for BedrockModelMapSpec {
    fn default() -> Self {
        Self {
            regions: None,
            refresh_interval: default_refresh_interval(),
            suspend: false,
            models: ModelsSpec::default(),
            inference_profiles: InferenceProfilesSpec::default(),
            aws: None,
            output: OutputSpec::default(),
            deletion_policy: DeletionPolicy::default(),
        }
    }
}

fn default_refresh_interval() -> String {
    "6h".to_owned()
}

/// As whom AWS is asked.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.externalId) || has(self.roleArn)").message("externalId needs roleArn: it is sent when that role is assumed"))]
#[serde(rename_all = "camelCase")]
pub struct AwsSpec {
    /// ARN of an IAM role to assume, such as `arn:aws:iam::123456789012:role/bedrock-reader`, at most
    /// 2048 characters. The operator must permit it for this namespace (`--allow-role`); otherwise the
    /// resource stalls with the reason `RoleNotAllowed`, and what is published stays. The session is
    /// named `<namespace>@<name>` after this resource. Omitted: the operator's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 2048),
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$"),
        transform = schema::worded("must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/bedrock-reader")
    )]
    pub role_arn: Option<String>,

    /// External id that the role's trust policy asks for: 2 to 1224 letters, digits and any of
    /// `+=,.@:/_-`. Needs `roleArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 1224),
        regex(pattern = r"^[A-Za-z0-9+=,.@:/_-]+$"),
        transform = schema::worded("must consist of letters, digits and + = , . @ : / _ -")
    )]
    pub external_id: Option<String>,
}

/// How the ConfigMaps look.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputSpec {
    /// Start of the ConfigMaps' names: `<prefix>-<region>` and `<prefix>-mapping`. Lower-case letters,
    /// digits, `-` and `.`, at most 200 characters. Default: the resource's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 200),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        transform = schema::worded("must be the start of an object's name: lower-case letters, digits, - and ., each part between dots beginning and ending with a letter or a digit")
    )]
    pub config_map_prefix: Option<String>,

    /// Labels added to every ConfigMap, at most 32. The keys `app.kubernetes.io/managed-by` and
    /// those that start with `bedrock.modelmap.dev/` are the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        schema_with = "schema::labels",
        transform = schema::worded("must be a label value: letters, digits, -, _ and ., beginning and ending with a letter or a digit")
    )]
    #[x_kube(
        validation = Rule::new("self.all(k, k != 'app.kubernetes.io/managed-by' && !k.startsWith('bedrock.modelmap.dev/'))")
            .message(Message::Expression("'reserved for the operator: ' + self.filter(k, k == 'app.kubernetes.io/managed-by' || k.startsWith('bedrock.modelmap.dev/'))[0]".to_owned())),
        validation = Rule::new("self.all(k, !format.qualifiedName().validate(k).hasValue())")
            .message(Message::Expression("'not a label key (at most 63 letters, digits, -, _ and ., with an optional DNS name and / before them): ' + self.filter(k, format.qualifiedName().validate(k).hasValue())[0]".to_owned()))
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations added to every ConfigMap, at most 32, with values of at most 1024 characters. Keys
    /// that start with `bedrock.modelmap.dev/` are the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::annotations")]
    #[x_kube(
        validation = Rule::new("self.all(k, !k.startsWith('bedrock.modelmap.dev/'))")
            .message(Message::Expression("'reserved for the operator: ' + self.filter(k, k.startsWith('bedrock.modelmap.dev/'))[0]".to_owned())),
        validation = Rule::new("self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())")
            .message(Message::Expression("'not an annotation key (at most 63 letters, digits, -, _ and ., with an optional DNS name and / before them): ' + self.filter(k, format.qualifiedName().validate(k.lowerAscii()).hasValue())[0]".to_owned()))
    )]
    pub annotations: BTreeMap<String, String>,

    /// Whether `mapping.json` of the merged ConfigMap is compressed into `mapping.json.gz`. `Auto`,
    /// the default: when it has more than 900 KiB. `Always`: whatever its size. `Never`: not at all;
    /// over 1 MiB it can then not be published. The ConfigMaps of the regions are never compressed.
    #[serde(default)]
    pub compression: Compression,

    /// How much of the map `status.regions` shows. `Mapping`, the default: counts, and for each model
    /// the ids of its inference profiles. `Summary`: counts only.
    #[serde(default)]
    pub status_detail: StatusDetail,
}

/// When the merged mapping is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compression {
    /// When it has more than 900 KiB.
    #[default]
    Auto,
    /// Whatever its size.
    Always,
    /// Not at all; over 1 MiB it can then not be published.
    Never,
}

/// How much of the map the status shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatusDetail {
    /// Counts, and for each model the ids of the inference profiles that reference it.
    #[default]
    Mapping,
    /// Counts only.
    Summary,
}

/// What becomes of the ConfigMaps when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They are deleted with it.
    #[default]
    Delete,
    /// They stay.
    Retain,
}

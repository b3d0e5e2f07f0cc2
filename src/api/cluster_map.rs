//! The `ClusterBedrockModelMap`: one `BedrockModelMap` in each namespace that a selector matches.

mod schema;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BedrockModelMapSpec;
use super::status::schema as status_schema;

/// Desired state: the namespaces, and the `BedrockModelMap` that each of them has.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bedrock.modelmap.dev",
    version = "v1alpha1",
    kind = "ClusterBedrockModelMap",
    plural = "clusterbedrockmodelmaps",
    singular = "clusterbedrockmodelmap",
    shortname = "cbmm",
    category = "bedrock",
    derive = "PartialEq",
    status = "ClusterBedrockModelMapStatus",
    doc = "Keeps one BedrockModelMap of its own name in each namespace that a selector matches.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name must have at most 63 characters: it is used as a label value"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Status of the Ready condition"),
    printcolumn(name = "Namespaces", type_ = "string", json_path = ".status.namespaces.readyOfMatched", description = "Namespaces whose BedrockModelMap is Ready, of all matching namespaces"),
    printcolumn(name = "Degraded", type_ = "integer", json_path = ".status.namespaces.degraded", description = "Namespaces whose BedrockModelMap is Degraded"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since the resource was created"),
    printcolumn(name = "Conflicting", type_ = "integer", json_path = ".status.namespaces.conflicting", priority = 1, description = "Namespaces with another BedrockModelMap of that name"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1, description = "Message of the Ready condition")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::schema::plain)]
pub struct ClusterBedrockModelMapSpec {
    /// Labels of the namespaces that have a BedrockModelMap, as in a Deployment's selector. `{}` matches
    /// every namespace. A namespace that ceases to match loses its BedrockModelMap.
    #[schemars(schema_with = "schema::label_selector")]
    pub namespace_selector: LabelSelector,

    /// Globs on names of namespaces to leave out (`*` any characters, `?` one character): at most 64, of
    /// at most 63 characters. Default: `kube-*`.
    #[serde(default = "default_excludes")]
    #[schemars(
        length(max = 64),
        inner(length(max = 63), regex(pattern = r"^[a-z0-9*?-]+$")),
        transform = super::schema::worded("must be a glob on namespaces, such as kube-*")
    )]
    pub exclude_namespaces: Vec<String>,

    /// How a changed template reaches the namespaces. `Guarded`: one namespace first; if its
    /// BedrockModelMap becomes Stalled, no further one is changed and the cluster map is Stalled with the
    /// reason `RolloutHalted`; otherwise the others follow, at most 10 at a time. `Immediate`: all at
    /// once. Default: `Guarded`.
    #[serde(default)]
    pub rollout: Rollout,

    /// The BedrockModelMap of each namespace.
    pub template: MapTemplate,
}

fn default_excludes() -> Vec<String> {
    vec!["kube-*".to_owned()]
}

/// How a changed template reaches the namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rollout {
    /// One namespace first.
    #[default]
    Guarded,
    /// All namespaces at once.
    Immediate,
}

/// The `BedrockModelMap` of each namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapTemplate {
    /// Labels and annotations of each BedrockModelMap.
    #[serde(default)]
    pub metadata: TemplateMetadata,

    /// Spec of each BedrockModelMap, under the same rules. The rules of roles apply in each namespace:
    /// the operator's option `--allow-role` must permit `aws.roleArn` for it.
    #[serde(default)]
    pub spec: BedrockModelMapSpec,
}

/// Labels and annotations of each `BedrockModelMap`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMetadata {
    /// Labels of each BedrockModelMap: at most 32. The operator reserves keys that start with
    /// `bedrock.modelmap.dev/`. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        schema_with = "super::schema::labels",
        transform = super::schema::worded(super::schema::LABEL_VALUE_MESSAGE)
    )]
    #[x_kube(
        validation = Rule::new(super::schema::NOT_RESERVED)
            .message(Message::Expression(super::schema::RESERVED_MESSAGE.to_owned())),
        validation = Rule::new(super::schema::LABEL_KEYS)
            .message(Message::Expression(super::schema::LABEL_KEYS_MESSAGE.to_owned()))
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations of each BedrockModelMap: at most 32, with values of at most 1024 characters. The
    /// operator reserves keys that start with `bedrock.modelmap.dev/`. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(
        validation = Rule::new(super::schema::NOT_RESERVED)
            .message(Message::Expression(super::schema::RESERVED_MESSAGE.to_owned())),
        validation = Rule::new(super::schema::ANNOTATION_KEYS)
            .message(Message::Expression(super::schema::ANNOTATION_KEYS_MESSAGE.to_owned()))
    )]
    pub annotations: BTreeMap<String, String>,
}

/// Observed state: counts of namespaces, and the problems of some.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(
    transform = super::schema::plain,
    // Clients that judge by kstatus, such as Flux, count an object without a status as done.
    extend("default" = serde_json::json!({"observedGeneration": status_schema::UNOBSERVED_GENERATION}))
)]
pub struct ClusterBedrockModelMapStatus {
    /// `metadata.generation` of the spec that the operator last compared with the namespaces. -1 until
    /// the operator has seen the resource.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "status_schema::deserialize_generation"
    )]
    pub observed_generation: Option<i64>,

    /// `Ready`: the BedrockModelMap of every matching namespace is Ready in its latest spec.
    /// `Reconciling`: some of them wait for their change or their refresh. `Stalled`: the operator cannot
    /// continue until a user changes something. `Degraded`: at least one of them is Degraded, or could not
    /// be written. `Reconciling` and `Stalled` are absent while they do not apply.
    #[schemars(schema_with = "status_schema::conditions")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// Value of the annotation `bedrock.modelmap.dev/requestedAt` that every BedrockModelMap of this
    /// resource has handled, in the form that their statuses give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_refresh_request: Option<String>,

    /// Numbers of namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceCounts>,

    /// Namespaces with a problem, in alphabetical order: at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<NamespaceProblem>,
}

/// Numbers of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespaceCounts {
    /// `ready` and `matched` as one text, such as `41/42`, for `kubectl get`.
    pub ready_of_matched: String,
    /// Number of namespaces that match and are not being deleted.
    pub matched: i64,
    /// Number of matching namespaces whose BedrockModelMap is Ready.
    pub ready: i64,
    /// Number of matching namespaces whose BedrockModelMap is Degraded.
    pub degraded: i64,
    /// Number of matching namespaces that have another BedrockModelMap of that name. The operator leaves
    /// it unchanged.
    pub conflicting: i64,
    /// Number of matching namespaces whose BedrockModelMap is Stalled, or could not be written.
    pub failed: i64,
}

/// A namespace with a problem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespaceProblem {
    /// Name of the namespace.
    pub namespace: String,
    /// Stable one-word reason: `Conflict`, `WriteFailed`, or the reason of the BedrockModelMap's condition
    /// `Stalled` or `Degraded`.
    pub reason: String,
    /// Human-readable details.
    pub message: String,
}

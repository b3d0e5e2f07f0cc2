//! The Kubernetes API `bedrock.modelmap.dev/v1alpha1`: what users write and read.
//!
//! The doc comments of the fields become the descriptions that `kubectl explain` prints.

mod aliases;
#[cfg(any(feature = "aws", feature = "cluster"))]
mod attempt_error;
#[cfg(feature = "cluster")]
mod cluster_map;
#[cfg(any(feature = "aws", feature = "cluster"))]
pub mod conditions;
mod filters;
mod invocation;
#[cfg(feature = "cluster")]
pub(crate) mod refresh_token;
mod region_state;
mod schema;
#[cfg(feature = "cluster")]
mod spec;
#[cfg(any(feature = "aws", feature = "cluster"))]
mod status;

pub use aliases::AliasSpec;
#[cfg(any(feature = "aws", feature = "cluster"))]
pub use attempt_error::{AttemptError, ErrorCode};
#[cfg(feature = "cluster")]
pub use cluster_map::{
    ClusterBedrockModelMap, ClusterBedrockModelMapSpec, ClusterBedrockModelMapStatus, MapTemplate,
    NamespaceCounts, NamespaceProblem, Rollout, TemplateMetadata,
};
pub use filters::{InferenceProfilesSpec, LifecycleStatus, ModelsSpec, ProfileType};
pub use invocation::{InvocationSpec, LegacyPolicy, RouteKind};
pub use region_state::{RegionSource, RegionState};
#[cfg(feature = "cluster")]
pub use spec::{
    AwsSpec, BedrockModelMap, BedrockModelMapSpec, Compression, DEFAULT_REFRESH_INTERVAL,
    DeletionPolicy, MAX_REFRESH_INTERVAL, MIN_REFRESH_INTERVAL, OutputSpec, StatusDetail,
};
#[cfg(any(feature = "aws", feature = "cluster"))]
pub use status::{
    AccountRegionsStatus, AliasProblem, AliasesStatus, BedrockModelMapStatus, MappingOmitted,
    MappingStatus, RegionStatus, Summary, VerifiedConfigMap, VerifiedStatus,
};

/// The API group; also the prefix of the operator's own label and annotation keys.
pub const GROUP: &str = "bedrock.modelmap.dev";
/// The kind of the custom resource.
pub const KIND: &str = "BedrockModelMap";
/// The name under which the operator's writes appear in `managedFields`, and the value of
/// [`LABEL_MANAGED_BY`].
pub const MANAGER: &str = "bedrock-model-map";
/// Label of every ConfigMap written; its value is [`MANAGER`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label of every ConfigMap written; its value is the name of the `BedrockModelMap`.
pub const LABEL_NAME: &str = "bedrock.modelmap.dev/name";
/// Label of every ConfigMap written; `region`, `mapping`, `aliases` or `env`.
pub const LABEL_CONTENT: &str = "bedrock.modelmap.dev/content";
/// Label of every ConfigMap of a region; its value is the AWS region.
pub const LABEL_REGION: &str = "bedrock.modelmap.dev/region";
/// Annotation of every ConfigMap written: SHA-256, in hex, of `models.json`, of the uncompressed
/// `mapping.json`, of `aliases.json`, or of the environment variables as `NAME=value`, one a line.
pub const ANNOTATION_SHA256: &str = "bedrock.modelmap.dev/content-sha256";
/// Annotation that a user sets on a `BedrockModelMap` to have every region fetched at once.
pub const ANNOTATION_REQUESTED_AT: &str = "bedrock.modelmap.dev/requestedAt";

/// The kind of the cluster-scoped custom resource.
pub const CLUSTER_KIND: &str = "ClusterBedrockModelMap";
/// Label of every `BedrockModelMap` of a `ClusterBedrockModelMap`; its value is the name of the latter.
pub const LABEL_CLUSTER_MAP: &str = "bedrock.modelmap.dev/cluster-map";
/// Annotation of every `BedrockModelMap` of a `ClusterBedrockModelMap`: SHA-256, in hex, of the template.
pub const ANNOTATION_TEMPLATE: &str = "bedrock.modelmap.dev/template-sha256";

/// The `CustomResourceDefinition`s as YAML documents, ready for `kubectl apply`: of `BedrockModelMap`,
/// then of `ClusterBedrockModelMap`.
///
/// # Errors
/// When a definition cannot be written as YAML, which no input brings about.
#[cfg(feature = "operator")]
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    use kube::CustomResourceExt as _;

    let definition = serde_saphyr::to_string(&BedrockModelMap::crd())?;
    let of_cluster = serde_saphyr::to_string(&ClusterBedrockModelMap::crd())?;
    Ok(format!("{}\n---\n{of_cluster}", definition.trim_end()))
}

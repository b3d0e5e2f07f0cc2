//! Why a cluster's model map cannot be read.

use std::error::Error;
use std::time::Duration;

use super::files::FilesError;

/// Why the published map of a `BedrockModelMap` cannot be read from the cluster.
///
/// A resource or a `ConfigMap` is named by namespace and name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// The resource does not exist.
    #[error("BedrockModelMap {0} not found")]
    NoResource(String),
    /// The cluster does not know the kind.
    #[error(
        "this cluster has no kind BedrockModelMap: install its definition (`bedrock-model-map crd | kubectl apply -f -`)"
    )]
    NoKind,
    /// Nothing has been published yet.
    #[error("BedrockModelMap {name} has published nothing yet: {why}")]
    NotReady {
        /// The resource.
        name: String,
        /// The message of its condition `Ready`.
        why: String,
    },
    /// A refresh was requested of a suspended resource.
    #[error("BedrockModelMap {0} is suspended: no refresh happens while spec.suspend is true")]
    Suspended(String),
    /// The operator did not acknowledge the refresh in time.
    #[error(
        "BedrockModelMap {name}: the refresh is not finished after {} s and may still finish later; check that the operator runs",
        timeout.as_secs()
    )]
    NotRefreshed {
        /// The resource.
        name: String,
        /// The longest wait.
        timeout: Duration,
    },
    /// The `ConfigMap` that the status names does not exist.
    #[error("ConfigMap {0} does not exist; a running operator restores it")]
    NoConfigMap(String),
    /// The `ConfigMap` has the labels of another owner.
    #[error("ConfigMap {config_map} does not belong to BedrockModelMap {name}")]
    NotOurs {
        /// The `ConfigMap`.
        config_map: String,
        /// The resource.
        name: String,
    },
    /// The operator did not write this content.
    #[error("ConfigMap {0} was changed: the content hash does not match the annotation")]
    Changed(String),
    /// The content cannot be read.
    #[error("ConfigMap {config_map} cannot be read")]
    Files {
        /// The `ConfigMap`.
        config_map: String,
        /// The reason.
        source: FilesError,
    },
    /// The Kubernetes API refused the request.
    #[error("cannot {action}: the cluster refuses")]
    Refused {
        /// What failed, on what.
        action: String,
        /// The response.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The Kubernetes API did not respond, or not as a Kubernetes API does.
    #[error("cannot {action}: the cluster does not respond")]
    Unreachable {
        /// What failed, on what.
        action: String,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
}

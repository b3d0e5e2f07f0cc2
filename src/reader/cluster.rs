//! A cluster's published mapping, and a refresh of it on demand.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::time::Instant;

use super::ModelMap;
use super::files::{self, FilesError};
use crate::api::{
    ANNOTATION_REQUESTED_AT, ANNOTATION_SHA256, BedrockModelMap, BedrockModelMapStatus,
    LABEL_MANAGED_BY, LABEL_NAME, MANAGER, MappingStatus,
};
use crate::digest::sha256_hex;
use crate::publication::content::read_mapping_json;
use crate::text::error_chain;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the acknowledgement of a refresh is looked for. Not watched: `get` is the one right
/// that this needs besides `patch`.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Whether to have every region fetched before the mapping is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshMode {
    /// Reads what is published.
    None,
    /// Requests a refresh of every region and waits until the operator has acknowledged it.
    Force {
        /// The longest wait.
        timeout: Duration,
    },
}

/// The mapping of a `BedrockModelMap`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProfileMapping {
    /// The regions' models, profiles embedded.
    pub published: ModelMap,
    /// What the operator says of them.
    pub status: BedrockModelMapStatus,
}

/// Why a mapping cannot be had from the cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// There is no such resource.
    #[error("there is no BedrockModelMap {0}")]
    NoResource(String),
    /// The cluster does not know the kind.
    #[error(
        "this cluster has no kind BedrockModelMap: install its definition (`bedrock-model-map crd | kubectl apply -f -`)"
    )]
    NoKind,
    /// Nothing has been published yet.
    #[error("BedrockModelMap {name} has published nothing yet: {why}")]
    NotReady {
        /// Namespace and name.
        name: String,
        /// What the resource says of itself.
        why: String,
    },
    /// A refresh was asked for, and none happens.
    #[error("BedrockModelMap {0} is suspended: it is not refreshed while spec.suspend is true")]
    Suspended(String),
    /// The refresh has not ended in time.
    #[error(
        "BedrockModelMap {name}: the refresh is not done after {} s; does the operator run? It may still be done later",
        timeout.as_secs()
    )]
    NotRefreshed {
        /// Namespace and name.
        name: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The status names a `ConfigMap` that is not there.
    #[error("ConfigMap {0} is not there; the operator puts it back if it runs")]
    NoConfigMap(String),
    /// The `ConfigMap` is somebody else's.
    #[error("ConfigMap {config_map} does not belong to BedrockModelMap {name}")]
    NotOurs {
        /// Namespace and name of the `ConfigMap`.
        config_map: String,
        /// Namespace and name of the resource.
        name: String,
    },
    /// The content is not what the operator wrote.
    #[error("ConfigMap {0} was changed: its content has not the hash in its annotation")]
    Changed(String),
    /// The content cannot be read.
    #[error("ConfigMap {config_map}: {cause}")]
    ConfigMapFiles {
        /// Namespace and name of the `ConfigMap`.
        config_map: String,
        /// The cause, which the message contains.
        cause: FilesError,
    },
    /// The Kubernetes API refused.
    #[error("cannot {action}: {message}")]
    Refused {
        /// What was being done, and to what.
        action: String,
        /// The API server's words.
        message: String,
    },
    /// The Kubernetes API cannot be reached.
    #[error("cannot {action}: the cluster does not answer: {message}")]
    Unreachable {
        /// What was being done, and to what.
        action: String,
        /// What went wrong.
        message: String,
    },
}

/// The mapping that the `BedrockModelMap` of this name has published, after a refresh if one is
/// asked for.
///
/// Needs the right to `get` `bedrockmodelmaps` and `configmaps`, and to `patch`
/// `bedrockmodelmaps` for a refresh.
pub async fn get_model_profile_mapping(
    client: Client,
    namespace: &str,
    name: &str,
    refresh: RefreshMode,
) -> Result<ProfileMapping, GetError> {
    let reader = Reader::new(client, namespace, name);
    let resource = match refresh {
        RefreshMode::None => reader.resource().await?,
        RefreshMode::Force { timeout } => reader.refreshed(timeout).await?,
    };
    let status = resource.status.unwrap_or_default();
    let Some(mapping) = status.mapping.as_ref().filter(|m| !m.sha256.is_empty()) else {
        return Err(reader.not_ready(&status));
    };
    let published = reader.read(mapping).await?;
    Ok(ProfileMapping { published, status })
}

/// Reads what one resource has published.
pub(super) struct Reader {
    pub(super) resources: Api<BedrockModelMap>,
    config_maps: Api<ConfigMap>,
    namespace: String,
    name: String,
}

impl Reader {
    pub(super) fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            resources: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    async fn resource(&self) -> Result<BedrockModelMap, GetError> {
        let action = || format!("read BedrockModelMap {}", self.full_name());
        let found = call(action, self.resources.get(&self.name)).await?;
        found.ok_or_else(|| GetError::NoResource(self.full_name()))
    }

    /// The resource after a refresh that began no earlier than now.
    async fn refreshed(&self, timeout: Duration) -> Result<BedrockModelMap, GetError> {
        if self.resource().await?.spec.suspend {
            return Err(GetError::Suspended(self.full_name()));
        }
        // Whoever else asks at the same moment is another process.
        let token = format!("{}-{}", Timestamp::now(), std::process::id());
        let patch = json!({"metadata": {"annotations": {ANNOTATION_REQUESTED_AT: token.as_str()}}});
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let action = || format!("ask BedrockModelMap {} for a refresh", self.full_name());
        let request = self.resources.patch(&self.name, &params, &patch);
        let patched = call(action, request).await?;
        patched.ok_or_else(|| GetError::NoResource(self.full_name()))?;

        let deadline = Instant::now() + timeout;
        loop {
            let resource = self.resource().await?;
            let handled = resource
                .status
                .as_ref()
                .and_then(|s| s.last_handled_refresh_request.as_ref());
            // A later request of somebody else takes the place of ours, and does as well.
            let requested = resource.annotations().get(ANNOTATION_REQUESTED_AT);
            if handled.is_some_and(|h| *h == token || Some(h) == requested) {
                return Ok(resource);
            }
            if Instant::now() >= deadline {
                return Err(GetError::NotRefreshed {
                    name: self.full_name(),
                    timeout,
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn not_ready(&self, status: &BedrockModelMapStatus) -> GetError {
        let conditions = status.conditions.iter();
        let mut ready = conditions.filter(|c| c.type_ == "Ready");
        GetError::NotReady {
            name: self.full_name(),
            why: ready.next().map_or_else(
                || "it has no status; does the operator run?".to_owned(),
                |ready| ready.message.clone(),
            ),
        }
    }

    pub(super) async fn read(&self, mapping: &MappingStatus) -> Result<ModelMap, GetError> {
        let config_map = format!("{}/{}", self.namespace, mapping.config_map);
        let action = || format!("read ConfigMap {config_map}");
        let found = call(action, self.config_maps.get(&mapping.config_map)).await?;
        let found = found.ok_or_else(|| GetError::NoConfigMap(config_map.clone()))?;
        let label = |key| found.labels().get(key).map(String::as_str);
        if label(LABEL_NAME) != Some(&self.name) || label(LABEL_MANAGED_BY) != Some(MANAGER) {
            return Err(GetError::NotOurs {
                config_map,
                name: self.full_name(),
            });
        }
        let annotated = found.annotations().get(ANNOTATION_SHA256).cloned();
        let data = found.data.unwrap_or_default();
        let binary_data: BTreeMap<String, Vec<u8>> = found
            .binary_data
            .unwrap_or_default()
            .into_iter()
            .map(|(file, bytes)| (file, bytes.0))
            .collect();
        let unreadable = |cause| GetError::ConfigMapFiles {
            config_map: config_map.clone(),
            cause,
        };
        let json =
            read_mapping_json(&data, &binary_data).map_err(|error| unreadable(error.into()))?;
        if json.is_some_and(|json| annotated.as_deref() != Some(&sha256_hex(json.as_bytes()))) {
            return Err(GetError::Changed(config_map));
        }
        files::read(&data, &binary_data).map_err(unreadable)
    }
}

/// Makes a call within its deadline. None: the object is not there.
async fn call<T>(
    action: impl Fn() -> String,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, GetError> {
    let unreachable = |message| GetError::Unreachable {
        action: action(),
        message,
    };
    let answer = tokio::time::timeout(CALL_TIMEOUT, request).await;
    let answer = answer
        .map_err(|_| unreachable(format!("no answer within {} s", CALL_TIMEOUT.as_secs())))?;
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 && status.reason == "NotFound" => {
            Ok(None)
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Err(GetError::NoKind),
        Err(kube::Error::Api(status)) => Err(GetError::Refused {
            action: action(),
            message: status.message.clone(),
        }),
        Err(error) => Err(unreachable(error_chain(&error))),
    }
}

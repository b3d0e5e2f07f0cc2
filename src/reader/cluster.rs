//! A cluster's published map, and a refresh of it on demand.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::time::Instant;

use super::files::{self, FilesError};
use super::get_error::GetError;
use super::refresh_request::RefreshRequest;
use super::{ModelMap, ProfileMapping};
use crate::api::conditions::READY;
use crate::api::{
    ANNOTATION_REQUESTED_AT, ANNOTATION_SHA256, AliasSpec, BedrockModelMap, BedrockModelMapStatus,
    LABEL_MANAGED_BY, LABEL_NAME, MANAGER, MappingStatus,
};
use crate::bedrock::aliases::AliasEntries;
use crate::digest::sha256_hex;
use crate::publication::content::{ALIASES_JSON, read_mapping_json};

/// The longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The time between two checks whether a refresh is acknowledged. A watch would need more rights
/// than `get` and `patch`.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How many ConfigMaps of aliases are read at a time.
const CONCURRENT_REQUESTS: usize = 8;

/// Whether a refresh comes before the reading.
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

/// Reads the map that the `BedrockModelMap` of this name has published, after a refresh with
/// [`RefreshMode::Force`]: [`MapReader`] in one call.
pub async fn get_model_profile_mapping(
    client: Client,
    namespace: &str,
    name: &str,
    refresh: RefreshMode,
) -> Result<ProfileMapping, GetError> {
    let reader = MapReader::new(client, namespace, name);
    match refresh {
        RefreshMode::None => reader.get().await,
        RefreshMode::Force { timeout } => reader.refresh(timeout).await,
    }
}

/// A reader of what one `BedrockModelMap` has published.
#[derive(Clone)]
pub struct MapReader {
    pub(super) resources: Api<BedrockModelMap>,
    config_maps: Api<ConfigMap>,
    namespace: String,
    pub(super) name: String,
}

impl MapReader {
    /// Makes a reader of the `BedrockModelMap` of this name.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            resources: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Reads the published map.
    ///
    /// Needs the right to `get` `bedrockmodelmaps` and `configmaps`.
    pub async fn get(&self) -> Result<ProfileMapping, GetError> {
        let resource = self.resource().await?;
        self.mapping_of(resource).await
    }

    /// Requests a refresh of every region, waits until the operator has acknowledged it, and reads
    /// the published map.
    ///
    /// The refresh begins after the call. Needs the right to `patch` `bedrockmodelmaps` besides
    /// those of [`get`](Self::get).
    pub async fn refresh(&self, timeout: Duration) -> Result<ProfileMapping, GetError> {
        let resource = self.refreshed(timeout).await?;
        self.mapping_of(resource).await
    }

    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    async fn resource(&self) -> Result<BedrockModelMap, GetError> {
        let action = || format!("read BedrockModelMap {}", self.full_name());
        request(action, self.resources.get(&self.name))
            .await?
            .ok_or_else(|| GetError::NoResource(self.full_name()))
    }

    /// The resource after a refresh that began after the call.
    async fn refreshed(&self, timeout: Duration) -> Result<BedrockModelMap, GetError> {
        let before = self.resource().await?;
        if before.spec.suspend {
            return Err(GetError::Suspended(self.full_name()));
        }
        // Another client that requests at the same moment is another process.
        let token = format!("{}-{}", Timestamp::now(), std::process::id());
        let refresh = RefreshRequest::new(token, &before);
        let patch = Patch::Merge(
            json!({"metadata": {"annotations": {ANNOTATION_REQUESTED_AT: refresh.token()}}}),
        );
        let params = PatchParams::default();
        let action = || format!("request a refresh of BedrockModelMap {}", self.full_name());
        request(action, self.resources.patch(&self.name, &params, &patch))
            .await?
            .ok_or_else(|| GetError::NoResource(self.full_name()))?;

        let deadline = Instant::now() + timeout;
        loop {
            let resource = self.resource().await?;
            if refresh.is_acknowledged(&resource) {
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

    async fn mapping_of(&self, resource: BedrockModelMap) -> Result<ProfileMapping, GetError> {
        let status = resource.status.clone().unwrap_or_default();
        let Some(mapping) = status.mapping.as_ref().filter(|m| !m.sha256.is_empty()) else {
            return Err(self.not_ready(&status));
        };
        let map = self.read(mapping).await?;
        Ok(ProfileMapping::new(map, &resource))
    }

    fn not_ready(&self, status: &BedrockModelMapStatus) -> GetError {
        let ready = status.conditions.iter().find(|c| c.type_ == READY);
        GetError::NotReady {
            name: self.full_name(),
            why: ready.map_or_else(
                || "it has no status; check that the operator runs".to_owned(),
                |ready| ready.message.clone(),
            ),
        }
    }

    pub(super) async fn read(&self, mapping: &MappingStatus) -> Result<ModelMap, GetError> {
        let (config_map, found) = self.config_map(&mapping.config_map).await?;
        let annotated = found.annotations().get(ANNOTATION_SHA256).cloned();
        let data = found.data.unwrap_or_default();
        let binary_data: BTreeMap<String, Vec<u8>> = found
            .binary_data
            .unwrap_or_default()
            .into_iter()
            .map(|(file, bytes)| (file, bytes.0))
            .collect();
        let unreadable = |source| GetError::Files {
            config_map: config_map.clone(),
            source,
        };
        let json =
            read_mapping_json(&data, &binary_data).map_err(|error| unreadable(error.into()))?;
        if json.is_some_and(|json| annotated.as_deref() != Some(&sha256_hex(json.as_bytes()))) {
            return Err(GetError::Changed(config_map));
        }
        files::read(&data, &binary_data).map_err(unreadable)
    }

    /// A ConfigMap of the resource, and its name with the namespace.
    async fn config_map(&self, name: &str) -> Result<(String, ConfigMap), GetError> {
        let config_map = format!("{}/{name}", self.namespace);
        let action = || format!("read ConfigMap {config_map}");
        let found = request(action, self.config_maps.get(name))
            .await?
            .ok_or_else(|| GetError::NoConfigMap(config_map.clone()))?;
        let label = |key| found.labels().get(key).map(String::as_str);
        if label(LABEL_NAME) != Some(&self.name) || label(LABEL_MANAGED_BY) != Some(MANAGER) {
            return Err(GetError::NotOurs {
                config_map,
                name: self.full_name(),
            });
        }
        Ok((config_map, found))
    }

    /// Reads what each alias stands for, in each region whose aliases are published.
    ///
    /// Needs the right to `get` `bedrockmodelmaps` and `configmaps`.
    pub async fn aliases(&self) -> Result<PublishedAliases, GetError> {
        let resource = self.resource().await?;
        let status = resource.status.unwrap_or_default();
        let config_maps = status.regions.iter().filter_map(|(region, status)| {
            let name = &status.aliases.as_ref()?.config_map;
            (!name.is_empty()).then_some((region, name))
        });
        let read = config_maps.map(async |(region, name)| {
            let entries = self.entries(name).await?;
            Ok::<_, GetError>((region.clone(), entries))
        });
        let regions = stream::iter(read).buffered(CONCURRENT_REQUESTS);
        Ok(PublishedAliases {
            regions: regions.try_collect().await?,
            specs: resource.spec.aliases,
            status,
        })
    }

    async fn entries(&self, name: &str) -> Result<AliasEntries, GetError> {
        let (config_map, found) = self.config_map(name).await?;
        let json = found.data.as_ref().and_then(|data| data.get(ALIASES_JSON));
        let parsed = match json {
            None => Err(FilesError::Missing(ALIASES_JSON)),
            Some(json)
                if found.annotations().get(ANNOTATION_SHA256)
                    != Some(&sha256_hex(json.as_bytes())) =>
            {
                return Err(GetError::Changed(config_map));
            }
            Some(json) => files::parse(ALIASES_JSON, json),
        };
        parsed.map_err(|source| GetError::Files { config_map, source })
    }
}

/// What a `BedrockModelMap` has published of its aliases.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PublishedAliases {
    /// What each alias stands for, by region.
    pub regions: BTreeMap<String, AliasEntries>,
    /// The aliases in the resource's spec.
    pub specs: Vec<AliasSpec>,
    /// The resource's status.
    pub status: BedrockModelMapStatus,
}

/// Sends a request, with a deadline. None: the object does not exist.
async fn request<T>(
    action: impl Fn() -> String,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, GetError> {
    let response = tokio::time::timeout(REQUEST_TIMEOUT, request)
        .await
        .map_err(|_| GetError::Unreachable {
            action: action(),
            source: format!("no response within {} s", REQUEST_TIMEOUT.as_secs()).into(),
        })?;
    match response {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 && status.reason == "NotFound" => {
            Ok(None)
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Err(GetError::NoKind),
        Err(kube::Error::Api(status)) => Err(GetError::Refused {
            action: action(),
            source: status,
        }),
        Err(error) => Err(GetError::Unreachable {
            action: action(),
            source: error.into(),
        }),
    }
}

//! The lower bound: a client that only writes what the operator writes.

use std::time::{Duration, Instant};

use bedrock_model_map::api::{BedrockModelMap, BedrockModelMapStatus, LABEL_NAME};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::resources::{Resources, name, namespace_of};

/// Writes in flight: as many as the operator's render budget has permits.
pub const AT_ONCE: usize = 16;

/// What the operator wrote of one resource.
pub struct Written {
    config_maps: Vec<ConfigMap>,
    status: BedrockModelMapStatus,
}

impl Written {
    /// Of the first resource.
    pub async fn read(resources: &Resources, client: &Client) -> Result<Self, Error> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace_of(0));
        let labels = format!("{LABEL_NAME}={}", name(0));
        let list = api.list(&ListParams::default().labels(&labels)).await?;
        let resource = resources.api(0).get(&name(0)).await?;
        Ok(Self {
            config_maps: list.items,
            status: resource.status.unwrap_or_default(),
        })
    }

    pub fn config_maps(&self) -> usize {
        self.config_maps.len()
    }

    /// Writes the same for all resources of the cluster, which have nothing yet.
    pub async fn write(&self, client: &Client) -> Result<Duration, Error> {
        let api: Api<BedrockModelMap> = Api::all(client.clone());
        let resources = api.list(&ListParams::default()).await?;
        let permits = Semaphore::new(AT_ONCE);
        let started = Instant::now();
        stream::iter(resources.into_iter().map(Ok))
            .try_for_each_concurrent(4 * AT_ONCE, |resource| {
                self.write_one(resource, client, &permits)
            })
            .await?;
        Ok(started.elapsed())
    }

    /// The announcement, all `ConfigMaps` at once, and the result.
    async fn write_one(
        &self,
        mut resource: BedrockModelMap,
        client: &Client,
        permits: &Semaphore,
    ) -> Result<(), Error> {
        let namespace = resource.namespace().unwrap_or_default();
        let api: Api<BedrockModelMap> = Api::namespaced(client.clone(), &namespace);
        let announcement = BedrockModelMapStatus {
            conditions: self.status.conditions.clone(),
            ..BedrockModelMapStatus::default()
        };
        resource = put_status(&api, resource, announcement, permits).await?;
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        let created = self.config_maps.iter().map(|template| async {
            let _permit = permits.acquire().await;
            let wanted = copy(template, &resource);
            config_maps.create(&PostParams::default(), &wanted).await
        });
        stream::iter(created)
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        put_status(&api, resource, self.status.clone(), permits).await?;
        Ok(())
    }
}

async fn put_status(
    api: &Api<BedrockModelMap>,
    mut resource: BedrockModelMap,
    status: BedrockModelMapStatus,
    permits: &Semaphore,
) -> Result<BedrockModelMap, kube::Error> {
    let _permit = permits.acquire().await;
    resource.status = Some(status);
    let name = resource.name_any();
    api.replace_status(&name, &PostParams::default(), &resource)
        .await
}

/// The `ConfigMap` of another resource, with the same bytes.
fn copy(template: &ConfigMap, owner: &BedrockModelMap) -> ConfigMap {
    let rename = |text: &str| text.replacen(&name(0), &owner.name_any(), 1);
    let mut labels = template.labels().clone();
    labels.insert(LABEL_NAME.to_owned(), owner.name_any());
    let metadata = ObjectMeta {
        name: Some(rename(&template.name_any())),
        labels: Some(labels),
        annotations: template.metadata.annotations.clone(),
        owner_references: owner.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    ConfigMap {
        metadata,
        data: template.data.clone(),
        binary_data: template.binary_data.clone(),
        immutable: None,
    }
}

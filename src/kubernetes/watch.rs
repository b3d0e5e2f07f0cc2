//! Watches of resources and their `ConfigMaps`, in one namespace or in all.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{DeserializeGuard, NamespaceResourceScope, ObjectMeta, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use super::config_map_index::ConfigMapIndex;
use super::lists::Lists;
use super::own_writes::OwnWrites;
use super::relisting_watcher::relisting_watcher;
use super::status::strip;
use super::unreadable::{Unreadable, unspecified};
use super::watch_errors::{Purpose, report};
use crate::api::{
    ANNOTATION_REQUESTED_AT, BedrockModelMap, KIND, LABEL_CONTENT, LABEL_MANAGED_BY, LABEL_NAME,
    MANAGER,
};
use crate::ops::readiness::Readiness;

/// Objects in a list response. An object may be as large as etcd permits.
const PAGE_SIZE: u32 = 100;

/// Owner references kept of a `ConfigMap`: its controller, and our resource if it is not that.
const MAX_OWNER_REFERENCES: usize = 8;

/// Scope of a watch.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// `None`: all namespaces.
    pub(super) namespace: Option<String>,
    /// Label selector of the resources. A resource that stops matching counts as deleted; its
    /// `ConfigMaps` stay.
    pub(super) selector: Option<String>,
}

/// Streams of changes and stores of one scope.
pub(super) struct Watch {
    pub(super) changed: BoxStream<'static, watcher::Result<BedrockModelMap>>,
    pub(super) resources: Store<BedrockModelMap>,
    pub(super) owned: BoxStream<'static, watcher::Result<PartialObjectMeta<ConfigMap>>>,
    /// Metadata of the `ConfigMaps` with the operator's labels.
    pub(super) config_maps: Store<PartialObjectMeta<ConfigMap>>,
    pub(super) config_map_index: Arc<ConfigMapIndex>,
    pub(super) lists: Lists,
}

impl Scope {
    /// Creates a watch, which starts when its streams are polled.
    pub(super) fn watch(
        &self,
        client: &Client,
        readiness: &Readiness,
        own_writes: &Arc<OwnWrites>,
    ) -> Watch {
        let [config_maps_list, resources_list] = self.lists();
        let (config_maps, writer) = reflector::store();
        let labels = format!("{LABEL_MANAGED_BY}={MANAGER},{LABEL_NAME}");
        let config = watcher::Config::default()
            .labels(&labels)
            .page_size(PAGE_SIZE);
        let config_map_index = Arc::<ConfigMapIndex>::default();
        let index = Arc::clone(&config_map_index);
        let lists = Lists::default();
        let api = self.api::<PartialObjectMeta<ConfigMap>>(client);
        let owned = relisting_watcher(api, config, &lists)
            .inspect(report("ConfigMaps", Purpose::Resources))
            .default_backoff()
            .modify(strip_config_map)
            .inspect(distrust_order_on_relist(own_writes))
            .reflect(writer)
            .inspect(move |event| {
                if let Ok(event) = event {
                    index.apply(event);
                }
            })
            .inspect(listed(readiness, config_maps_list))
            .inspect(lists.follow())
            .touched_objects()
            .boxed();
        let (resources, writer) = reflector::store();
        let config = watcher::Config {
            label_selector: self.selector.clone(),
            ..watcher::Config::default().page_size(PAGE_SIZE)
        };
        let mut unreadable = Unreadable::new(unspecified);
        let recalled_by = Arc::clone(own_writes);
        let changed = relisting_watcher(
            self.api::<DeserializeGuard<BedrockModelMap>>(client),
            config,
            &lists,
        )
        .inspect(report(
            "bedrockmodelmaps.bedrock.modelmap.dev",
            Purpose::Resources,
        ))
        .map(move |event| event.map(|event| unreadable.removed(event)))
        .default_backoff()
        .modify(move |resource| {
            recalled_by.recall(resource);
            strip_resource(resource);
        })
        .inspect(distrust_order_on_relist(own_writes))
        .reflect(writer)
        .inspect(listed(readiness, resources_list))
        .inspect(lists.follow())
        .touched_objects()
        .boxed();
        Watch {
            changed,
            resources,
            owned,
            config_maps,
            config_map_index,
            lists,
        }
    }

    /// Names of the initial lists, for `/readyz`.
    pub(super) fn lists(&self) -> [String; 2] {
        ["ConfigMaps", "BedrockModelMaps"].map(|what| format!("the list of {what} in {self}"))
    }

    fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "namespace {namespace}"),
            None => f.write_str("all namespaces"),
        }
    }
}

/// Stores of several watches.
#[derive(Clone)]
pub(super) struct Stores<K: kube::Resource<DynamicType = ()> + 'static>(Vec<Store<K>>);

impl<K: kube::Resource<DynamicType = ()> + Clone + 'static> Stores<K> {
    pub(super) fn get(&self, object: &ObjectRef<K>) -> Option<Arc<K>> {
        self.0.iter().find_map(|store| store.get(object))
    }

    /// All objects.
    pub(super) fn state(&self) -> Vec<Arc<K>> {
        self.0.iter().flat_map(Store::state).collect()
    }
}

impl<K: kube::Resource<DynamicType = ()> + 'static> FromIterator<Store<K>> for Stores<K> {
    fn from_iter<I: IntoIterator<Item = Store<K>>>(stores: I) -> Self {
        Self(stores.into_iter().collect())
    }
}

/// Marks the initial list as complete.
fn listed<K>(
    readiness: &Readiness,
    list: String,
) -> impl FnMut(&watcher::Result<watcher::Event<K>>) + use<K> {
    let readiness = readiness.clone();
    move |event| {
        if let Ok(watcher::Event::InitDone) = event {
            readiness.complete(&list);
        }
    }
}

/// Distrusts the order of versions at a relist: it may show a restored etcd, whose versions are older.
fn distrust_order_on_relist<K>(
    own_writes: &Arc<OwnWrites>,
) -> impl FnMut(&watcher::Result<watcher::Event<K>>) + use<K> {
    let own_writes = Arc::clone(own_writes);
    move |event| {
        if let Ok(watcher::Event::Init) = event {
            own_writes.require_exact_versions();
        }
    }
}

/// Reduces a `ConfigMap` to the metadata that decisions use. Anybody may create objects with the
/// operator's labels and hundreds of kilobytes of annotations.
fn strip_config_map(config_map: &mut PartialObjectMeta<ConfigMap>) {
    let metadata = std::mem::take(&mut config_map.metadata);
    config_map.metadata = ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        deletion_timestamp: metadata.deletion_timestamp,
        labels: metadata.labels.map(|mut labels| {
            labels.retain(|key, _| {
                [LABEL_MANAGED_BY, LABEL_NAME, LABEL_CONTENT].contains(&key.as_str())
            });
            labels
        }),
        owner_references: metadata.owner_references.map(|mut references| {
            references
                .retain(|reference| reference.controller == Some(true) || reference.kind == KIND);
            references.truncate(MAX_OWNER_REFERENCES);
            references
        }),
        ..ObjectMeta::default()
    };
}

/// Reduces a resource to the metadata, spec and status that decisions use.
fn strip_resource(resource: &mut BedrockModelMap) {
    strip(resource);
    let metadata = &mut resource.metadata;
    metadata.labels = None;
    metadata.finalizers = None;
    metadata.owner_references = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.retain(|key, _| key == ANNOTATION_REQUESTED_AT);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn stripped_objects_keep_only_used_metadata() {
        let bulk = "x".repeat(200_000);
        let mut config_map: PartialObjectMeta<ConfigMap> = serde_json::from_value(json!({
            "metadata": {
                "name": "claude-us-east-1", "namespace": "team-a", "uid": "c", "resourceVersion": "1",
                "annotations": {"note": bulk},
                "labels": {LABEL_NAME: "claude", LABEL_MANAGED_BY: MANAGER, "note": "x"},
                "finalizers": ["example.com/keep"],
            },
        }))
        .unwrap();
        strip_config_map(&mut config_map);
        let metadata: Value = serde_json::to_value(&config_map.metadata).unwrap();
        let expected = json!({
            "name": "claude-us-east-1", "namespace": "team-a", "uid": "c", "resourceVersion": "1",
            "labels": {LABEL_NAME: "claude", LABEL_MANAGED_BY: MANAGER},
        });
        assert_eq!(metadata, expected);

        let mut resource = unspecified(ObjectMeta::default());
        resource.metadata.annotations = Some(
            [(ANNOTATION_REQUESTED_AT, "now"), ("note", &bulk)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        );
        strip_resource(&mut resource);
        let annotations = resource.metadata.annotations.unwrap();
        assert_eq!(
            annotations.keys().collect::<Vec<_>>(),
            [ANNOTATION_REQUESTED_AT]
        );
    }
}

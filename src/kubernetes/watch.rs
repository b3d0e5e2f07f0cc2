//! Watches of resources and their `ConfigMaps`, in one namespace or in all.

use std::fmt;
use std::mem;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use super::forced_refreshes::ForcedRefreshes;
use super::lists::Lists;
use super::own_writes::OwnWrites;
use super::relisting_watcher::relisting_watcher;
use super::status::strip;
use super::unreadable::{Unreadable, unspecified};
use super::watch_errors::{Purpose, report};
use super::watched_config_maps::WatchedConfigMaps;
use crate::api::{ANNOTATION_REQUESTED_AT, BedrockModelMap, LABEL_MANAGED_BY, LABEL_NAME, MANAGER};
use crate::ops::readiness::Readiness;
use crate::publication::kept_metadata::kept_metadata;

/// Objects in a list response. An object may be as large as etcd permits.
const PAGE_SIZE: u32 = 100;

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
    pub(super) config_maps: Arc<WatchedConfigMaps>,
    pub(super) lists: Lists,
}

impl Scope {
    /// Creates a watch, which starts when its streams are polled.
    pub(super) fn watch(
        &self,
        client: &Client,
        readiness: &Readiness,
        own_writes: &Arc<OwnWrites>,
        forced_refreshes: &Arc<ForcedRefreshes>,
    ) -> Watch {
        let [config_maps_list, resources_list] = self.lists();
        let labels = format!("{LABEL_MANAGED_BY}={MANAGER},{LABEL_NAME}");
        let config = watcher::Config::default()
            .labels(&labels)
            .page_size(PAGE_SIZE);
        let config_maps = Arc::<WatchedConfigMaps>::default();
        let watched = Arc::clone(&config_maps);
        let lists = Lists::default();
        let api = self.api::<PartialObjectMeta<ConfigMap>>(client);
        let owned = relisting_watcher(api, config, &lists)
            .inspect(report("ConfigMaps", Purpose::Resources))
            .default_backoff()
            .modify(|config_map| {
                config_map.metadata = kept_metadata(mem::take(&mut config_map.metadata));
            })
            .inspect(distrust_order_on_relist(own_writes))
            .inspect(move |event| {
                if let Ok(event) = event {
                    watched.apply(event);
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
        let (recalled_by, shown_to) = (Arc::clone(own_writes), Arc::clone(own_writes));
        let requests = Arc::clone(forced_refreshes);
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
        .inspect(move |event| match event {
            // After the store has it: from then on the store is as new as the last own write.
            Ok(watcher::Event::Apply(resource)) => {
                shown_to.shown(resource);
                requests.follow(resource, Timestamp::now());
            }
            Ok(watcher::Event::InitApply(resource)) => requests.follow(resource, Timestamp::now()),
            Ok(_) | Err(_) => {}
        })
        .inspect(listed(readiness, resources_list))
        .inspect(lists.follow())
        .touched_objects()
        .boxed();
        Watch {
            changed,
            resources,
            owned,
            config_maps,
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
    use kube::core::ObjectMeta;

    use super::*;

    #[test]
    fn stripped_resource_keeps_only_used_annotation() {
        let bulk = "x".repeat(200_000);
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

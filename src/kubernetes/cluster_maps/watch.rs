//! Watches of cluster maps, namespaces and children.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::{DeserializeGuard, ObjectMeta, PartialObjectMeta};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use crate::api::{
    BedrockModelMap, BedrockModelMapStatus, ClusterBedrockModelMap, ClusterBedrockModelMapSpec,
    LABEL_CLUSTER_MAP,
};
use crate::kubernetes::lists::Lists;
use crate::kubernetes::relisting_watcher::relisting_watcher;
use crate::kubernetes::unreadable::{Unreadable, unspecified};
use crate::kubernetes::watch_errors::{Purpose, report};

/// Objects in a list response.
const PAGE_SIZE: u32 = 100;

pub(super) struct Watch {
    pub(super) changed: BoxStream<'static, watcher::Result<ClusterBedrockModelMap>>,
    pub(super) maps: Store<ClusterBedrockModelMap>,
    pub(super) namespaces_changed:
        BoxStream<'static, watcher::Result<PartialObjectMeta<Namespace>>>,
    pub(super) namespaces: Store<PartialObjectMeta<Namespace>>,
    pub(super) children_changed: BoxStream<'static, watcher::Result<BedrockModelMap>>,
    /// All objects with the label of a child, also foreign ones.
    pub(super) children: Store<BedrockModelMap>,
    pub(super) lists: Lists,
}

/// Creates the watches, which start when their streams are polled. The selector is that of the cluster
/// maps; children are watched with any labels.
pub(super) fn watch(client: &Client, selector: Option<String>) -> Watch {
    let lists = Lists::default();
    let config = || watcher::Config::default().page_size(PAGE_SIZE);
    let (maps, writer) = reflector::store();
    let maps_config = watcher::Config {
        label_selector: selector,
        ..config()
    };
    let api = Api::<DeserializeGuard<ClusterBedrockModelMap>>::all(client.clone());
    let mut unreadable = Unreadable::new(map_stub);
    let changed = relisting_watcher(api, maps_config, &lists)
        .inspect(report(
            "clusterbedrockmodelmaps.bedrock.modelmap.dev",
            Purpose::ClusterMaps,
        ))
        .map(move |event| event.map(|event| unreadable.removed(event)))
        .default_backoff()
        .modify(|map| map.metadata.managed_fields = None)
        .reflect(writer)
        .inspect(lists.follow())
        .touched_objects()
        .boxed();
    let (namespaces, writer) = reflector::store();
    let api = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let namespaces_changed = relisting_watcher(api, config(), &lists)
        .inspect(report("Namespaces", Purpose::ClusterMaps))
        .default_backoff()
        .modify(strip_namespace)
        .reflect(writer)
        .inspect(lists.follow())
        .touched_objects()
        .boxed();
    let (children, writer) = reflector::store();
    let api = Api::<DeserializeGuard<BedrockModelMap>>::all(client.clone());
    let mut unreadable = Unreadable::new(unspecified);
    let children_changed = relisting_watcher(api, config().labels(LABEL_CLUSTER_MAP), &lists)
        .inspect(report("BedrockModelMaps", Purpose::ClusterMaps))
        .map(move |event| event.map(|event| unreadable.removed(event)))
        .default_backoff()
        .modify(strip_child)
        .reflect(writer)
        .inspect(lists.follow())
        .touched_objects()
        .boxed();
    Watch {
        changed,
        maps,
        namespaces_changed,
        namespaces,
        children_changed,
        children,
        lists,
    }
}

/// A cluster map with this metadata only.
fn map_stub(metadata: ObjectMeta) -> ClusterBedrockModelMap {
    ClusterBedrockModelMap {
        metadata,
        spec: ClusterBedrockModelMapSpec::default(),
        status: None,
    }
}

/// Reduces a namespace to name, labels and deletion.
fn strip_namespace(namespace: &mut PartialObjectMeta<Namespace>) {
    let metadata = std::mem::take(&mut namespace.metadata);
    namespace.metadata = ObjectMeta {
        name: metadata.name,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        deletion_timestamp: metadata.deletion_timestamp,
        labels: metadata.labels,
        ..ObjectMeta::default()
    };
}

/// Reduces a child to what decides: of its status, the conditions. Anybody may add hundreds of kilobytes
/// of annotations to it; a template's are smaller.
fn strip_child(child: &mut BedrockModelMap) {
    const MAX_BYTES: usize = 160 * 1024;
    let size = |map: &BTreeMap<String, String>| -> usize {
        map.iter().map(|(key, value)| key.len() + value.len()).sum()
    };
    child.metadata.managed_fields = None;
    child.metadata.finalizers = None;
    if child
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|a| size(a) > MAX_BYTES)
    {
        child.metadata.annotations = None;
    }
    child.status = child.status.take().map(|status| BedrockModelMapStatus {
        observed_generation: status.observed_generation,
        conditions: status.conditions,
        last_handled_refresh_request: status.last_handled_refresh_request,
        ..BedrockModelMapStatus::default()
    });
}

//! The watches: resources and their `ConfigMaps`, in one namespace or in all.

use std::fmt;
use std::future::ready;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource as _};

use super::request::explained;
use super::status::strip;
use crate::api::{BedrockModelMap, GROUP, KIND, LABEL_MANAGED_BY, LABEL_NAME, MANAGER};
use crate::ops::readiness::Readiness;

/// What is watched.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Only this namespace; None: all.
    pub(super) namespace: Option<String>,
    /// Only resources with such labels. One that loses them is gone to us, and nothing becomes of
    /// it. Of the `ConfigMaps` all are seen that are a resource's.
    pub(super) selector: Option<String>,
}

/// A watch: what changes, one after the other, and what there is.
pub(super) struct Watch {
    pub(super) scope: Scope,
    pub(super) changed: BoxStream<'static, watcher::Result<BedrockModelMap>>,
    pub(super) resources: Store<BedrockModelMap>,
    pub(super) owned: BoxStream<'static, watcher::Result<PartialObjectMeta<ConfigMap>>>,
    /// Metadata of those that carry our labels.
    pub(super) config_maps: Store<PartialObjectMeta<ConfigMap>>,
}

impl Scope {
    /// Begins to watch once the streams are polled.
    pub(super) fn watch(&self, client: &Client, readiness: &Readiness) -> Watch {
        let [config_maps_list, resources_list] = self.lists();
        let (config_maps, writer) = reflector::store();
        let labels = format!("{LABEL_MANAGED_BY}={MANAGER},{LABEL_NAME}");
        let config = watcher::Config::default().labels(&labels);
        let owned = watcher(self.api::<PartialObjectMeta<ConfigMap>>(client), config)
            .inspect(|event| report("ConfigMaps", event.as_ref().err()))
            .default_backoff()
            .modify(|config_map| config_map.metadata.managed_fields = None)
            .reflect(writer)
            .inspect(listed(readiness, config_maps_list))
            .touched_objects()
            .boxed();
        let (resources, writer) = reflector::store();
        let config = watcher::Config {
            label_selector: self.selector.clone(),
            ..watcher::Config::default()
        };
        let changed = watcher(
            self.api::<DeserializeGuard<BedrockModelMap>>(client),
            config,
        )
        .inspect(|event| report("BedrockModelMaps", event.as_ref().err()))
        .filter_map(|event| ready(event.map(readable).transpose()))
        .default_backoff()
        .modify(strip)
        .reflect(writer)
        .inspect(listed(readiness, resources_list))
        .touched_objects()
        .boxed();
        Watch {
            scope: self.clone(),
            changed,
            resources,
            owned,
            config_maps,
        }
    }

    /// What is awaited before there is anything to work with.
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

/// What several watches see, as one.
#[derive(Clone)]
pub(super) struct Stores<K: kube::Resource<DynamicType = ()> + 'static>(Vec<Store<K>>);

impl<K: kube::Resource<DynamicType = ()> + Clone + 'static> Stores<K> {
    /// The object, if one of them sees it.
    pub(super) fn get(&self, object: &ObjectRef<K>) -> Option<Arc<K>> {
        self.0.iter().find_map(|store| store.get(object))
    }

    /// All objects.
    pub(super) fn state(&self) -> Vec<Arc<K>> {
        self.state_filter(|_| true)
    }

    /// All objects for which that holds.
    pub(super) fn state_filter(&self, holds: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let each = self.0.iter().map(|store| store.state_filter(&holds));
        each.flatten().collect()
    }
}

impl<K: kube::Resource<DynamicType = ()> + 'static> FromIterator<Store<K>> for Stores<K> {
    fn from_iter<I: IntoIterator<Item = Store<K>>>(stores: I) -> Self {
        Self(stores.into_iter().collect())
    }
}

/// Tells when the first list of a watch is complete.
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

/// Leaves out a resource that cannot be read, and says so: the others go on.
fn readable(
    event: watcher::Event<DeserializeGuard<BedrockModelMap>>,
) -> Option<watcher::Event<BedrockModelMap>> {
    let read = |guard: DeserializeGuard<BedrockModelMap>| match guard.0 {
        Ok(resource) => Some(resource),
        Err(invalid) => {
            let namespace = invalid.metadata.namespace.unwrap_or_default();
            let name = invalid.metadata.name.unwrap_or_default();
            tracing::warn!(
                namespace,
                name,
                "{KIND} cannot be read and is left alone: {}; is the CRD that of this version?",
                invalid.error
            );
            None
        }
    };
    Some(match event {
        watcher::Event::Apply(guard) => watcher::Event::Apply(read(guard)?),
        watcher::Event::InitApply(guard) => watcher::Event::InitApply(read(guard)?),
        watcher::Event::Delete(guard) => watcher::Event::Delete(read(guard)?),
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitDone => watcher::Event::InitDone,
    })
}

/// Says in one line why a watch does not work, and what to do; it is tried again.
fn report(what: &str, error: Option<&watcher::Error>) {
    let Some(error) = error else { return };
    let cause = match error {
        watcher::Error::InitialListFailed(e)
        | watcher::Error::WatchStartFailed(e)
        | watcher::Error::WatchFailed(e) => e,
        watcher::Error::WatchError(status) => {
            // An expired resource version: the watch begins anew, as it should.
            tracing::debug!("watching {what}: {}", status.message);
            return;
        }
        watcher::Error::NoResourceVersion => {
            tracing::warn!("cannot watch {what}: {error}; trying again");
            return;
        }
    };
    let code = match cause {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    let (plural, cause) = (BedrockModelMap::plural(&()), explained(cause));
    match code {
        404 => tracing::error!(
            "cannot watch {what}: the CustomResourceDefinition {plural}.{} is not installed; install it (bedrock-model-map crd | kubectl apply -f -); trying again",
            GROUP
        ),
        401 | 403 => tracing::error!(
            "cannot watch {what}: {cause}; give the operator's service account this right; trying again"
        ),
        _ => tracing::warn!("cannot watch {what}: {cause}; trying again"),
    }
}

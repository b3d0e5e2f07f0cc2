//! Watches resources and their `ConfigMaps`, and has each resource looked at when something changed
//! or its time has come.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _, Shared};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{Config, Error as ControllerError};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tokio::time::sleep;
use tracing::Instrument as _;

use super::call::explained;
use super::events::EventWriter;
use super::metrics::ResourceCollector;
use super::reconcile::{Context, ReconcileError, reconcile, retry};
use super::status::strip;
use crate::api::{BedrockModelMap, KIND, LABEL_MANAGED_BY, LABEL_NAME, MANAGER};
use crate::aws::Snapshots;
use crate::ops::metrics::Metrics;
use crate::ops::readiness::Readiness;

/// Resources looked at at once. A look holds next to nothing while it waits for AWS.
const CONCURRENT_LOOKS: u16 = 64;

/// How long looks under way may go on once the operator is to stop. They can be cut short at any
/// point: the next start goes on from what is in the cluster.
const DRAIN: Duration = Duration::from_secs(5);

/// What the operator watches.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this namespace; None: all.
    pub namespace: Option<String>,
}

const CONFIG_MAPS: &str = "the list of ConfigMaps";
const RESOURCES: &str = "the list of BedrockModelMaps";

/// Runs the operator until `stop` is ready, then gives the looks under way a moment to come to
/// their end.
pub async fn run(
    client: Client,
    snapshots: Snapshots,
    options: Options,
    readiness: Readiness,
    metrics: Metrics,
    stop: Shared<impl Future<Output = ()> + Send + Sync + 'static>,
) {
    readiness.awaits([CONFIG_MAPS, RESOURCES].map(str::to_owned));
    let (config_maps, config_maps_writer) = reflector::store();
    let owned = watcher(
        api::<PartialObjectMeta<ConfigMap>>(&client, &options),
        watcher::Config::default().labels(&format!("{LABEL_MANAGED_BY}={MANAGER},{LABEL_NAME}")),
    )
    .inspect(|event| report("ConfigMaps", event.as_ref().err()))
    .default_backoff()
    .modify(|config_map| config_map.metadata.managed_fields = None)
    .reflect(config_maps_writer)
    .inspect(listed(&readiness, CONFIG_MAPS))
    .touched_objects();

    let (resources, resources_writer) = reflector::store();
    let guarded = watcher(
        api::<DeserializeGuard<BedrockModelMap>>(&client, &options),
        watcher::Config::default(),
    )
    .inspect(|event| report("BedrockModelMaps", event.as_ref().err()))
    .filter_map(|event| ready(event.map(readable).transpose()))
    .default_backoff()
    .modify(strip)
    .reflect(resources_writer)
    .inspect(listed(&readiness, RESOURCES))
    .touched_objects();

    let config_maps_known = known(config_maps.clone());

    let context = Arc::new(Context {
        events: EventWriter::new(client.clone()),
        client,
        snapshots,
        ledger: Arc::default(),
        metrics,
        config_maps,
    });
    context.metrics.leads();
    context.metrics.collect(Box::new(ResourceCollector {
        resources: resources.clone(),
        ledger: Arc::clone(&context.ledger),
        by_region: context.metrics.by_region(),
    }));
    let late = async {
        stop.clone().await;
        sleep(DRAIN).await;
    };
    let looks = Controller::for_stream(guarded, resources.clone())
        .watches_stream(owned, |config_map| owners(&config_map))
        .with_config(Config::default().concurrency(CONCURRENT_LOOKS))
        .graceful_shutdown_on(stop.clone())
        .run(
            move |resource, context| look(resource, context, config_maps_known.clone()),
            |resource, _, context| retry(&resource, &context),
            Arc::clone(&context),
        )
        .for_each(|result| {
            match result {
                Err(ControllerError::ReconcilerFailed(error, _)) => tracing::warn!("{error}"),
                // The resource is gone: what is remembered of it goes too.
                Err(ControllerError::ObjectNotFound(_)) => {
                    let there = resources.state();
                    context
                        .ledger
                        .retain(|uid| there.iter().any(|r| r.uid().as_deref() == Some(uid)));
                }
                // The watches report their own errors.
                Err(_) | Ok(_) => {}
            }
            ready(())
        });
    tokio::select! {
        () = looks => {}
        () = late => tracing::warn!("looks still under way are cut short"),
    }
}

/// Tells when the first list of a watch is complete.
fn listed<K>(
    readiness: &Readiness,
    list: &'static str,
) -> impl FnMut(&watcher::Result<watcher::Event<K>>) + use<K> {
    let readiness = readiness.clone();
    move |event| {
        if let Ok(watcher::Event::InitDone) = event {
            readiness.has(list);
        }
    }
}

/// Ready once it is known which `ConfigMaps` there are. Of several tasks that await the store itself, only one is
/// woken.
fn known(
    config_maps: reflector::Store<PartialObjectMeta<ConfigMap>>,
) -> Shared<BoxFuture<'static, ()>> {
    // The watch is dropped only when the process ends.
    async move { config_maps.wait_until_ready().await.unwrap_or(()) }
        .boxed()
        .shared()
}

/// Looks at a resource once it is known which `ConfigMaps` there are.
async fn look(
    resource: Arc<BedrockModelMap>,
    context: Arc<Context>,
    config_maps_known: Shared<BoxFuture<'static, ()>>,
) -> Result<kube::runtime::controller::Action, ReconcileError> {
    let span = tracing::info_span!(
        "look",
        namespace = resource.namespace().unwrap_or_default(),
        // The key `name` is the span's own.
        resource = resource.name_any()
    );
    config_maps_known.await;
    reconcile(resource, context).instrument(span).await
}

fn api<K>(client: &Client, options: &Options) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match &options.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The resources that a `ConfigMap` concerns: the one its label names, and the one that owns it,
/// which are two when someone changed the label.
fn owners(config_map: &PartialObjectMeta<ConfigMap>) -> Vec<ObjectRef<BedrockModelMap>> {
    let namespace = config_map.namespace().unwrap_or_default();
    let labelled = config_map.labels().get(LABEL_NAME).cloned();
    let references = config_map.owner_references().iter();
    let owning = references
        .filter(|r| r.kind == KIND)
        .map(|r| r.name.clone());
    let mut names: Vec<String> = labelled.into_iter().chain(owning).collect();
    names.dedup();
    names
        .iter()
        .map(|name| ObjectRef::new(name).within(&namespace))
        .collect()
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
            crate::api::GROUP
        ),
        401 | 403 => tracing::error!(
            "cannot watch {what}: {cause}; give the operator's service account this right; trying again"
        ),
        _ => tracing::warn!("cannot watch {what}: {cause}; trying again"),
    }
}

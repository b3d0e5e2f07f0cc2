//! Controller: reconciles each resource when it, or one of its `ConfigMaps`, changes or is due.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::{FutureExt as _, Shared};
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt as _};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::Instrument as _;

use super::cluster_maps;
use super::content_cache::ContentCache;
use super::context::Context;
use super::cpu::CpuWork;
use super::definition_skew::DefinitionSkew;
use super::effects::reconcile;
use super::events::EventWriter;
use super::fair_queue::FairSemaphore;
use super::forced_refreshes::ForcedRefreshes;
use super::lists::Lists;
use super::own_writes::OwnWrites;
use super::panics::catch_panic;
use super::progress::Progress;
use super::reconcile_error::ReconcileError;
use super::render_budget::RenderBudget;
use super::resource_metrics::ResourceCollector;
use super::shared_values::SharedValues;
use super::watch::{Scope, Watch};
use crate::api::{BedrockModelMap, KIND, LABEL_NAME};
use crate::aws::SnapshotCache;
use crate::aws::role_rules::RoleRules;
use crate::ops::admin::Health;
use crate::ops::metrics::Metrics;
use crate::ops::watchdog::Watchdog;

/// Reconciliations that use the CPU and the Kubernetes API at the same time. One that waits for AWS
/// does not count.
const CONCURRENT_RECONCILES: u32 = 64;

/// kube-runtime starts each due reconciliation at once: under a limit it would choose the next one
/// from a hash set, which starves some resources. The order is that of the [`FairSemaphore`].
const UNLIMITED: u16 = 0;

/// Time for reconciliations in progress to finish after `stop`. They may be aborted at any point: the
/// next start resumes from cluster state.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time that blocked worker threads may delay a task.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_mins(1);

/// Scope and rights of the operator.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// Label selector of the resources.
    pub selector: Option<String>,
    /// Roles that resources may assume, by namespace.
    pub roles: RoleRules,
    /// Whether cluster maps are reconciled.
    pub cluster_maps: bool,
    /// Time without progress after which a reconciliation counts as stuck.
    pub stuck_after: Duration,
}

impl Options {
    fn scopes(&self) -> Vec<Scope> {
        let scope = |namespace| Scope {
            namespace,
            selector: self.selector.clone(),
        };
        match self.namespaces.as_slice() {
            [] => vec![scope(None)],
            namespaces => namespaces.iter().cloned().map(Some).map(scope).collect(),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespaces.as_slice() {
            [] => f.write_str("all namespaces")?,
            namespaces => write!(f, "namespaces {}", namespaces.join(","))?,
        }
        match &self.selector {
            Some(selector) => write!(f, ", resources with {selector}"),
            None => Ok(()),
        }
    }
}

/// The operator: one controller for each watched scope.
pub struct Operator {
    client: Client,
    snapshots: SnapshotCache,
    options: Options,
    health: Health,
    metrics: Metrics,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Operator {
    /// An operator that does not run yet.
    pub fn new(
        client: Client,
        snapshots: SnapshotCache,
        options: Options,
        health: Health,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            snapshots,
            options,
            health,
            metrics,
        }
    }

    /// Runs until `stop` completes, then gives reconciliations in progress time to finish.
    pub async fn run(self, stop: Shared<impl Future<Output = ()> + Send + Sync + 'static>) {
        let Self {
            client,
            snapshots,
            options,
            health,
            metrics,
        } = self;
        let scopes = options.scopes();
        health
            .readiness
            .set_pending(scopes.iter().flat_map(Scope::lists));
        let own_writes = Arc::<OwnWrites>::default();
        let forced_refreshes = Arc::<ForcedRefreshes>::default();
        let watches: Vec<Watch> = scopes
            .iter()
            .map(|scope| scope.watch(&client, &health.readiness, &own_writes, &forced_refreshes))
            .collect();
        let context = Arc::new(Context {
            events: EventWriter::new(client.clone()),
            slots: FairSemaphore::new(CONCURRENT_RECONCILES),
            render_budget: RenderBudget::default(),
            cpu: CpuWork::on(&Handle::current()),
            contents: ContentCache::default(),
            models_json: SharedValues::default(),
            lifecycles: SharedValues::default(),
            forced_refreshes,
            progress: Progress::new(health.watchdog.clone(), options.stuck_after),
            definition_skew: DefinitionSkew::default(),
            client,
            snapshots,
            roles: options.roles,
            own_writes,
            metrics,
            resources: watches
                .iter()
                .map(|watch| watch.resources.clone())
                .collect(),
            config_maps: watches
                .iter()
                .map(|watch| Arc::clone(&watch.config_maps))
                .collect(),
        });
        context.metrics.set_leader();
        context
            .metrics
            .register_collector(Box::new(ResourceCollector {
                resources: context.resources.clone(),
                own_writes: Arc::clone(&context.own_writes),
                by_region: context.metrics.by_region(),
            }));
        let mut controllers: FuturesUnordered<_> = watches
            .into_iter()
            .map(|watch| run_controller(watch, Arc::clone(&context), stop.clone()).boxed())
            .collect();
        if options.cluster_maps {
            let (client, metrics) = (context.client.clone(), context.metrics.clone());
            let controller = cluster_maps::run(client, metrics, options.selector, stop.clone());
            controllers.push(controller.boxed());
        }
        let ended = async {
            // A controller that ends before `stop` ends the operator.
            while controllers.next().await.is_some() && stop.peek().is_some() {}
        };
        let drained = async {
            stop.clone().await;
            sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            () = ended => {}
            () = drained => tracing::warn!("reconciliations in progress are aborted"),
            _ = heartbeat(&health.watchdog) => {}
        }
    }
}

/// Reconciles the resources of one watch until `stop` completes.
async fn run_controller(
    watch: Watch,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let lists = watch.lists.clone();
    let resources = watch.resources.clone();
    let mut results = pin!(
        Controller::for_stream(watch.changed, watch.resources)
            .watches_stream(watch.owned, move |config_map| owners(
                &config_map,
                &resources
            ))
            .with_config(Config::default().concurrency(UNLIMITED))
            .graceful_shutdown_on(stop)
            .run(
                move |resource, context| run_in_turn(resource, context, lists.clone()),
                |resource, error, context| retry(&resource, error, &context),
                Arc::clone(&context),
            )
    );
    while let Some(result) = results.next().await {
        match result {
            Err(ControllerError::ReconcilerFailed(error, _)) => tracing::warn!("{error}"),
            Err(ControllerError::ObjectNotFound(_)) => context.forget_deleted(),
            // The watches report their own errors.
            Err(_) | Ok(_) => {}
        }
    }
}

/// Reconciles a resource once resources and `ConfigMaps` are listed and its namespace has its turn. A
/// panic is the error of this resource only.
async fn run_in_turn(
    resource: Arc<BedrockModelMap>,
    context: Arc<Context>,
    lists: Lists,
) -> Result<Action, ReconcileError> {
    let (namespace, name) = (
        resource.namespace().unwrap_or_default(),
        resource.name_any(),
    );
    let slot = loop {
        lists.wait_until_complete().await;
        let slot = context.slots.acquire(&namespace, 1).await;
        if lists.is_complete() {
            break slot;
        }
    };
    // The lists may show another one, or none.
    let Some(resource) = context.resources.get(&ObjectRef::from_obj(&*resource)) else {
        return Ok(Action::await_change());
    };
    let span = tracing::info_span!("reconcile", namespace, resource = name);
    let began = Instant::now();
    let reconciliation = reconcile(resource, Arc::clone(&context), slot)
        .boxed()
        .instrument(span);
    catch_panic(reconciliation).await.unwrap_or_else(|message| {
        context
            .metrics
            .observe_reconcile("Panicked", began.elapsed());
        Err(ReconcileError::from_panic(namespace, name, message))
    })
}

/// Requeues a resource after an error, with backoff.
fn retry(resource: &BedrockModelMap, error: &ReconcileError, context: &Context) -> Action {
    let failures = context
        .own_writes
        .count_failure(&resource.uid().unwrap_or_default());
    Action::requeue(error.backoff(failures, &resource.spec))
}

/// Detects worker threads that are blocked for long.
async fn heartbeat(watchdog: &Watchdog) -> Infallible {
    let deadline = watchdog.expect("the heartbeat of the worker threads", HEARTBEAT_TIMEOUT);
    loop {
        sleep(HEARTBEAT_TIMEOUT / 10).await;
        deadline.extend(HEARTBEAT_TIMEOUT);
    }
}

/// The watched resources that a `ConfigMap` concerns: the one in its label and its owner, which differ
/// after the label was edited.
fn owners(
    config_map: &PartialObjectMeta<ConfigMap>,
    resources: &Store<BedrockModelMap>,
) -> Vec<ObjectRef<BedrockModelMap>> {
    let namespace = config_map.namespace().unwrap_or_default();
    let labelled = config_map.labels().get(LABEL_NAME).cloned();
    let owning = config_map
        .owner_references()
        .iter()
        .filter(|reference| reference.kind == KIND)
        .map(|reference| reference.name.clone());
    let names: HashSet<String> = labelled.into_iter().chain(owning).collect();
    names
        .iter()
        .map(|name| ObjectRef::new(name).within(&namespace))
        .filter(|resource| resources.get(resource).is_some())
        .collect()
}

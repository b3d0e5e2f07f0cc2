//! Has each resource looked at when something changed or its time has come.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _, Shared};
use futures::stream::{self, FuturesUnordered};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt as _};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::Instrument as _;

use super::effects::{Context, ReconcileError, RenderBudget, reconcile, retry};
use super::events::EventWriter;
use super::resource_metrics::ResourceCollector;
use super::watch::{Scope, Watch};
use crate::api::{BedrockModelMap, KIND, LABEL_NAME};
use crate::aws::SnapshotCache;
use crate::aws::role_rules::RoleRules;
use crate::ops::admin::Health;
use crate::ops::metrics::Metrics;
use crate::ops::watchdog::{Deadline, Watchdog};

/// Resources looked at at once. A look holds next to nothing while it waits for AWS.
const CONCURRENT_LOOKS: u16 = 64;

/// How long looks under way may go on once the operator is to stop. They can be cut short at any
/// point: the next start goes on from what is in the cluster.
const DRAIN: Duration = Duration::from_secs(5);

/// A name that no resource can have. It is looked at every so often, which shows that looks are
/// still begun and ended.
const TICK: &str = "the watchdog's tick";
/// Between two ticks.
const TICK_PERIOD: Duration = Duration::from_secs(30);
/// How long a look may keep all others from going on. They share a task, and only wait in it.
const LONGEST_STEP: Duration = Duration::from_mins(1);

/// What the operator looks after, and permits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only these namespaces; none: all.
    pub namespaces: Vec<String>,
    /// Only resources with such labels.
    pub selector: Option<String>,
    /// Which roles are assumed for whom.
    pub roles: RoleRules,
    /// When a look that has not ended must be stuck.
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

/// Runs the operator until `stop` is ready, then gives the looks under way a moment to come to
/// their end.
pub async fn run(
    client: Client,
    snapshots: SnapshotCache,
    options: Options,
    health: Health,
    metrics: Metrics,
    stop: Shared<impl Future<Output = ()> + Send + Sync + 'static>,
) {
    let scopes = options.scopes();
    health
        .readiness
        .set_pending(scopes.iter().flat_map(Scope::lists));
    let watches = scopes
        .iter()
        .map(|scope| scope.watch(&client, &health.readiness));
    let watches: Vec<Watch> = watches.collect();
    let context = Arc::new(Context {
        events: EventWriter::new(client.clone()),
        render_budget: RenderBudget::default(),
        client,
        snapshots,
        roles: options.roles.clone(),
        ledger: Arc::default(),
        metrics,
        resources: watches
            .iter()
            .map(|watch| watch.resources.clone())
            .collect(),
        config_maps: watches
            .iter()
            .map(|watch| watch.config_maps.clone())
            .collect(),
    });
    context.metrics.set_leader();
    context
        .metrics
        .register_collector(Box::new(ResourceCollector {
            resources: context.resources.clone(),
            ledger: Arc::clone(&context.ledger),
            by_region: context.metrics.by_region(),
        }));
    let looks = Arc::new(Runner {
        context,
        places: Semaphore::new(CONCURRENT_LOOKS.into()),
        watchdog: health.watchdog.clone(),
        stuck_after: options.stuck_after,
    });
    let controllers = watches
        .into_iter()
        .map(|watch| Arc::clone(&looks).at(watch, stop.clone()));
    let mut controllers: FuturesUnordered<_> = controllers.collect();
    let ended = async {
        // One that ends by itself ends all.
        while controllers.next().await.is_some() && stop.peek().is_some() {}
    };
    let late = async {
        stop.clone().await;
        sleep(DRAIN).await;
    };
    tokio::select! {
        () = ended => {}
        () = late => tracing::warn!("looks still under way are cut short"),
        _ = heartbeat(&health.watchdog) => {}
    }
}

/// Looks at resources.
struct Runner {
    context: Arc<Context>,
    places: Semaphore,
    watchdog: Watchdog,
    stuck_after: Duration,
}

impl Runner {
    /// Looks at what a watch sees until `stop` is ready.
    async fn at(
        self: Arc<Self>,
        watch: Watch,
        stop: impl Future<Output = ()> + Send + Sync + 'static,
    ) {
        // Of several tasks that await the store itself, only one is woken.
        let config_maps = watch.config_maps.clone();
        let known = async move { config_maps.wait_until_ready().await.unwrap_or(()) };
        let known = known.boxed().shared();
        let ticks = stream::unfold(Duration::ZERO, async |pause| {
            sleep(pause).await;
            Some((ObjectRef::new(TICK), TICK_PERIOD))
        });
        let what = format!("any look, in {}", watch.scope);
        // Armed by the first tick: before the first list is complete, none comes through.
        let mut next_tick: Option<Deadline> = None;
        let (there, looks) = (watch.resources.clone(), Arc::clone(&self));
        let results = Controller::for_stream(watch.changed, watch.resources)
            .watches_stream(watch.owned, move |config_map| owners(&config_map, &there))
            .reconcile_on(ticks)
            .with_config(Config::default().concurrency(CONCURRENT_LOOKS))
            .graceful_shutdown_on(stop)
            .run(
                move |resource, _| Arc::clone(&looks).look(resource, known.clone()),
                |resource, _, context| retry(&resource, &context),
                Arc::clone(&self.context),
            );
        let mut results = pin!(results);
        while let Some(result) = results.next().await {
            match result {
                Err(ControllerError::ReconcilerFailed(error, _)) => tracing::warn!("{error}"),
                Err(ControllerError::ObjectNotFound(gone)) if gone.name == TICK => next_tick
                    .get_or_insert_with(|| self.watchdog.expect(&what, self.stuck_after))
                    .extend(self.stuck_after),
                Err(ControllerError::ObjectNotFound(_)) => self.context.forget_what_is_gone(),
                // The watches report their own errors.
                Err(_) | Ok(_) => {}
            }
        }
    }

    /// Looks at a resource once it is known which `ConfigMaps` there are.
    async fn look(
        self: Arc<Self>,
        resource: Arc<BedrockModelMap>,
        config_maps_known: Shared<BoxFuture<'static, ()>>,
    ) -> Result<Action, ReconcileError> {
        let (namespace, name) = (
            resource.namespace().unwrap_or_default(),
            resource.name_any(),
        );
        config_maps_known.await;
        // The semaphore is never closed.
        let _place = self.places.acquire().await.ok();
        let what = format!("the look at {namespace}/{name}");
        let _done = self.watchdog.expect(what, self.stuck_after);
        let span = tracing::info_span!("look", namespace, resource = name);
        reconcile(resource, Arc::clone(&self.context))
            .instrument(span)
            .await
    }
}

/// Looks share a task, and only wait in it. One that does not give way stops this too.
async fn heartbeat(watchdog: &Watchdog) -> Infallible {
    let next = watchdog.expect("the task of the looks", LONGEST_STEP);
    loop {
        sleep(LONGEST_STEP / 10).await;
        next.extend(LONGEST_STEP);
    }
}

/// The resources that a `ConfigMap` concerns: the one its label names, and the one that owns it,
/// which are two when someone changed the label. Those that are not looked after here are left out.
fn owners(
    config_map: &PartialObjectMeta<ConfigMap>,
    resources: &Store<BedrockModelMap>,
) -> Vec<ObjectRef<BedrockModelMap>> {
    let namespace = config_map.namespace().unwrap_or_default();
    let labelled = config_map.labels().get(LABEL_NAME).cloned();
    let references = config_map.owner_references().iter();
    let owning = references
        .filter(|r| r.kind == KIND)
        .map(|r| r.name.clone());
    let names: HashSet<String> = labelled.into_iter().chain(owning).collect();
    names
        .iter()
        .map(|name| ObjectRef::new(name).within(&namespace))
        .filter(|resource| resources.get(resource).is_some())
        .collect()
}

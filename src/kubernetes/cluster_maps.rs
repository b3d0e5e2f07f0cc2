//! Controller of `ClusterBedrockModelMaps`: keeps the `BedrockModelMap` of each matching namespace.

pub(super) mod gauges;
mod watch;
mod write;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::core::PartialObjectMeta;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource as _, ResourceExt as _};
use parking_lot::Mutex;

use super::events::EventWriter;
use super::lists::Lists;
use super::panics::catch_panic;
use super::reconcile_error::Cause;
use super::request::CallError;
use crate::api::{BedrockModelMap, CLUSTER_KIND, ClusterBedrockModelMap, LABEL_CLUSTER_MAP};
use crate::cluster_map::children::DesiredChild;
use crate::cluster_map::rollout::{Child, Namespace, Plan, plan};
use crate::cluster_map::status::{WriteProblem, events, status};
use crate::ops::metrics::Metrics;
use gauges::ClusterMapCollector;
use watch::{Watch, watch};
use write::Writer;

/// Cluster maps that are reconciled at the same time.
const CONCURRENT_RECONCILES: u16 = 4;
/// Requests of one cluster map that are sent at the same time.
const CONCURRENT_WRITES: usize = 8;
/// Time until a write that failed is tried again. No watch shows what was in its way.
const RETRY_AFTER: Duration = Duration::from_mins(1);
/// Least time between two writes of a status: many children become Ready together.
const STATUS_INTERVAL: Duration = Duration::from_secs(2);
/// Time until a reconciliation that failed is repeated.
const BACKOFF: Duration = Duration::from_secs(5);

/// Shared state of the reconciliations of all cluster maps.
struct Context {
    client: Client,
    events: EventWriter,
    metrics: Metrics,
    maps: Store<ClusterBedrockModelMap>,
    namespaces: Store<PartialObjectMeta<NamespaceObject>>,
    children: Store<BedrockModelMap>,
    /// By the UID of the cluster map.
    memory: Mutex<HashMap<String, Memory>>,
}

/// What the cluster does not show of one cluster map.
#[derive(Clone, Default)]
struct Memory {
    failed: BTreeMap<String, (WriteProblem, Instant)>,
    status_written: Option<Instant>,
}

/// Reconciles cluster maps until `stop` completes.
pub(super) async fn run(
    client: Client,
    metrics: Metrics,
    selector: Option<String>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let Watch {
        changed,
        maps,
        namespaces_changed,
        namespaces,
        children_changed,
        children,
        lists,
    } = watch(&client, selector);
    metrics.register_collector(Box::new(ClusterMapCollector { maps: maps.clone() }));
    let context = Arc::new(Context {
        events: EventWriter::new(client.clone()),
        client,
        metrics,
        maps: maps.clone(),
        namespaces,
        children,
        memory: Mutex::default(),
    });
    let all = maps.clone();
    let controller = Controller::for_stream(changed, maps)
        .watches_stream(namespaces_changed, move |_| {
            let maps = all.state();
            maps.iter()
                .map(|map| ObjectRef::from_obj(&**map))
                .collect::<Vec<_>>()
        })
        .watches_stream(children_changed, |child: BedrockModelMap| owners(&child))
        .with_config(Config::default().concurrency(CONCURRENT_RECONCILES))
        .graceful_shutdown_on(stop)
        .run(
            move |map, context| {
                let reconciliation = reconcile(map, context, lists.clone());
                catch_panic(reconciliation).map(|result| match result {
                    Ok(result) => result.map_err(Cause::Call),
                    Err(message) => Err(Cause::Panic(message)),
                })
            },
            |_, _, _| Action::requeue(BACKOFF),
            Arc::clone(&context),
        );
    let mut results = std::pin::pin!(controller);
    while let Some(result) = results.next().await {
        match result {
            Err(ControllerError::ReconcilerFailed(error, map)) => {
                tracing::warn!(name = map.name, "{error}; retrying");
            }
            Err(ControllerError::ObjectNotFound(_)) => context.forget_deleted(),
            // The watches report their own errors.
            Err(_) | Ok(_) => {}
        }
    }
}

/// The cluster maps that a child concerns: the one in its label and its owner.
fn owners(child: &BedrockModelMap) -> Vec<ObjectRef<ClusterBedrockModelMap>> {
    let labelled = child.labels().get(LABEL_CLUSTER_MAP).cloned();
    let owning = child
        .owner_references()
        .iter()
        .filter(|reference| reference.kind == CLUSTER_KIND)
        .map(|reference| reference.name.clone());
    let names: HashSet<String> = labelled.into_iter().chain(owning).collect();
    names.iter().map(|name| ObjectRef::new(name)).collect()
}

async fn reconcile(
    map: Arc<ClusterBedrockModelMap>,
    context: Arc<Context>,
    lists: Lists,
) -> Result<Action, CallError> {
    // An incomplete list of namespaces would delete the children in the others.
    lists.wait_until_complete().await;
    let listed = context.maps.get(&ObjectRef::from_obj(&*map));
    // The garbage collector deletes the children.
    let Some(map) = listed.filter(|map| map.metadata.deletion_timestamp.is_none()) else {
        return Ok(Action::await_change());
    };
    let api_version = ClusterBedrockModelMap::api_version(&()).into_owned();
    let Some(desired) = DesiredChild::new(&map, api_version) else {
        return Ok(Action::await_change());
    };
    let plan = plan(
        &map,
        &desired,
        &context.namespaces(),
        &context.children.state(),
    );
    let uid = map.uid().unwrap_or_default();
    let mut memory = context.memory(&uid);
    memory.forget(&plan);
    let failed = context.write(&desired, &plan, &memory).await;
    memory.record(failed);
    let status_due = context.report(&map, &desired, &plan, &mut memory).await;
    let is_waiting = !memory.failed.is_empty();
    context.memory.lock().insert(uid, memory);
    Ok(match status_due? {
        Some(wait) => Action::requeue(wait),
        None if is_waiting => Action::requeue(RETRY_AFTER),
        None => Action::await_change(),
    })
}

/// The namespace of a write, and what came of it.
type WriteResult = (String, Result<(), WriteProblem>);

/// The writes of a plan, except those that failed a short time ago.
fn writes<'a>(
    writer: &'a Writer<'a>,
    plan: &'a Plan,
    memory: &Memory,
) -> Vec<BoxFuture<'a, WriteResult>> {
    let mut writes: Vec<BoxFuture<'a, WriteResult>> = Vec::new();
    for child in &plan.replace {
        let namespace = child.namespace().unwrap_or_default();
        if !memory.failed.contains_key(&namespace) {
            writes.push(Box::pin(async move {
                let result = writer.replace(&namespace).await;
                (namespace, result)
            }));
        }
    }
    for namespace in &plan.create {
        if !memory.failed.contains_key(namespace) {
            let namespace = namespace.clone();
            writes.push(Box::pin(async move {
                let result = writer.create(&namespace).await;
                (namespace, result)
            }));
        }
    }
    for child in &plan.delete {
        writes.push(Box::pin(async move {
            let result = writer.delete(child).await;
            (child.namespace().unwrap_or_default(), result)
        }));
    }
    writes
}

impl Memory {
    /// Drops failures that are over, or old enough to try again.
    fn forget(&mut self, plan: &Plan) {
        self.failed.retain(|namespace, (_, since)| {
            let is_missing = matches!(
                plan.children.get(namespace),
                Some(Child::Missing | Child::Own(..))
            );
            is_missing && since.elapsed() < RETRY_AFTER
        });
    }

    fn record(&mut self, failed: Vec<(String, WriteProblem)>) {
        let now = Instant::now();
        let failed = failed.into_iter();
        self.failed
            .extend(failed.map(|(namespace, problem)| (namespace, (problem, now))));
    }

    fn problems(&self) -> BTreeMap<String, WriteProblem> {
        let failed = self.failed.iter();
        failed
            .map(|(namespace, (problem, _))| (namespace.clone(), problem.clone()))
            .collect()
    }
}

impl Context {
    fn memory(&self, uid: &str) -> Memory {
        self.memory.lock().get(uid).cloned().unwrap_or_default()
    }

    /// Drops the memory of deleted cluster maps.
    fn forget_deleted(&self) {
        let existing: HashSet<String> = self.maps.state().iter().filter_map(|m| m.uid()).collect();
        self.memory.lock().retain(|uid, _| existing.contains(uid));
    }

    fn namespaces(&self) -> Vec<Namespace> {
        let namespaces = self.namespaces.state();
        namespaces
            .iter()
            .map(|namespace| Namespace {
                name: namespace.name_any(),
                labels: namespace.labels().clone(),
                is_terminating: namespace.metadata.deletion_timestamp.is_some(),
            })
            .collect()
    }

    /// Does what the plan says, and returns what failed.
    async fn write(
        &self,
        desired: &DesiredChild<'_>,
        plan: &Plan,
        memory: &Memory,
    ) -> Vec<(String, WriteProblem)> {
        let writer = Writer::new(self.client.clone(), desired);
        let results: Vec<WriteResult> = futures::stream::iter(writes(&writer, plan, memory))
            .buffer_unordered(CONCURRENT_WRITES)
            .collect()
            .await;
        let failed = results.into_iter();
        failed
            .filter_map(|(namespace, result)| result.err().map(|problem| (namespace, problem)))
            .collect()
    }

    /// Writes the status if it differs; returns the time to wait if the last write is too recent.
    async fn report(
        &self,
        map: &ClusterBedrockModelMap,
        desired: &DesiredChild<'_>,
        plan: &Plan,
        memory: &mut Memory,
    ) -> Result<Option<Duration>, CallError> {
        let status = status(map, desired, plan, &memory.problems(), Timestamp::now());
        if map.status.as_ref() == Some(&status) {
            return Ok(None);
        }
        let elapsed = memory.status_written.map(|written| written.elapsed());
        let wait = elapsed.and_then(|elapsed| STATUS_INTERVAL.checked_sub(elapsed));
        if wait.is_some() {
            return Ok(wait);
        }
        let before = map.status.clone().unwrap_or_default();
        let events = events(&before, &status);
        let written = write::status(&self.client, map, status).await?;
        memory.status_written = Some(Instant::now());
        let Some(written) = written else {
            // The watch shows a later version than this one soon.
            return Ok(Some(STATUS_INTERVAL));
        };
        self.metrics.count_status_write();
        let mut regarding = written.object_ref(&());
        regarding.resource_version = written.resource_version();
        self.events.write(regarding, events).await;
        Ok(None)
    }
}

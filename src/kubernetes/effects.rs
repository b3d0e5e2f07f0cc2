//! Looks at one resource as `core::look` says, with the Kubernetes API and AWS behind it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use super::config_map::Publisher;
use super::events::EventWriter;
use super::log::log;
use super::own_writes::{OwnWrites, Verified};
use super::request::CallError;
use super::status::StatusWriter;
use super::watch::Stores;
use crate::api::{AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode, LABEL_NAME};
use crate::aws::identity::Caller;
use crate::aws::priority::Priority;
use crate::aws::role_rules::RoleRules;
use crate::aws::{Audience, SnapshotCache};
use crate::bedrock::catalog::Snapshot;
use crate::ops::metrics::Metrics;
use crate::publication::ownership::{DesiredConfigMap, Owner};
use crate::reconcile::status::events::Event;
use crate::reconcile::validate::ValidatedSpec;
use crate::reconcile::{Effects, Next, Outcome, Reconciler, Work};

/// The wait after a reconciliation that failed; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after reconciliations that failed.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// Permits of [`RenderBudget`]. One stands for a region's content as it is rendered, compared and
/// written: some 3 MB for us-east-1, parsed, as text and on its way to the API server.
const RENDER_PERMITS: u32 = 16;
/// What the merged mapping of all regions takes: two are made at once.
const MAPPING_PERMITS: u32 = 8;
/// What a status with the ids of all models and profiles takes.
const STATUS_PERMITS: u32 = 2;

/// Bounds what all reconciliations together have in memory at once. It is acquired after AWS has
/// answered, so that a region that hangs holds none of it.
#[derive(Clone, Debug)]
pub(super) struct RenderBudget(Arc<Semaphore>);

impl Default for RenderBudget {
    fn default() -> Self {
        let permits = usize::try_from(RENDER_PERMITS).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(permits)))
    }
}

impl RenderBudget {
    /// None: never, as the semaphore is not closed.
    async fn acquire(&self, permits: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_many_owned(permits).await.ok()
    }
}

/// What every reconciliation works with.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) snapshots: SnapshotCache,
    pub(super) roles: RoleRules,
    pub(super) ledger: Arc<OwnWrites>,
    pub(super) metrics: Metrics,
    pub(super) events: EventWriter,
    pub(super) render_budget: RenderBudget,
    /// Metadata of the `ConfigMaps` that carry our labels, as the watch shows them.
    pub(super) config_maps: Stores<PartialObjectMeta<ConfigMap>>,
    /// The resources that are looked after, as the watch shows them.
    pub(super) resources: Stores<BedrockModelMap>,
}

impl Context {
    /// Forgets what is remembered of resources that are gone.
    pub(super) fn forget_what_is_gone(&self) {
        let there = self.resources.state();
        let there: HashSet<String> = there.iter().filter_map(|resource| resource.uid()).collect();
        self.ledger.retain(|uid| there.contains(uid));
    }
}

/// Why a look did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("BedrockModelMap {namespace}/{name}: {source}; it is tried again")]
pub(super) struct ReconcileError {
    namespace: String,
    name: String,
    source: CallError,
}

/// Looks at a resource.
pub(super) async fn reconcile(
    watched: Arc<BedrockModelMap>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let resource = context.ledger.newest(watched);
    let uid = resource.uid().unwrap_or_default();
    // The garbage collector, or the user, has the ConfigMaps of what is being deleted.
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let permitted = permitted_settings(&resource, &context.roles);
    let identity = permitted.as_ref().map(|s| s.identity.clone());
    let world = ClusterEffects {
        resource: &resource,
        uid: &uid,
        caller: Caller::from_resource(
            &identity.unwrap_or_default(),
            &resource.namespace().unwrap_or_default(),
            &resource.name_any(),
        ),
        context: &context,
        publisher: Publisher::new(
            context.client.clone(),
            Owner::from_resource(&resource),
            context.metrics.clone(),
        ),
    };
    let look = Reconciler {
        resource: &resource,
        settings: permitted.as_ref(),
        now: world.now(),
        world: &world,
    };
    let (began, _under_way) = (Instant::now(), context.metrics.start_reconcile());
    let looked = look.look().await;
    let took = began.elapsed();
    context
        .metrics
        .observe_reconcile(outcome(&look, &looked), took);
    let looked = looked.map_err(|source| ReconcileError {
        namespace: resource.namespace().unwrap_or_default(),
        name: resource.name_any(),
        source,
    })?;
    context.ledger.succeeded(&uid);
    if let Some(refreshed) = &looked.refreshed {
        let reason = refreshed.reason.as_str();
        context.metrics.observe_refresh(reason, took);
    }
    log(&looked, took);
    Ok(match looked.next {
        Next::Change => Action::await_change(),
        Next::After(wait) => Action::requeue(wait),
    })
}

/// What came of a look, as one word.
fn outcome<W, E>(look: &Reconciler<'_, W>, looked: &Result<Outcome, E>) -> &'static str {
    match looked {
        Err(_) => "Failed",
        Ok(_) if look.resource.spec.suspend => "Suspended",
        Ok(_) if look.settings.is_err() => "Refused",
        Ok(looked) if looked.refreshed.is_some() => "Refreshed",
        Ok(_) => "NothingDue",
    }
}

/// When a resource is looked at again after an error.
pub(super) fn retry(resource: &BedrockModelMap, context: &Context) -> Action {
    let failures = context.ledger.failed(&resource.uid().unwrap_or_default());
    let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    Action::requeue(doubled.min(LONGEST_RETRY))
}

/// What the spec asks for, if the operator may do it.
fn permitted_settings(
    resource: &BedrockModelMap,
    roles: &RoleRules,
) -> Result<ValidatedSpec, AttemptError> {
    let settings = ValidatedSpec::of(resource)
        .map_err(|invalid| AttemptError::new(ErrorCode::InvalidSpec, invalid.to_string()))?;
    let namespace = resource.namespace().unwrap_or_default();
    roles.check(&namespace, &settings.identity)?;
    Ok(settings)
}

/// The Kubernetes API and AWS, as one resource has to do with them.
struct ClusterEffects<'a> {
    resource: &'a BedrockModelMap,
    uid: &'a str,
    caller: Caller,
    context: &'a Context,
    publisher: Publisher,
}

impl ClusterEffects<'_> {
    /// Whether the resource is still there and ours: it may have been deleted during the look, or
    /// have lost the labels by which it was chosen. Another operator may look after it now.
    fn is_looked_after(&self) -> bool {
        let resource = ObjectRef::from_obj(self.resource);
        let watched = self.context.resources.get(&resource);
        watched.is_some_and(|watched| watched.uid() == self.resource.uid())
    }
}

impl Effects for ClusterEffects<'_> {
    type Error = CallError;
    type RenderPermit = Option<OwnedSemaphorePermit>;

    async fn render_permit(&self, work: Work) -> Option<OwnedSemaphorePermit> {
        let permits = match work {
            Work::Region => 1,
            Work::Mapping => MAPPING_PERMITS,
        };
        self.context.render_budget.acquire(permits).await
    }

    async fn read(&self, config_map: &str) -> Result<Option<ConfigMap>, CallError> {
        self.publisher.read(config_map).await
    }

    async fn apply(
        &self,
        target: &DesiredConfigMap,
        seen: Option<ConfigMap>,
    ) -> Result<bool, AttemptError> {
        if !self.is_looked_after() {
            let message = "the resource is gone, or no longer looked after by this operator";
            return Err(AttemptError::new(
                ErrorCode::WriteFailed,
                message.to_owned(),
            ));
        }
        let ledger = &self.context.ledger;
        // What could not be written is not as it should be, whatever it was before.
        ledger.unverified(self.uid, &target.name);
        let published = self.publisher.apply(target, seen).await?;
        let verified = Verified {
            resource_version: published.resource_version.unwrap_or_default(),
            bytes: target.files.bytes(),
            ends: target.ends.clone(),
        };
        ledger.verified(self.uid, &target.name, verified);
        Ok(published.written)
    }

    async fn remove(&self, seen: &ObjectMeta) -> Result<bool, CallError> {
        if !self.is_looked_after() {
            return Ok(false);
        }
        self.publisher.remove(seen).await
    }

    async fn report(
        &self,
        status: &BedrockModelMapStatus,
        events: Vec<Event>,
    ) -> Result<(), CallError> {
        if !self.is_looked_after() {
            return Ok(());
        }
        let _permit = self.context.render_budget.acquire(STATUS_PERMITS).await;
        let client = self.context.client.clone();
        let Context {
            ledger, metrics, ..
        } = self.context;
        let writer = StatusWriter::new(client, self.resource, ledger, metrics);
        let detail = self.resource.spec.output.status_detail;
        if let Some(written) = writer.write(status, detail).await? {
            self.context.events.write(&written, events).await;
        }
        Ok(())
    }

    async fn ask(
        &self,
        region: &str,
        not_before: Timestamp,
        urgency: Priority,
    ) -> Result<Arc<Snapshot>, AttemptError> {
        let span = tracing::info_span!("region", region);
        let answer = self
            .context
            .snapshots
            .get(&self.caller, region, not_before, urgency);
        let answer = answer
            .instrument(span)
            .await
            .map_err(|error| error.to_attempt_error(Audience::Operator));
        let code = answer.as_ref().map_or_else(|e| e.code.as_str(), |_| "OK");
        self.context.metrics.count_region_query(region, code);
        answer
    }

    async fn list_account_regions(&self) -> Result<Vec<String>, AttemptError> {
        self.context
            .snapshots
            .account_regions(&self.caller)
            .await
            .map_err(|error| error.to_attempt_error(Audience::Operator))
    }

    fn last_snapshot(&self, region: &str) -> Option<Arc<Snapshot>> {
        self.context.snapshots.last(&self.caller.identity(), region)
    }

    fn is_unchanged(&self, config_map: &str) -> bool {
        let namespace = self.resource.namespace().unwrap_or_default();
        let config_map_ref = ObjectRef::new(config_map).within(&namespace);
        let watched = self.context.config_maps.get(&config_map_ref);
        let version = watched
            .as_ref()
            .and_then(|w| w.metadata.resource_version.as_deref());
        self.context
            .ledger
            .is_verified(self.uid, config_map, version)
    }

    fn labelled_config_maps(&self) -> Vec<ObjectMeta> {
        let (namespace, name) = (self.resource.namespace(), self.resource.name_any());
        let labelled = self.context.config_maps.state_filter(|seen| {
            seen.metadata.namespace == namespace && seen.labels().get(LABEL_NAME) == Some(&name)
        });
        let metadata = labelled.iter().map(|seen| seen.metadata.clone());
        metadata.collect()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

//! Effects of a reconciliation on the Kubernetes API and AWS.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource as _, ResourceExt as _};
use parking_lot::Mutex;
use tracing::Instrument as _;

use super::config_map::{Publisher, write_failed};
use super::context::Context;
use super::fair_queue::FairPermit;
use super::log::log;
use super::own_writes::{Source, Verified};
use super::progress::ProgressDeadline;
use super::reconcile_error::{Cause, ReconcileError};
use super::render_budget::Rendered;
use super::request::CallError;
use super::status::StatusWriter;
use crate::api::{AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode};
use crate::aws::Audience;
use crate::aws::identity::Caller;
use crate::aws::priority::Priority;
use crate::aws::role_rules::RoleRules;
use crate::bedrock::catalog::PackedSnapshot;
use crate::publication::content::RegionContent;
use crate::publication::ownership::{DesiredConfigMap, Owner};
use crate::reconcile::contention::Repairs;
use crate::reconcile::status::events::Event;
use crate::reconcile::validate::ValidatedSpec;
use crate::reconcile::{Effects, Next, Outcome, Reconciler, Seen, Work};

/// Reconciles a resource. The slot is released while the reconciliation waits for AWS.
pub(super) async fn reconcile(
    watched: Arc<BedrockModelMap>,
    context: Arc<Context>,
    slot: FairPermit,
) -> Result<Action, ReconcileError> {
    let resource = context.own_writes.latest(watched);
    let uid = resource.uid().unwrap_or_default();
    // The garbage collector deletes the ConfigMaps, unless the user keeps them.
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let permitted = permitted_spec(&resource, &context.roles);
    let identity = permitted.as_ref().map(|s| s.identity.clone());
    let namespace = resource.namespace().unwrap_or_default();
    let deadline = context.progress.expect(format!(
        "the reconciliation of {namespace}/{}",
        resource.name_any()
    ));
    let effects = ClusterEffects {
        resource: &resource,
        uid: &uid,
        slot: Mutex::new(Some(slot)),
        deadline,
        caller: Caller::from_resource(
            &identity.unwrap_or_default(),
            &namespace,
            &resource.name_any(),
        ),
        namespace: &namespace,
        context: &context,
        publisher: Publisher::new(
            context.client.clone(),
            Owner::from_resource(&resource),
            context.metrics.clone(),
        ),
    };
    let reconciler = Reconciler {
        resource: &resource,
        settings: permitted.as_ref(),
        now: effects.now(),
        effects: &effects,
    };
    let (began, _under_way) = (Instant::now(), context.metrics.start_reconcile());
    let reconciled = match effects.recall_lifecycles().await {
        Ok(()) => Box::pin(reconciler.reconcile()).await,
        Err(error) => Err(error),
    };
    let took = began.elapsed();
    context
        .metrics
        .observe_reconcile(outcome_label(&reconciler, &reconciled), took);
    let outcome = reconciled.map_err(|source| ReconcileError {
        namespace: namespace.clone(),
        name: resource.name_any(),
        source: Cause::Call(source),
    })?;
    context.own_writes.reset_failures(&uid);
    if let Some(refreshed) = &outcome.refreshed {
        let reason = refreshed.reason.as_str();
        context.metrics.observe_refresh(reason, took);
    }
    log(&outcome, took);
    Ok(match outcome.next {
        Next::Change => Action::await_change(),
        Next::After(wait) => Action::requeue(wait),
    })
}

/// Outcome of a reconciliation, as a metric label.
fn outcome_label<W, E>(
    reconciler: &Reconciler<'_, W>,
    reconciled: &Result<Outcome, E>,
) -> &'static str {
    match reconciled {
        Err(_) => "Failed",
        Ok(_) if reconciler.resource.spec.suspend => "Suspended",
        Ok(_) if reconciler.settings.is_err() => "Refused",
        Ok(outcome) if outcome.refreshed.is_some() => "Refreshed",
        Ok(_) => "NothingDue",
    }
}

/// Validates the spec and checks that the operator permits its role.
fn permitted_spec(
    resource: &BedrockModelMap,
    roles: &RoleRules,
) -> Result<ValidatedSpec, AttemptError> {
    let settings = ValidatedSpec::of(resource)
        .map_err(|invalid| AttemptError::new(ErrorCode::InvalidSpec, invalid.to_string()))?;
    let namespace = resource.namespace().unwrap_or_default();
    roles.check(&namespace, &settings.identity)?;
    Ok(settings)
}

/// Effects of one resource.
pub(super) struct ClusterEffects<'a> {
    pub(super) resource: &'a Arc<BedrockModelMap>,
    pub(super) namespace: &'a str,
    pub(super) uid: &'a str,
    /// Held until the first request to AWS.
    slot: Mutex<Option<FairPermit>>,
    deadline: ProgressDeadline,
    caller: Caller,
    pub(super) context: &'a Context,
    publisher: Publisher,
}

impl ClusterEffects<'_> {
    /// Whether the resource still exists in scope: it may have been deleted or relabelled during the
    /// reconciliation, and another operator may reconcile it now.
    fn is_in_scope(&self) -> bool {
        let resource = ObjectRef::from_obj(self.resource.as_ref());
        let watched = self.context.resources.get(&resource);
        watched.is_some_and(|watched| watched.uid() == self.resource.uid())
    }
}

impl Effects for ClusterEffects<'_> {
    type Error = CallError;
    type RenderPermit = FairPermit;

    async fn render_permit(&self, work: Work) -> FairPermit {
        let rendered = match work {
            Work::Region => Rendered::Region,
            Work::Mapping => Rendered::Mapping,
        };
        let permit = self.context.render_budget.acquire(self.namespace, rendered);
        self.deadline.step(permit).await
    }

    async fn compute<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let work = self.context.cpu.run(self.namespace, work);
        self.deadline.step(work).await
    }

    async fn read(&self, config_map: &str) -> Result<Option<ConfigMap>, CallError> {
        self.deadline.step(self.publisher.read(config_map)).await
    }

    async fn apply(&self, target: &DesiredConfigMap, seen: Seen) -> Result<bool, AttemptError> {
        if !self.is_in_scope() {
            let message = "the resource was deleted or left the scope of this operator";
            return Err(AttemptError::new(
                ErrorCode::WriteFailed,
                message.to_owned(),
            ));
        }
        let seen = match seen {
            Seen::Read(seen) => seen.map(|seen| *seen),
            Seen::Unread if self.is_labelled(&target.name) => {
                let live = self.read(&target.name).await;
                live.map_err(write_failed)?
            }
            Seen::Unread => None,
        };
        let Context {
            own_writes,
            lifecycles,
            ..
        } = self.context;
        // A failed write leaves an unknown state.
        own_writes.set_unverified(self.uid, &target.name);
        let published = self
            .deadline
            .step(self.publisher.apply(target, seen))
            .await?;
        let verified = Verified {
            resource_version: published.resource_version.unwrap_or_default(),
            source: Source::Response,
            bytes: target.files.bytes(),
            inputs: target.inputs.clone(),
            ends: Some(lifecycles.share(&target.files.sha256, Arc::new(target.ends.clone()))),
        };
        own_writes.set_verified(self.uid, &target.name, verified);
        Ok(published.written)
    }

    async fn remove(&self, seen: &ObjectMeta) -> Result<bool, CallError> {
        if !self.is_in_scope() {
            return Ok(false);
        }
        let removed = self.deadline.step(self.publisher.remove(seen)).await?;
        if removed && let Some(name) = &seen.name {
            self.context.own_writes.set_unverified(self.uid, name);
        }
        Ok(removed)
    }

    async fn report(
        &self,
        status: &BedrockModelMapStatus,
        events: Vec<Event>,
    ) -> Result<(), CallError> {
        if !self.is_in_scope() {
            return Ok(());
        }
        let budget = &self.context.render_budget;
        let _permit = self
            .deadline
            .step(budget.acquire(self.namespace, Rendered::Status))
            .await;
        let client = self.context.client.clone();
        let Context {
            own_writes,
            metrics,
            definition_skew,
            events: event_writer,
            ..
        } = self.context;
        let latest = self.context.latest(self.resource);
        let writer = StatusWriter::new(client, latest, own_writes, metrics, definition_skew);
        let detail = self.resource.spec.output.status_detail;
        let written = writer.write(status, detail);
        if let Some(written) = self.deadline.step(written).await? {
            let mut regarding = written.object_ref(&());
            regarding.resource_version = written.resource_version();
            let written = event_writer.write(regarding, events);
            self.deadline.step(written).await;
        }
        Ok(())
    }

    fn request_known_since(&self, token: &str, now: Timestamp) -> Timestamp {
        let refreshes = &self.context.forced_refreshes;
        refreshes.known_since(self.uid, token, now)
    }

    fn forced_refresh_may_begin_at(&self, now: Timestamp) -> Timestamp {
        let refreshes = &self.context.forced_refreshes;
        refreshes.may_begin_at(self.namespace, self.uid, now)
    }

    fn begin_forced_refresh(&self, now: Timestamp) {
        let refreshes = &self.context.forced_refreshes;
        refreshes.begin(self.namespace, self.uid, now);
    }

    fn repairs(&self) -> BTreeMap<String, Repairs> {
        self.context.own_writes.repairs(self.uid)
    }

    fn repairs_of(&self, config_map: &str) -> Repairs {
        self.context.own_writes.repairs_of(self.uid, config_map)
    }

    fn record_repair(&self, config_map: &str, repairs: Repairs) {
        let own_writes = &self.context.own_writes;
        own_writes.record_repair(self.uid, config_map, repairs, self.now());
    }

    async fn query(
        &self,
        region: &str,
        not_before: Timestamp,
        priority: Priority,
    ) -> Result<Arc<PackedSnapshot>, AttemptError> {
        *self.slot.lock() = None;
        let span = tracing::info_span!("region", region);
        let snapshot = self
            .context
            .snapshots
            .get(&self.caller, region, not_before, priority)
            .instrument(span);
        let snapshot = self
            .deadline
            .step(snapshot)
            .await
            .map_err(|error| error.to_attempt_error(Audience::Operator));
        let code = snapshot.as_ref().map_or_else(|e| e.code.as_str(), |_| "OK");
        self.context.metrics.count_region_query(region, code);
        snapshot
    }

    async fn list_account_regions(
        &self,
        not_before: Timestamp,
    ) -> Result<Vec<String>, AttemptError> {
        *self.slot.lock() = None;
        let snapshots = &self.context.snapshots;
        let regions = snapshots.account_regions_since(&self.caller, not_before);
        self.deadline
            .step(regions)
            .await
            .map_err(|error| error.to_attempt_error(Audience::Operator))
    }

    fn last_snapshot(&self, region: &str) -> Option<Arc<PackedSnapshot>> {
        self.context.snapshots.last(&self.caller.identity(), region)
    }

    fn share(&self, sha256: &str, bytes: Arc<str>) -> Arc<str> {
        self.context.models_json.share(sha256, bytes)
    }

    fn rendered<E>(
        &self,
        key: String,
        render: impl FnOnce() -> Result<RegionContent, E>,
    ) -> Result<RegionContent, E> {
        self.context.contents.get_or_render(key, render)
    }

    fn is_unchanged(&self, config_map: &str) -> bool {
        let version = self.context.watched_version(self.namespace, config_map);
        self.context
            .own_writes
            .is_verified(self.uid, config_map, version.as_deref())
    }

    fn is_current(&self, config_map: &str, inputs: &str) -> bool {
        let own_writes = &self.context.own_writes;
        own_writes.has_inputs(self.uid, config_map, inputs) && self.is_unchanged(config_map)
    }

    fn is_labelled(&self, config_map: &str) -> bool {
        let version = self.context.watched_version(self.namespace, config_map);
        version.is_some()
    }

    fn labelled_config_maps(&self) -> Vec<ObjectMeta> {
        let name = self.resource.name_any();
        self.context
            .config_maps
            .iter()
            .flat_map(|watched| watched.labelled(self.namespace, &name))
            .collect()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

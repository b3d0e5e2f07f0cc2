//! One look at one resource: puts right what drifted, plans, refreshes, reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt as _};

use super::call::CallError;
use super::events::EventWriter;
use super::last_good::LastGood;
use super::ledger::Ledger;
use super::publish::Publisher;
use super::refresh::Refresher;
use super::status::StatusWriter;
use crate::api::{
    ANNOTATION_REQUESTED_AT, AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode,
    LABEL_NAME,
};
use crate::aws::Snapshots;
use crate::core::changes::Changes;
use crate::core::conditions;
use crate::core::events::events;
use crate::core::ownership::Owner;
use crate::core::plan::{Inputs, Plan, Reason, Refresh, next_due, next_look, plan};
use crate::core::region_state::{error, stamp};
use crate::core::schedule::Rhythm;
use crate::core::settings::Settings;

/// The shortest wait for the next look: a time that has just come is not looked at twice.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The wait after a reconciliation that failed; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after reconciliations that failed.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// What every reconciliation works with.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) snapshots: Snapshots,
    pub(super) ledger: Ledger,
    pub(super) events: EventWriter,
    /// Metadata of the `ConfigMaps` that carry our labels, as the watch shows them.
    pub(super) config_maps: Store<PartialObjectMeta<ConfigMap>>,
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
    let look = Look {
        resource: &resource,
        context: &context,
        uid: &uid,
        now: Timestamp::now(),
    };
    let action = look.look().await.map_err(|source| ReconcileError {
        namespace: resource.namespace().unwrap_or_default(),
        name: resource.name_any(),
        source,
    })?;
    context.ledger.succeeded(&uid);
    Ok(action)
}

/// When a resource is looked at again after an error.
pub(super) fn retry(resource: &BedrockModelMap, context: &Context) -> Action {
    let failures = context.ledger.failed(&resource.uid().unwrap_or_default());
    let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    Action::requeue(doubled.min(LONGEST_RETRY))
}

/// One look at one resource.
struct Look<'a> {
    resource: &'a BedrockModelMap,
    context: &'a Context,
    uid: &'a str,
    now: Timestamp,
}

impl Look<'_> {
    async fn look(&self) -> Result<Action, CallError> {
        if self.resource.spec.suspend {
            return Ok(Action::await_change());
        }
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(error) => return self.refuse(&error).await,
        };
        let status = self.resource.status.clone().unwrap_or_default();
        let client = self.context.client.clone();
        let publisher = Publisher::new(client, Owner::of(self.resource));
        let snapshots = &self.context.snapshots;
        let last_good = LastGood::new(&publisher, snapshots, &settings.selection, &status);
        let refresher = Refresher {
            resource: self.resource,
            settings: &settings,
            status: &status,
            uid: self.uid,
            now: self.now,
            publisher: &publisher,
            snapshots,
            last_good: &last_good,
            ledger: &self.context.ledger,
        };
        let lost = self.put_right(&refresher).await?;
        let inputs = self.inputs(&settings, &status, &lost);
        match plan(&inputs) {
            Plan::Suspended => Ok(Action::await_change()),
            Plan::Wait { until } => Ok(look_again(self.now, until)),
            Plan::Refresh(refresh) => self.refresh(&refresher, &refresh, &inputs).await,
        }
    }

    fn settings(&self) -> Result<Settings, AttemptError> {
        let role = self
            .resource
            .spec
            .aws
            .as_ref()
            .and_then(|aws| aws.role_arn.as_ref());
        if let Some(role) = role {
            let namespace = self.resource.namespace().unwrap_or_default();
            let message = format!(
                "spec.aws.roleArn: the operator does not permit namespace {namespace} to use {role}"
            );
            return Err(error(ErrorCode::RoleNotAllowed, message));
        }
        Settings::of(self.resource)
            .map_err(|invalid| error(ErrorCode::InvalidSpec, invalid.to_string()))
    }

    fn inputs<'s>(
        &'s self,
        settings: &'s Settings,
        status: &'s BedrockModelMapStatus,
        lost: &'s BTreeSet<String>,
    ) -> Inputs<'s> {
        let annotations = self.resource.annotations();
        Inputs {
            suspend: self.resource.spec.suspend,
            generation: self.resource.metadata.generation,
            named_regions: settings.regions.as_deref(),
            requested_at: annotations.get(ANNOTATION_REQUESTED_AT).map(String::as_str),
            status,
            lost,
            rhythm: Rhythm::new(settings.interval, self.uid),
            now: self.now,
        }
    }

    /// Says why the spec cannot be worked with; what is published stays.
    async fn refuse(&self, error: &AttemptError) -> Result<Action, CallError> {
        let mut status = self.resource.status.clone().unwrap_or_default();
        let generation = self.resource.metadata.generation;
        status.observed_generation = generation;
        status.conditions = conditions::refused(&status, error, generation, self.now);
        let named = self.resource.spec.regions.is_some();
        self.report(&status, &Changes::default(), named).await?;
        Ok(Action::await_change())
    }

    /// Writes the status, and then the Events of what is new in it.
    async fn report(
        &self,
        status: &BedrockModelMapStatus,
        changes: &Changes,
        regions_named: bool,
    ) -> Result<(), CallError> {
        let before = self.resource.status.clone().unwrap_or_default();
        if let Some(written) = self.write(status).await? {
            let events = events(&before, status, changes, regions_named);
            self.context.events.write(&written, events).await;
        }
        Ok(())
    }

    async fn write(
        &self,
        status: &BedrockModelMapStatus,
    ) -> Result<Option<Arc<BedrockModelMap>>, CallError> {
        let client = self.context.client.clone();
        let writer = StatusWriter::new(client, self.resource, &self.context.ledger);
        writer
            .write(status, self.resource.spec.output.status_detail)
            .await
    }

    /// Puts back published ConfigMaps that were changed or deleted. Returns the regions where that
    /// takes a refresh: their content is nowhere to be had but from AWS, or cannot be written.
    async fn put_right(&self, refresher: &Refresher<'_>) -> Result<BTreeSet<String>, CallError> {
        let mut lost = BTreeSet::new();
        let mut restored = 0;
        let status = refresher.status;
        // A new spec renders everything anew.
        if status.observed_generation != self.resource.metadata.generation {
            return Ok(lost);
        }
        for (region, region_status) in &status.regions {
            let Some(name) = &region_status.config_map else {
                continue;
            };
            if self.is_as_left(name) {
                continue;
            }
            match refresher.last_good.content(region, region_status).await? {
                Some(content) => match refresher.publish(region, &content, region_status).await {
                    Ok(written) => restored += usize::from(written),
                    // A refresh of the region reports it, and tries again at the right time.
                    Err(error) => {
                        tracing::warn!(region, "{}", error.message);
                        lost.insert(region.clone());
                    }
                },
                None => {
                    lost.insert(region.clone());
                }
            }
        }
        // One that is not published yet is the plan's.
        let mapping = status
            .mapping
            .as_ref()
            .filter(|mapping| mapping.error.is_none());
        let mapping = mapping.map(|mapping| &mapping.config_map);
        if lost.is_empty() && mapping.is_some_and(|name| !self.is_as_left(name)) {
            restored += usize::from(refresher.restore_mapping().await?);
        }
        if restored > 0 {
            tracing::info!(config_maps = restored, "put back what was changed");
        }
        Ok(lost)
    }

    fn is_as_left(&self, config_map: &str) -> bool {
        let namespace = self.resource.namespace().unwrap_or_default();
        let watched = self
            .context
            .config_maps
            .get(&ObjectRef::new(config_map).within(&namespace));
        let version = watched
            .as_ref()
            .and_then(|w| w.metadata.resource_version.as_deref());
        self.context
            .ledger
            .is_verified(self.uid, config_map, version)
    }

    async fn refresh(
        &self,
        refresher: &Refresher<'_>,
        refresh: &Refresh,
        inputs: &Inputs<'_>,
    ) -> Result<Action, CallError> {
        let generation = self.resource.metadata.generation;
        let mut before = inputs.status.clone();
        if let Some((reason, message)) = announcement(&refresh.reason) {
            let spec_is_new = before.observed_generation != generation;
            before.conditions = conditions::while_refreshing(
                &before,
                reason,
                message,
                spec_is_new,
                generation,
                self.now,
            );
            self.write(&before).await?;
        }
        let outcome = refresher.run(refresh, inputs).await?;
        let (asked, mut written) = (outcome.asked, outcome.written);
        let changes = outcome.changes.clone();
        let mut status = outcome.status(&before, generation, &refresh.reason);
        written += self.prune(refresher, &status).await?;

        let named = inputs.named_regions.is_some();
        status.summary = Some(conditions::summary(&status.regions, named));
        status.conditions = conditions::after_refresh(&status, named, generation, self.now);
        let (nothing_lost, ended_at) = (BTreeSet::new(), Timestamp::now());
        let ahead = |when: fn(&Inputs<'_>) -> Timestamp, status: &BedrockModelMapStatus| {
            when(&Inputs {
                status,
                lost: &nothing_lost,
                now: ended_at,
                ..*inputs
            })
        };
        status.next_refresh_time = Some(stamp(ahead(next_due, &status)));
        self.report(&status, &changes, named).await?;
        if asked + written > 0 {
            self.log(&refresh.reason, &status, asked, written);
        }
        Ok(look_again(ended_at, ahead(next_look, &status)))
    }

    /// Deletes this resource's ConfigMaps that the status does not speak of.
    async fn prune(
        &self,
        refresher: &Refresher<'_>,
        status: &BedrockModelMapStatus,
    ) -> Result<usize, CallError> {
        let regions = status
            .regions
            .values()
            .filter_map(|r| r.config_map.as_deref());
        let mapping = status.mapping.as_ref().map(|m| m.config_map.as_str());
        let wanted: BTreeSet<&str> = regions.chain(mapping).collect();
        let (namespace, name) = (self.resource.namespace(), self.resource.name_any());
        let surplus = self.context.config_maps.state_filter(|seen| {
            seen.metadata.namespace == namespace
                && seen.labels().get(LABEL_NAME) == Some(&name)
                && !wanted.contains(seen.name_any().as_str())
        });
        let mut removed = 0;
        for seen in surplus {
            removed += usize::from(refresher.publisher.remove(&seen.metadata).await?);
        }
        Ok(removed)
    }

    fn log(&self, reason: &Reason, status: &BedrockModelMapStatus, asked: usize, written: usize) {
        let summary = status.summary.clone().unwrap_or_default();
        let took = Timestamp::now().duration_since(self.now);
        let errors: BTreeMap<&str, usize> = status
            .regions
            .values()
            .filter_map(|r| r.error.as_ref())
            .fold(BTreeMap::new(), |mut counts, error| {
                *counts.entry(error.code.as_str()).or_default() += 1;
                counts
            });
        tracing::info!(
            reason = reason.as_str(),
            asked,
            fresh = summary.regions_fresh,
            models = summary.models,
            profiles = summary.profiles,
            written,
            ?errors,
            took_ms = took.as_millis(),
            "refreshed"
        );
        let stalled = status
            .conditions
            .iter()
            .find(|c| c.type_ == conditions::STALLED);
        if let Some(stalled) = stalled {
            tracing::warn!(reason = stalled.reason, "{}", stalled.message);
        }
        for region in status.regions.values() {
            if let Some(error) = &region.error {
                tracing::debug!("{}", error.message);
            }
        }
    }
}

fn look_again(now: Timestamp, at: Timestamp) -> Action {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    Action::requeue(wait.max(SHORTEST_WAIT))
}

/// How an announced refresh is announced: the condition's reason and message.
fn announcement(reason: &Reason) -> Option<(&'static str, &'static str)> {
    match reason {
        Reason::First => Some(("FirstRefresh", "the regions are asked for the first time")),
        Reason::NewGeneration => {
            Some(("NewGeneration", "the regions are asked for a changed spec"))
        }
        Reason::Requested(_) => Some((
            "RefreshRequested",
            "the regions are asked because a user wants it",
        )),
        Reason::Due => None,
    }
}

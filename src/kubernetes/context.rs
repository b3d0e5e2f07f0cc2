//! The state that all reconciliations share.

use std::collections::HashSet;
use std::sync::Arc;

use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt as _};

use super::content_cache::ContentCache;
use super::cpu::CpuWork;
use super::definition_skew::DefinitionSkew;
use super::events::EventWriter;
use super::fair_queue::FairSemaphore;
use super::forced_refreshes::ForcedRefreshes;
use super::own_writes::OwnWrites;
use super::progress::Progress;
use super::render_budget::RenderBudget;
use super::shared_values::SharedValues;
use super::watch::Stores;
use super::watched_config_maps::WatchedConfigMaps;
use crate::api::BedrockModelMap;
use crate::aws::SnapshotCache;
use crate::aws::role_rules::RoleRules;
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::ops::metrics::Metrics;

/// Shared state of all reconciliations.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) snapshots: SnapshotCache,
    pub(super) roles: RoleRules,
    pub(super) own_writes: Arc<OwnWrites>,
    pub(super) metrics: Metrics,
    pub(super) events: EventWriter,
    /// Reconciliations that do not wait for AWS.
    pub(super) slots: FairSemaphore,
    pub(super) render_budget: RenderBudget,
    pub(super) cpu: CpuWork,
    pub(super) contents: ContentCache,
    /// `models.json` of the refreshes in progress.
    pub(super) models_json: SharedValues<str>,
    /// Lifecycles of the verified content.
    pub(super) lifecycles: SharedValues<LifecycleSummary>,
    pub(super) forced_refreshes: Arc<ForcedRefreshes>,
    pub(super) progress: Progress,
    pub(super) definition_skew: DefinitionSkew,
    /// Metadata of the `ConfigMaps` with the operator's labels.
    pub(super) config_maps: Vec<Arc<WatchedConfigMaps>>,
    /// Resources in scope.
    pub(super) resources: Stores<BedrockModelMap>,
}

impl Context {
    /// The newest version of the resource that the watch or an own write has shown.
    pub(super) fn latest(&self, resource: &Arc<BedrockModelMap>) -> Arc<BedrockModelMap> {
        let watched = self.resources.get(&ObjectRef::from_obj(resource.as_ref()));
        // Another resource may have taken its name.
        let watched = watched.filter(|watched| watched.uid() == resource.uid());
        let watched = watched.unwrap_or_else(|| Arc::clone(resource));
        self.own_writes.latest(watched)
    }

    /// The version of a `ConfigMap` with the operator's labels, as the watch shows it.
    pub(super) fn watched_version(&self, namespace: &str, config_map: &str) -> Option<String> {
        self.config_maps
            .iter()
            .find_map(|watched| watched.version(namespace, config_map))
    }

    /// Drops the state of deleted resources.
    pub(super) fn forget_deleted(&self) {
        let existing: HashSet<String> = self
            .resources
            .state()
            .iter()
            .filter_map(|resource| resource.uid())
            .collect();
        self.own_writes.retain(|uid| existing.contains(uid));
        self.forced_refreshes.retain(|uid| existing.contains(uid));
    }
}

//! What a look needs done: the cluster, AWS and the clock, as it sees them.

use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{AttemptError, BedrockModelMapStatus};
use crate::aws::priority::Priority;
use crate::bedrock::catalog::Snapshot;
use crate::publication::ownership::DesiredConfigMap;
use crate::reconcile::status::events::Event;

/// What is in memory while a [`Effects::RenderPermit`] is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The content of one region.
    Region,
    /// The bytes of the merged mapping, and those of its regions.
    Mapping,
}

/// What a look has done for it. A look is over as soon as something gives [`Effects::Error`]; the
/// next one begins with what is there then.
pub trait Effects: Sync {
    /// Why the Kubernetes API did not do what it was asked.
    type Error: Display + Send;

    /// The ConfigMap of that name in the resource's namespace, whoever's it is.
    fn read(
        &self,
        config_map: &str,
    ) -> impl Future<Output = Result<Option<ConfigMap>, Self::Error>> + Send;

    /// Makes the ConfigMap what the target says, as [`crate::publication::ownership::decide`] decides; `seen` is
    /// the ConfigMap as it was just read. Returns whether it was written.
    fn apply(
        &self,
        target: &DesiredConfigMap,
        seen: Option<ConfigMap>,
    ) -> impl Future<Output = Result<bool, AttemptError>> + Send;

    /// Deletes the ConfigMap, if it is this resource's and has not changed since it was seen.
    /// Returns whether it was deleted.
    fn remove(&self, seen: &ObjectMeta) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Writes the resource's status, if it differs, and then the Events.
    fn report(
        &self,
        status: &BedrockModelMapStatus,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// What the region answers, asked at `not_before` or later.
    fn ask(
        &self,
        region: &str,
        not_before: Timestamp,
        urgency: Priority,
    ) -> impl Future<Output = Result<Arc<Snapshot>, AttemptError>> + Send;

    /// The account's enabled regions, asked now.
    fn list_account_regions(
        &self,
    ) -> impl Future<Output = Result<Vec<String>, AttemptError>> + Send;

    /// What the region answered last, however long ago, as far as it is remembered.
    fn last_snapshot(&self, region: &str) -> Option<Arc<Snapshot>>;

    /// Whether the ConfigMap is known to be as it was last written or verified.
    fn is_unchanged(&self, config_map: &str) -> bool;

    /// The ConfigMaps with this resource's labels, as far as they are known.
    fn labelled_config_maps(&self) -> Vec<ObjectMeta>;

    /// Held while content is rendered, compared or written.
    type RenderPermit: Send;

    /// Waits until so much content may be in memory; what waits is served in order. A holder must
    /// not acquire a second permit.
    fn render_permit(&self, work: Work) -> impl Future<Output = Self::RenderPermit> + Send;

    /// The time.
    fn now(&self) -> Timestamp;
}

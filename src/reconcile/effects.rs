//! The port of a reconciliation to the cluster, AWS and the clock.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{AttemptError, BedrockModelMapStatus};
use crate::aws::priority::Priority;
use crate::bedrock::catalog::PackedSnapshot;
use crate::publication::content::RegionContent;
use crate::publication::ownership::DesiredConfigMap;
use crate::reconcile::contention::Repairs;
use crate::reconcile::status::events::Event;

/// Content in memory while an [`Effects::RenderPermit`] is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The content of one region.
    Region,
    /// The bytes of the merged mapping and of its regions.
    Mapping,
}

/// The ConfigMap that a write starts from.
#[derive(Clone, Debug)]
pub enum Seen {
    /// As just read; None: it does not exist.
    Read(Option<Box<ConfigMap>>),
    /// The reconciliation has not read it.
    Unread,
}

/// Effects of a reconciliation. The first [`Effects::Error`] ends it; the next reconciliation
/// resumes from the state of the cluster.
pub trait Effects: Sync {
    /// Failure of a request to the Kubernetes API.
    type Error: Display + Send;

    /// Reads the ConfigMap of that name in the resource's namespace, also if it is foreign.
    fn read(
        &self,
        config_map: &str,
    ) -> impl Future<Output = Result<Option<ConfigMap>, Self::Error>> + Send;

    /// Writes the ConfigMap as [`crate::publication::ownership::decide`] decides. Returns whether it
    /// was written.
    fn apply(
        &self,
        target: &DesiredConfigMap,
        seen: Seen,
    ) -> impl Future<Output = Result<bool, AttemptError>> + Send;

    /// Deletes the ConfigMap if it belongs to this resource and is unchanged since it was seen.
    /// Returns whether it was deleted.
    fn remove(&self, seen: &ObjectMeta) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Writes the resource's status, if it differs, and then the Events.
    fn report(
        &self,
        status: &BedrockModelMapStatus,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Time since which the operator knows of the request with this token.
    fn request_known_since(&self, token: &str, now: Timestamp) -> Timestamp;

    /// Time from which a forced refresh of the resource may begin.
    fn forced_refresh_may_begin_at(&self, now: Timestamp) -> Timestamp;

    /// Records that a forced refresh of the resource begins.
    fn begin_forced_refresh(&self, now: Timestamp);

    /// The repairs of the resource's ConfigMaps so far, by name. A restart forgets them.
    fn repairs(&self) -> BTreeMap<String, Repairs>;

    /// The repairs of one of them.
    fn repairs_of(&self, config_map: &str) -> Repairs;

    /// Records the repairs of a ConfigMap, with the one that just happened.
    fn record_repair(&self, config_map: &str, repairs: Repairs);

    /// Queries the region. A cached response serves if it was taken at `not_before` or later.
    fn query(
        &self,
        region: &str,
        not_before: Timestamp,
        priority: Priority,
    ) -> impl Future<Output = Result<Arc<PackedSnapshot>, AttemptError>> + Send;

    /// Queries the account's enabled regions. A cached response serves if it was taken at `not_before` or
    /// later.
    fn list_account_regions(
        &self,
        not_before: Timestamp,
    ) -> impl Future<Output = Result<Vec<String>, AttemptError>> + Send;

    /// The region's last response in memory, of any age.
    fn last_snapshot(&self, region: &str) -> Option<Arc<PackedSnapshot>>;

    /// Whether the watch shows the ConfigMap as last written or verified.
    fn is_unchanged(&self, config_map: &str) -> bool;

    /// Whether the ConfigMap is unchanged, and was last written or verified with these inputs.
    fn is_current(&self, config_map: &str, inputs: &str) -> bool;

    /// Whether the watch shows a ConfigMap of that name with the operator's labels.
    fn is_labelled(&self, config_map: &str) -> bool;

    /// The ConfigMaps with this resource's labels, as the watch shows them.
    fn labelled_config_maps(&self) -> Vec<ObjectMeta>;

    /// The bytes with this hash that another resource holds, or else these: equal content is in memory
    /// once.
    fn share(&self, sha256: &str, bytes: Arc<str>) -> Arc<str>;

    /// The content that was rendered before with this key, for whichever resource, or else the content as
    /// rendered now.
    fn rendered<E>(
        &self,
        key: String,
        render: impl FnOnce() -> Result<RegionContent, E>,
    ) -> Result<RegionContent, E>;

    /// Held while content is rendered, compared or written.
    type RenderPermit: Send;

    /// Waits for memory, first come, first served. A holder must not acquire a second permit.
    fn render_permit(&self, work: Work) -> impl Future<Output = Self::RenderPermit> + Send;

    /// Runs work that only uses the CPU where it delays nothing else.
    fn compute<T: Send>(&self, work: impl FnOnce() -> T + Send) -> impl Future<Output = T> + Send;

    /// The time.
    fn now(&self) -> Timestamp;
}

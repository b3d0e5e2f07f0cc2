//! Own writes of the operator, to read them back before the watch shows them.
//!
//! A watch lags: its objects may be older than the last write. A decision from them would query AWS
//! twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt as _;
use parking_lot::Mutex;

use crate::api::{BedrockModelMap, BedrockModelMapStatus, VerifiedConfigMap, VerifiedStatus};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::reconcile::contention::Repairs;
use crate::reconcile::status::verified::{record, recorded};

#[derive(Debug, Default)]
struct Entry {
    /// The resource as of the last own write, until the watch has shown that or a newer version: then a copy
    /// would only take memory.
    written: Option<Arc<BedrockModelMap>>,
    /// Version that the watch has shown last; 0 before.
    shown: u64,
    /// `ConfigMaps` found or made as desired, by name.
    verified: BTreeMap<String, Arc<Verified>>,
    /// Whether the record of an earlier process has been taken over.
    is_recalled: bool,
    /// Repairs of `ConfigMaps`, by name, that are not long ago.
    repairs: BTreeMap<String, Repairs>,
    /// Consecutive failed reconciliations.
    failures: u32,
}

/// A `ConfigMap` that was found or made as desired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) resource_version: String,
    pub(super) source: Source,
    pub(super) bytes: usize,
    /// Digest of the values that its desired state depends on.
    pub(super) inputs: String,
    /// Legacy models and end-of-life dates in its content, if they have been read.
    pub(super) ends: Option<Arc<LifecycleSummary>>,
}

/// What is known of a verified version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// A response to this process: a watch that lags may still show an older version.
    #[default]
    Response,
    /// A record from before the present list of the watch: it holds for this version only.
    Record,
}

impl Verified {
    fn is_shown_by(&self, watched: &str) -> bool {
        match self.source {
            Source::Record => self.resource_version == watched,
            Source::Response => {
                let version = |text: &str| text.parse::<u64>().ok();
                let watched = version(watched);
                watched.is_some() && watched <= version(&self.resource_version)
            }
        }
    }

    fn from_record(record: VerifiedConfigMap) -> Self {
        Self {
            resource_version: record.resource_version,
            source: Source::Record,
            bytes: usize::try_from(record.bytes).unwrap_or_default(),
            inputs: record.inputs,
            ends: None,
        }
    }

    fn to_record(&self) -> VerifiedConfigMap {
        VerifiedConfigMap {
            resource_version: self.resource_version.clone(),
            bytes: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            inputs: self.inputs.clone(),
        }
    }
}

/// Own writes, by uid of the resource.
#[derive(Debug, Default)]
pub(super) struct OwnWrites {
    entries: Mutex<HashMap<String, Entry>>,
}

impl OwnWrites {
    fn with<T>(&self, uid: &str, act: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.entries.lock();
        act(entries.entry(uid.to_owned()).or_default())
    }

    /// The newer of the watched resource and the last own write.
    pub(super) fn latest(&self, watched: Arc<BedrockModelMap>) -> Arc<BedrockModelMap> {
        let uid = watched.uid().unwrap_or_default();
        self.with(&uid, |entry| match &entry.written {
            Some(written) if version(written) > version(&watched) => Arc::clone(written),
            Some(_) | None => watched,
        })
    }

    /// Records the resource as returned by an own write. The watch may have shown it before.
    pub(super) fn record(&self, resource: BedrockModelMap) -> Arc<BedrockModelMap> {
        let (uid, written) = (resource.uid().unwrap_or_default(), Arc::new(resource));
        self.with(&uid, |entry| {
            let is_shown = version(&written) <= entry.shown;
            entry.written = (!is_shown).then(|| Arc::clone(&written));
        });
        written
    }

    /// Records that the watch has shown the resource.
    pub(super) fn shown(&self, watched: &BedrockModelMap) {
        let (uid, shown) = (watched.uid().unwrap_or_default(), version(watched));
        self.with(&uid, |entry| {
            entry.shown = shown;
            entry.written.take_if(|written| version(written) <= shown);
        });
    }

    /// Records that the `ConfigMap` is as desired.
    pub(super) fn set_verified(&self, uid: &str, config_map: &str, verified: Verified) {
        self.with(uid, |entry| {
            let verified = Arc::new(verified);
            entry.verified.insert(config_map.to_owned(), verified);
        });
    }

    /// Takes over what an earlier process recorded in the status, once, and removes it from the resource.
    pub(super) fn recall(&self, resource: &mut BedrockModelMap) {
        let status = resource.status.as_mut();
        let verified = status.and_then(|status| status.verified.take());
        let uid = resource.metadata.uid.as_deref().unwrap_or_default();
        self.with(uid, |entry| {
            if std::mem::replace(&mut entry.is_recalled, true) {
                return;
            }
            for (name, record) in recorded(verified) {
                let verified = || Arc::new(Verified::from_record(record));
                entry.verified.entry(name).or_insert_with(verified);
            }
        });
    }

    /// The record of the `ConfigMaps` that the status names.
    pub(super) fn record_verified(
        &self,
        uid: &str,
        status: &BedrockModelMapStatus,
    ) -> Option<VerifiedStatus> {
        let verified = self.published(uid).into_iter();
        record(
            status,
            verified.map(|(name, verified)| (name, verified.to_record())),
        )
    }

    /// Completes the record of a `ConfigMap`.
    pub(super) fn set_ends(&self, uid: &str, config_map: &str, ends: Arc<LifecycleSummary>) {
        self.with(uid, |entry| {
            if let Some(verified) = entry.verified.get_mut(config_map) {
                Arc::make_mut(verified).ends = Some(ends);
            }
        });
    }

    /// The verified `ConfigMaps` of the resource, by name.
    pub(super) fn published(&self, uid: &str) -> BTreeMap<String, Arc<Verified>> {
        let entries = self.entries.lock();
        let entry = entries.get(uid);
        entry.map_or_else(BTreeMap::new, |entry| entry.verified.clone())
    }

    /// Removes the record of a `ConfigMap`.
    pub(super) fn set_unverified(&self, uid: &str, config_map: &str) {
        self.with(uid, |entry| entry.verified.remove(config_map));
    }

    /// Whether the watched `ConfigMap` is as desired: it has the verified version, or an older one that
    /// a lagging watch still shows.
    pub(super) fn is_verified(&self, uid: &str, config_map: &str, watched: Option<&str>) -> bool {
        self.with(uid, |entry| {
            let verified = entry.verified.get(config_map);
            matches!((verified, watched), (Some(verified), Some(watched)) if verified.is_shown_by(watched))
        })
    }

    /// Whether the `ConfigMap` was verified with these inputs.
    pub(super) fn has_inputs(&self, uid: &str, config_map: &str, inputs: &str) -> bool {
        self.with(uid, |entry| {
            let verified = entry.verified.get(config_map);
            verified.is_some_and(|verified| verified.inputs == inputs)
        })
    }

    /// The repairs of the resource's `ConfigMaps`, by name.
    pub(super) fn repairs(&self, uid: &str) -> BTreeMap<String, Repairs> {
        let entries = self.entries.lock();
        let entry = entries.get(uid);
        entry.map_or_else(BTreeMap::new, |entry| entry.repairs.clone())
    }

    /// The repairs of one `ConfigMap`.
    pub(super) fn repairs_of(&self, uid: &str, config_map: &str) -> Repairs {
        let entries = self.entries.lock();
        let repairs = entries.get(uid).and_then(|e| e.repairs.get(config_map));
        repairs.cloned().unwrap_or_default()
    }

    /// Records the repairs of a `ConfigMap`, and drops those that are long ago.
    pub(super) fn record_repair(
        &self,
        uid: &str,
        config_map: &str,
        repairs: Repairs,
        now: Timestamp,
    ) {
        self.with(uid, |entry| {
            entry.repairs.retain(|_, repairs| !repairs.is_quiet(now));
            entry.repairs.insert(config_map.to_owned(), repairs);
        });
    }

    /// Counts a failed reconciliation and returns the number of consecutive failures.
    pub(super) fn count_failure(&self, uid: &str) -> u32 {
        self.with(uid, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// Resets the count of consecutive failures.
    pub(super) fn reset_failures(&self, uid: &str) {
        self.with(uid, |entry| entry.failures = 0);
    }

    /// Removes the records of deleted resources.
    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.entries.lock().retain(|uid, _| exists(uid));
    }

    /// From now on a `ConfigMap` is as desired only with the very version recorded here, as after a relist: a
    /// restored etcd may have older versions.
    pub(super) fn require_exact_versions(&self) {
        for entry in self.entries.lock().values_mut() {
            entry.written = None;
            entry.shown = 0;
            for verified in entry.verified.values_mut() {
                Arc::make_mut(verified).source = Source::Record;
            }
        }
    }
}

/// Resource versions are comparable as numbers (Kubernetes documentation, "Resource versions").
fn version(resource: &BedrockModelMap) -> u64 {
    resource
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(version: &str) -> BedrockModelMap {
        serde_json::from_value(json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": "claude", "namespace": "team-a", "uid": "u", "resourceVersion": version},
            "spec": {},
        }))
        .unwrap()
    }

    fn verified(version: &str) -> Verified {
        Verified {
            resource_version: version.to_owned(),
            ..Verified::default()
        }
    }

    #[test]
    fn latest_prefers_newer_version() {
        let own_writes = OwnWrites::default();
        own_writes.record(resource("10"));
        for (watched, expected) in [("9", "10"), ("11", "11")] {
            let latest = own_writes.latest(Arc::new(resource(watched)));
            assert_eq!(latest.resource_version().as_deref(), Some(expected));
        }
    }

    #[test]
    fn written_resource_is_kept_until_the_watch_shows_it() {
        let own_writes = OwnWrites::default();
        let is_kept = || own_writes.entries.lock()["u"].written.is_some();
        own_writes.record(resource("10"));
        own_writes.shown(&resource("9"));
        assert!(is_kept());
        own_writes.shown(&resource("10"));
        assert!(!is_kept());
        // The watch may be faster than the response.
        own_writes.shown(&resource("12"));
        own_writes.record(resource("12"));
        assert!(!is_kept());
        own_writes.record(resource("13"));
        assert!(is_kept());
        // A restored etcd counts from an older version.
        own_writes.require_exact_versions();
        own_writes.record(resource("3"));
        assert!(is_kept());
    }

    #[test]
    fn relist_after_restore_forgets_newer_versions() {
        let own_writes = OwnWrites::default();
        own_writes.record(resource("100"));
        own_writes.set_verified("u", "claude-us-east-1", verified("101"));
        own_writes.count_failure("u");
        assert!(own_writes.is_verified("u", "claude-us-east-1", Some("7")));
        own_writes.require_exact_versions();
        let is_verified = |version| own_writes.is_verified("u", "claude-us-east-1", Some(version));
        assert_eq!(["7", "101", "102"].map(is_verified), [false, true, false]);
        let latest = own_writes.latest(Arc::new(resource("6")));
        assert_eq!(latest.resource_version().as_deref(), Some("6"));
        assert_eq!(own_writes.count_failure("u"), 2);
    }

    #[test]
    fn next_process_recalls_record_for_the_same_version_only() {
        let names = json!({"regions": {"us-east-1": {"state": "Fresh", "configMap": "c"}}});
        let status: BedrockModelMapStatus = serde_json::from_value(names).unwrap();
        let first = OwnWrites::default();
        first.set_verified("u", "c", verified("10"));
        first.set_verified("u", "of-an-earlier-prefix", verified("10"));
        let mut written = resource("11");
        written.status = Some(BedrockModelMapStatus {
            verified: first.record_verified("u", &status),
            ..status
        });
        let next = OwnWrites::default();
        let mut watched = written.clone();
        next.recall(&mut watched);
        assert_eq!(watched.status.unwrap().verified, None);
        for (version, expected) in [
            (Some("9"), false),
            (Some("10"), true),
            (Some("11"), false),
            (None, false),
        ] {
            assert_eq!(next.is_verified("u", "c", version), expected, "{version:?}");
        }
        assert_eq!(next.published("u").len(), 1);
        // The watch shows the record again after each write of the status.
        next.set_unverified("u", "c");
        next.recall(&mut written);
        assert!(!next.is_verified("u", "c", Some("10")));
    }

    #[test]
    fn repairs_of_long_ago_leave_no_record() {
        let own_writes = OwnWrites::default();
        let mut now = Timestamp::UNIX_EPOCH;
        for n in 0..100 {
            now += jiff::SignedDuration::from_mins(5);
            let repairs = Repairs::default().repaired(now);
            own_writes.record_repair("u", &format!("prefix-{n}"), repairs, now);
        }
        assert_eq!(own_writes.repairs("u").len(), 1);
    }

    #[test]
    fn unverified_config_map_leaves_no_record() {
        let own_writes = OwnWrites::default();
        for n in 0..100 {
            let name = format!("prefix-{n}");
            own_writes.set_verified("u", &name, verified("1"));
            own_writes.set_unverified("u", &name);
        }
        assert!(own_writes.published("u").is_empty());
    }
}

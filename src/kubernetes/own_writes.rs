//! Own writes of the operator, to read them back before the watch shows them.
//!
//! A watch lags: its objects may be older than the last write. A decision from them would query AWS
//! twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube::ResourceExt as _;
use parking_lot::Mutex;

use crate::api::BedrockModelMap;
use crate::bedrock::lifecycle_summary::LifecycleSummary;

#[derive(Debug, Default)]
struct Entry {
    /// The resource as of the last own write.
    written: Option<Arc<BedrockModelMap>>,
    /// `ConfigMaps` found or made as desired, by name.
    verified: BTreeMap<String, Arc<Verified>>,
    /// Consecutive failed reconciliations.
    failures: u32,
}

/// A `ConfigMap` that was found or made as desired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) resource_version: String,
    pub(super) bytes: usize,
    /// Digest of the values that its desired state depends on.
    pub(super) inputs: String,
    /// Legacy models and end-of-life dates in its content.
    pub(super) ends: Arc<LifecycleSummary>,
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

    /// Records the resource as returned by an own write.
    pub(super) fn record(&self, resource: BedrockModelMap) -> Arc<BedrockModelMap> {
        let (uid, written) = (resource.uid().unwrap_or_default(), Arc::new(resource));
        self.with(&uid, |entry| entry.written = Some(Arc::clone(&written)));
        written
    }

    /// Records that the `ConfigMap` is as desired.
    pub(super) fn set_verified(&self, uid: &str, config_map: &str, verified: Verified) {
        self.with(uid, |entry| {
            let verified = Arc::new(verified);
            entry.verified.insert(config_map.to_owned(), verified);
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
            let verified = entry
                .verified
                .get(config_map)
                .and_then(|v| v.resource_version.parse::<u64>().ok());
            let watched = watched.and_then(|v| v.parse::<u64>().ok());
            matches!((verified, watched), (Some(verified), Some(watched)) if watched <= verified)
        })
    }

    /// Whether the `ConfigMap` was verified with these inputs.
    pub(super) fn has_inputs(&self, uid: &str, config_map: &str, inputs: &str) -> bool {
        self.with(uid, |entry| {
            let verified = entry.verified.get(config_map);
            verified.is_some_and(|verified| verified.inputs == inputs)
        })
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

    /// Drops all versions, as after a relist: a restored etcd may have older versions than those
    /// recorded here.
    pub(super) fn forget_versions(&self) {
        for entry in self.entries.lock().values_mut() {
            entry.written = None;
            entry.verified.clear();
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
    fn relist_after_restore_forgets_newer_versions() {
        let own_writes = OwnWrites::default();
        own_writes.record(resource("100"));
        own_writes.set_verified("u", "claude-us-east-1", verified("101"));
        own_writes.count_failure("u");
        assert!(own_writes.is_verified("u", "claude-us-east-1", Some("7")));
        own_writes.forget_versions();
        assert!(!own_writes.is_verified("u", "claude-us-east-1", Some("7")));
        let latest = own_writes.latest(Arc::new(resource("6")));
        assert_eq!(latest.resource_version().as_deref(), Some("6"));
        assert_eq!(own_writes.count_failure("u"), 2);
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

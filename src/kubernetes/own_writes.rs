//! What the operator remembers of its own writes while it runs.
//!
//! A watch lags behind: what it shows may be older than what was just written. Deciding from it
//! would ask AWS twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt as _;

use crate::api::BedrockModelMap;
use crate::bedrock::lifecycle_summary::LifecycleSummary;

/// One resource's part.
#[derive(Debug, Default)]
struct Entry {
    /// The resource as our last write left it.
    written: Option<Arc<BedrockModelMap>>,
    /// `ConfigMaps` that were seen to be as they should be, by name.
    verified: BTreeMap<String, Verified>,
    /// Reconciliations in a row that failed.
    failures: u32,
}

/// A `ConfigMap` that was seen to be as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verified {
    /// Its resource version.
    pub(super) resource_version: String,
    /// Size of its files.
    pub(super) bytes: usize,
    /// What comes to an end in it.
    pub(super) ends: LifecycleSummary,
}

/// What is remembered, by the resources' uid.
#[derive(Debug, Default)]
pub(super) struct OwnWrites {
    entries: Mutex<HashMap<String, Entry>>,
}

impl OwnWrites {
    fn with<T>(&self, uid: &str, act: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        act(entries.entry(uid.to_owned()).or_default())
    }

    /// The newer of what the watch shows and what we wrote.
    pub(super) fn newest(&self, watched: Arc<BedrockModelMap>) -> Arc<BedrockModelMap> {
        let uid = watched.uid().unwrap_or_default();
        self.with(&uid, |entry| match &entry.written {
            Some(written) if version(written) > version(&watched) => Arc::clone(written),
            Some(_) | None => watched,
        })
    }

    /// Remembers what our write left.
    pub(super) fn wrote(&self, resource: BedrockModelMap) -> Arc<BedrockModelMap> {
        let (uid, written) = (resource.uid().unwrap_or_default(), Arc::new(resource));
        self.with(&uid, |entry| entry.written = Some(Arc::clone(&written)));
        written
    }

    /// Remembers that the `ConfigMap` is as it should be.
    pub(super) fn verified(&self, uid: &str, config_map: &str, verified: Verified) {
        self.with(uid, |entry| {
            entry.verified.insert(config_map.to_owned(), verified);
        });
    }

    /// What is remembered of the resource's `ConfigMaps`, by name.
    pub(super) fn published(&self, uid: &str) -> BTreeMap<String, Verified> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(uid);
        entry.map_or_else(BTreeMap::new, |entry| entry.verified.clone())
    }

    /// Forgets that the `ConfigMap` was as it should be.
    pub(super) fn unverified(&self, uid: &str, config_map: &str) {
        self.with(uid, |entry| entry.verified.remove(config_map));
    }

    /// Whether the `ConfigMap` that the watch shows is as it should be: the version verified, or
    /// an older one, which the watch shows because it lags.
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

    /// Counts a failed reconciliation: how many there were in a row.
    pub(super) fn failed(&self, uid: &str) -> u32 {
        self.with(uid, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// Ends a row of failed reconciliations.
    pub(super) fn succeeded(&self, uid: &str) {
        self.with(uid, |entry| entry.failures = 0);
    }

    /// Forgets resources other than these.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|uid, _| is_there(uid));
    }
}

/// Resource versions can be compared as numbers (Kubernetes, "Resource versions").
fn version(resource: &BedrockModelMap) -> u64 {
    resource
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

//! The watched `ConfigMaps`, by name and by the resource that their label names.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::Event;
use parking_lot::Mutex;

use crate::api::LABEL_NAME;

/// Namespace and name.
type Key = (String, String);

/// Metadata of the `ConfigMaps` that the watch shows. They are many, some thirty a resource.
#[derive(Debug, Default)]
pub(super) struct WatchedConfigMaps(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    config_maps: HashMap<Key, PackedMeta>,
    /// Names of the `ConfigMaps` of each resource, so that a prune reads those of its resource only.
    names: HashMap<Key, BTreeSet<String>>,
    /// `ConfigMaps` in the list under way; `None` outside of a list.
    listed: Option<BTreeSet<Key>>,
}

/// Metadata as JSON: one piece of memory in place of dozens.
#[derive(Debug)]
struct PackedMeta(Box<[u8]>);

impl PackedMeta {
    fn pack(metadata: &ObjectMeta) -> Self {
        // Metadata has string keys only, so that it is representable.
        Self(serde_json::to_vec(metadata).unwrap_or_default().into())
    }

    /// None: never, for what `pack` wrote.
    fn unpack(&self) -> Option<ObjectMeta> {
        serde_json::from_slice(&self.0).ok()
    }
}

impl WatchedConfigMaps {
    /// Follows the watch.
    pub(super) fn apply(&self, event: &Event<PartialObjectMeta<ConfigMap>>) {
        let mut entries = self.0.lock();
        match event {
            Event::Apply(config_map) => entries.insert(config_map),
            Event::Delete(config_map) => entries.remove(&key(config_map)),
            Event::Init => entries.listed = Some(BTreeSet::new()),
            Event::InitApply(config_map) => {
                if let Some(listed) = &mut entries.listed {
                    listed.insert(key(config_map));
                }
                entries.insert(config_map);
            }
            Event::InitDone => {
                let listed = entries.listed.take().unwrap_or_default();
                let gone: Vec<Key> = entries
                    .config_maps
                    .keys()
                    .filter(|key| !listed.contains(*key))
                    .cloned()
                    .collect();
                for key in gone {
                    entries.remove(&key);
                }
            }
        }
    }

    /// Metadata of the `ConfigMap` with this name.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<ObjectMeta> {
        let key = (namespace.to_owned(), name.to_owned());
        self.0.lock().config_maps.get(&key)?.unpack()
    }

    /// Metadata of the `ConfigMaps` with the label of this resource, by name.
    pub(super) fn labelled(&self, namespace: &str, resource: &str) -> Vec<ObjectMeta> {
        let key = (namespace.to_owned(), resource.to_owned());
        let entries = self.0.lock();
        entries
            .names
            .get(&key)
            .into_iter()
            .flatten()
            .filter_map(|name| {
                let key = (namespace.to_owned(), name.clone());
                entries.config_maps.get(&key)?.unpack()
            })
            .collect()
    }
}

impl Entries {
    fn insert(&mut self, config_map: &PartialObjectMeta<ConfigMap>) {
        let key = key(config_map);
        self.remove(&key);
        if let Some(resource) = config_map.labels().get(LABEL_NAME) {
            let resource = (key.0.clone(), resource.clone());
            let names = self.names.entry(resource).or_default();
            names.insert(key.1.clone());
        }
        let packed = PackedMeta::pack(&config_map.metadata);
        self.config_maps.insert(key, packed);
    }

    fn remove(&mut self, key: &Key) {
        let Some(metadata) = self.config_maps.remove(key).and_then(|p| p.unpack()) else {
            return;
        };
        let Some(resource) = metadata.labels.and_then(|mut l| l.remove(LABEL_NAME)) else {
            return;
        };
        let resource = (key.0.clone(), resource);
        if let Some(names) = self.names.get_mut(&resource) {
            names.remove(&key.1);
            if names.is_empty() {
                self.names.remove(&resource);
            }
        }
    }
}

fn key(config_map: &PartialObjectMeta<ConfigMap>) -> Key {
    (
        config_map.namespace().unwrap_or_default(),
        config_map.name_any(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(name: &str, resource: &str) -> PartialObjectMeta<ConfigMap> {
        PartialObjectMeta {
            metadata: ObjectMeta {
                namespace: Some("team-a".to_owned()),
                name: Some(name.to_owned()),
                labels: Some([(LABEL_NAME.to_owned(), resource.to_owned())].into()),
                ..ObjectMeta::default()
            },
            ..PartialObjectMeta::default()
        }
    }

    fn labelled(watched: &WatchedConfigMaps, namespace: &str, resource: &str) -> Vec<String> {
        let found = watched.labelled(namespace, resource).into_iter();
        found.filter_map(|metadata| metadata.name).collect()
    }

    #[test]
    fn follows_changes_of_label_and_deletion() {
        let watched = WatchedConfigMaps::default();
        for name in ["a", "b"] {
            watched.apply(&Event::Apply(config_map(name, "claude")));
        }
        assert_eq!(labelled(&watched, "team-a", "claude"), ["a", "b"]);
        assert!(labelled(&watched, "team-b", "claude").is_empty());
        watched.apply(&Event::Apply(config_map("a", "nova")));
        watched.apply(&Event::Delete(config_map("b", "claude")));
        assert!(labelled(&watched, "team-a", "claude").is_empty());
        assert_eq!(labelled(&watched, "team-a", "nova"), ["a"]);
        assert_eq!(watched.get("team-a", "b"), None);
        assert_eq!(watched.get("team-b", "a"), None);
        let entries = watched.0.lock();
        assert_eq!((entries.config_maps.len(), entries.names.len()), (1, 1));
    }

    #[test]
    fn metadata_is_as_the_watch_showed_it() {
        let watched = WatchedConfigMaps::default();
        let metadata: ObjectMeta = serde_json::from_value(serde_json::json!({
            "name": "a", "namespace": "team-a", "uid": "c", "resourceVersion": "7",
            "deletionTimestamp": "2026-11-29T17:00:00Z",
            "labels": {LABEL_NAME: "claude", "other": ""},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p", "controller": true},
            ],
        }))
        .unwrap();
        watched.apply(&Event::Apply(PartialObjectMeta {
            metadata: metadata.clone(),
            ..PartialObjectMeta::default()
        }));
        assert_eq!(watched.get("team-a", "a"), Some(metadata.clone()));
        assert_eq!(watched.labelled("team-a", "claude"), [metadata]);
    }

    #[test]
    fn relist_removes_missing_config_maps() {
        let watched = WatchedConfigMaps::default();
        for name in ["a", "b"] {
            watched.apply(&Event::Apply(config_map(name, "claude")));
        }
        watched.apply(&Event::Init);
        watched.apply(&Event::InitApply(config_map("b", "claude")));
        assert_eq!(labelled(&watched, "team-a", "claude"), ["a", "b"]);
        watched.apply(&Event::InitDone);
        assert_eq!(labelled(&watched, "team-a", "claude"), ["b"]);
    }
}

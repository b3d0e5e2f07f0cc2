//! The watched `ConfigMaps`, by name and by the resource that their label names.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::Event;
use parking_lot::Mutex;

use super::shared_values::SharedValues;
use crate::api::{LABEL_NAME, LABEL_REGION};

/// Metadata of the `ConfigMaps` that the watch shows. They are many, some thirty a resource.
#[derive(Debug, Default)]
pub(super) struct WatchedConfigMaps(Mutex<Entries>);

/// Keys are `namespace/name`.
#[derive(Debug, Default)]
struct Entries {
    config_maps: HashMap<Arc<str>, PackedMeta>,
    /// Keys of the `ConfigMaps` of each resource, so that a prune reads those of its resource only.
    of_resource: HashMap<String, BTreeSet<Arc<str>>>,
    /// What several `ConfigMaps` have in common, by itself.
    common: SharedValues<str>,
}

/// Metadata without namespace and name, as JSON: two pieces of memory in place of dozens.
#[derive(Debug)]
struct PackedMeta {
    own: Box<str>,
    /// Labels and owner, which the `ConfigMaps` of a resource have in common.
    common: Arc<str>,
    /// Whether the list under way has shown it, or the last one.
    is_listed: bool,
}

impl PackedMeta {
    fn pack(metadata: &ObjectMeta, common: &SharedValues<str>) -> Self {
        let mut labels = metadata.labels.clone();
        let region = labels.as_mut().and_then(|l| l.remove_entry(LABEL_REGION));
        let own = json(&ObjectMeta {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            deletion_timestamp: metadata.deletion_timestamp.clone(),
            labels: region.map(|region| [region].into()),
            ..ObjectMeta::default()
        });
        let shared = json(&ObjectMeta {
            labels,
            owner_references: metadata.owner_references.clone(),
            ..ObjectMeta::default()
        });
        Self {
            own: own.into(),
            common: common.share(&shared, Arc::from(shared.as_str())),
            is_listed: true,
        }
    }

    /// None: never, for what `pack` wrote.
    fn unpack(&self, key: &str) -> Option<ObjectMeta> {
        let (namespace, name) = key.split_once('/')?;
        let own = self.unpack_own()?;
        let mut metadata: ObjectMeta = serde_json::from_str(&self.common).ok()?;
        if let Some(region) = own.labels {
            metadata.labels.get_or_insert_default().extend(region);
        }
        Some(ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            labels: metadata.labels,
            owner_references: metadata.owner_references,
            ..own
        })
    }

    fn unpack_own(&self) -> Option<ObjectMeta> {
        serde_json::from_str(&self.own).ok()
    }
}

/// Metadata has string keys only, so that it is representable.
fn json(metadata: &ObjectMeta) -> String {
    serde_json::to_string(metadata).unwrap_or_default()
}

impl WatchedConfigMaps {
    /// Follows the watch.
    pub(super) fn apply(&self, event: &Event<PartialObjectMeta<ConfigMap>>) {
        let mut entries = self.0.lock();
        match event {
            Event::Apply(config_map) | Event::InitApply(config_map) => entries.insert(config_map),
            Event::Delete(config_map) => entries.remove(&key_of(config_map)),
            Event::Init => {
                for packed in entries.config_maps.values_mut() {
                    packed.is_listed = false;
                }
            }
            Event::InitDone => {
                let all = entries.config_maps.iter();
                let gone: Vec<Arc<str>> = all
                    .filter(|(_, packed)| !packed.is_listed)
                    .map(|(key, _)| Arc::clone(key))
                    .collect();
                for key in gone {
                    entries.remove(&key);
                }
            }
        }
    }

    /// Version of the `ConfigMap` with this name.
    pub(super) fn version(&self, namespace: &str, name: &str) -> Option<String> {
        let entries = self.0.lock();
        let packed = entries.config_maps.get(key(namespace, name).as_str())?;
        packed.unpack_own()?.resource_version
    }

    /// Metadata of the `ConfigMaps` with the label of this resource, by name.
    pub(super) fn labelled(&self, namespace: &str, resource: &str) -> Vec<ObjectMeta> {
        let entries = self.0.lock();
        let keys = entries.of_resource.get(&key(namespace, resource));
        keys.into_iter()
            .flatten()
            .filter_map(|key| entries.config_maps.get(key)?.unpack(key))
            .collect()
    }
}

impl Entries {
    fn insert(&mut self, config_map: &PartialObjectMeta<ConfigMap>) {
        let key: Arc<str> = key_of(config_map).into();
        self.remove(&key);
        if let Some(resource) = resource_of(&key, &config_map.metadata) {
            let keys = self.of_resource.entry(resource).or_default();
            keys.insert(Arc::clone(&key));
        }
        let packed = PackedMeta::pack(&config_map.metadata, &self.common);
        self.config_maps.insert(key, packed);
    }

    fn remove(&mut self, key: &str) {
        let packed = self.config_maps.remove(key);
        let metadata = packed.and_then(|packed| packed.unpack(key));
        let Some(resource) = metadata.and_then(|metadata| resource_of(key, &metadata)) else {
            return;
        };
        if let Some(keys) = self.of_resource.get_mut(&resource) {
            keys.remove(key);
            if keys.is_empty() {
                self.of_resource.remove(&resource);
            }
        }
    }
}

/// The resource that the label of a `ConfigMap` with this key names.
fn resource_of(config_map: &str, metadata: &ObjectMeta) -> Option<String> {
    let (namespace, _) = config_map.split_once('/')?;
    let name = metadata.labels.as_ref()?.get(LABEL_NAME)?;
    Some(key(namespace, name))
}

fn key_of(config_map: &PartialObjectMeta<ConfigMap>) -> String {
    let namespace = config_map.namespace().unwrap_or_default();
    key(&namespace, &config_map.name_any())
}

fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
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
        assert_eq!(watched.version("team-a", "b"), None);
        assert_eq!(watched.version("team-b", "a"), None);
        let entries = watched.0.lock();
        let lengths = (entries.config_maps.len(), entries.of_resource.len());
        assert_eq!(lengths, (1, 1));
    }

    #[test]
    fn metadata_is_as_the_watch_showed_it() {
        let watched = WatchedConfigMaps::default();
        let metadata: ObjectMeta = serde_json::from_value(serde_json::json!({
            "name": "a", "namespace": "team-a", "uid": "c", "resourceVersion": "7",
            "deletionTimestamp": "2026-11-29T17:00:00Z",
            "labels": {LABEL_NAME: "claude", LABEL_REGION: "us-east-1", "other": ""},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p", "controller": true},
            ],
        }))
        .unwrap();
        watched.apply(&Event::Apply(PartialObjectMeta {
            metadata: metadata.clone(),
            ..PartialObjectMeta::default()
        }));
        assert_eq!(watched.version("team-a", "a").as_deref(), Some("7"));
        assert_eq!(watched.labelled("team-a", "claude"), [metadata]);
    }

    #[test]
    fn config_maps_of_a_resource_share_labels_and_owner() {
        let watched = WatchedConfigMaps::default();
        for (name, region) in [("a", "us-east-1"), ("b", "eu-west-1")] {
            let mut config_map = config_map(name, "claude");
            let labels = config_map.metadata.labels.get_or_insert_default();
            labels.insert(LABEL_REGION.to_owned(), region.to_owned());
            config_map.metadata.uid = Some(name.to_owned());
            watched.apply(&Event::Apply(config_map));
        }
        let entries = watched.0.lock();
        let common = |key| &entries.config_maps[key].common;
        assert!(Arc::ptr_eq(common("team-a/a"), common("team-a/b")));
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

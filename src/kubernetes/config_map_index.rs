//! Index of the watched `ConfigMaps` by the resource that their label names.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use parking_lot::Mutex;

use crate::api::LABEL_NAME;

/// Namespace and name.
type Key = (String, String);

/// Names of `ConfigMaps` by namespace and label, so that a prune reads those of its resource only.
#[derive(Debug, Default)]
pub(super) struct ConfigMapIndex {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Resource of each `ConfigMap`.
    resources: HashMap<Key, Key>,
    /// Names of the `ConfigMaps` of each resource.
    names: HashMap<Key, BTreeSet<String>>,
    /// `ConfigMaps` in the list under way; `None` outside of a list.
    listed: Option<BTreeSet<Key>>,
}

impl ConfigMapIndex {
    /// Follows the watch.
    pub(super) fn apply(&self, event: &Event<PartialObjectMeta<ConfigMap>>) {
        let mut entries = self.entries.lock();
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
                    .resources
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

    /// Names of the `ConfigMaps` with the label of this resource.
    pub(super) fn names(&self, namespace: &str, resource: &str) -> Vec<String> {
        let key = (namespace.to_owned(), resource.to_owned());
        let entries = self.entries.lock();
        entries
            .names
            .get(&key)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

impl Entries {
    fn insert(&mut self, config_map: &PartialObjectMeta<ConfigMap>) {
        let key = key(config_map);
        self.remove(&key);
        let Some(resource) = config_map.labels().get(LABEL_NAME) else {
            return;
        };
        let resource = (key.0.clone(), resource.clone());
        self.names
            .entry(resource.clone())
            .or_default()
            .insert(key.1.clone());
        self.resources.insert(key, resource);
    }

    fn remove(&mut self, key: &Key) {
        let Some(resource) = self.resources.remove(key) else {
            return;
        };
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
    use kube::core::ObjectMeta;

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

    #[test]
    fn follows_changes_of_label_and_deletion() {
        let index = ConfigMapIndex::default();
        for name in ["a", "b"] {
            index.apply(&Event::Apply(config_map(name, "claude")));
        }
        assert_eq!(index.names("team-a", "claude"), ["a", "b"]);
        assert!(index.names("team-b", "claude").is_empty());
        index.apply(&Event::Apply(config_map("a", "nova")));
        index.apply(&Event::Delete(config_map("b", "claude")));
        assert!(index.names("team-a", "claude").is_empty());
        assert_eq!(index.names("team-a", "nova"), ["a"]);
        let entries = index.entries.lock();
        assert_eq!((entries.resources.len(), entries.names.len()), (1, 1));
    }

    #[test]
    fn relist_removes_missing_config_maps() {
        let index = ConfigMapIndex::default();
        for name in ["a", "b"] {
            index.apply(&Event::Apply(config_map(name, "claude")));
        }
        index.apply(&Event::Init);
        index.apply(&Event::InitApply(config_map("b", "claude")));
        assert_eq!(index.names("team-a", "claude"), ["a", "b"]);
        index.apply(&Event::InitDone);
        assert_eq!(index.names("team-a", "claude"), ["b"]);
    }
}

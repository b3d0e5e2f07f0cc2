//! Objects that this version cannot deserialize.

use std::collections::HashSet;

use kube::core::{DeserializeGuard, ObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Resource, ResourceExt as _};

use crate::api::{BedrockModelMap, BedrockModelMapSpec};

/// Unreadable objects of a watch, each logged once.
pub(super) struct Unreadable<K: Resource<DynamicType = ()>> {
    logged: HashSet<ObjectRef<K>>,
    /// Makes an object with this metadata only.
    stub: fn(ObjectMeta) -> K,
}

impl<K: Resource<DynamicType = ()>> Unreadable<K> {
    pub(super) fn new(stub: fn(ObjectMeta) -> K) -> Self {
        Self {
            logged: HashSet::new(),
            stub,
        }
    }

    /// Turns an unreadable object into a deletion, so that the operator neither works with it from
    /// memory nor keeps it after its real deletion.
    pub(super) fn removed(
        &mut self,
        event: watcher::Event<DeserializeGuard<K>>,
    ) -> watcher::Event<K> {
        match event {
            watcher::Event::Apply(guard) => match self.read(guard) {
                Ok(object) => watcher::Event::Apply(object),
                Err(stub) => watcher::Event::Delete(stub),
            },
            watcher::Event::InitApply(guard) => match self.read(guard) {
                Ok(object) => watcher::Event::InitApply(object),
                Err(stub) => watcher::Event::Delete(stub),
            },
            watcher::Event::Delete(guard) => {
                let stub = self.stub;
                let deleted = guard.0.unwrap_or_else(|invalid| stub(invalid.metadata));
                self.logged.remove(&ObjectRef::from_obj(&deleted));
                watcher::Event::Delete(deleted)
            }
            watcher::Event::Init => watcher::Event::Init,
            watcher::Event::InitDone => watcher::Event::InitDone,
        }
    }

    /// The object, or a stub of an unreadable one.
    fn read(&mut self, guard: DeserializeGuard<K>) -> Result<K, K> {
        match guard.0 {
            Ok(object) => {
                self.logged.remove(&ObjectRef::from_obj(&object));
                Ok(object)
            }
            Err(invalid) => {
                let stub = (self.stub)(invalid.metadata);
                if self.logged.insert(ObjectRef::from_obj(&stub)) {
                    tracing::warn!(
                        namespace = stub.namespace().unwrap_or_default(),
                        name = stub.name_any(),
                        "ignoring a {} that cannot be read: {}; install the CustomResourceDefinition of this version, or correct the resource",
                        K::kind(&()),
                        invalid.error
                    );
                }
                Err(stub)
            }
        }
    }
}

/// A `BedrockModelMap` with this metadata only.
pub(super) fn unspecified(metadata: ObjectMeta) -> BedrockModelMap {
    BedrockModelMap {
        metadata,
        spec: BedrockModelMapSpec::default(),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector;
    use serde_json::json;

    use super::*;

    fn guard(compression: &str) -> DeserializeGuard<BedrockModelMap> {
        serde_json::from_value(json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": "claude", "namespace": "team-a", "uid": "u"},
            "spec": {"output": {"compression": compression}},
        }))
        .unwrap()
    }

    #[test]
    fn unreadable_resource_is_removed_from_store() {
        let (store, mut writer) = reflector::store();
        let mut unreadable = Unreadable::new(unspecified);
        let mut apply = |event| writer.apply_watcher_event(&unreadable.removed(event));
        apply(watcher::Event::Init);
        apply(watcher::Event::InitApply(guard("Always")));
        apply(watcher::Event::InitDone);
        assert_eq!(store.len(), 1);
        apply(watcher::Event::Apply(guard("Zstd")));
        assert_eq!(store.len(), 0);
        apply(watcher::Event::Apply(guard("Always")));
        assert_eq!(store.len(), 1);
        apply(watcher::Event::Delete(guard("Zstd")));
        assert_eq!(store.len(), 0);
    }
}

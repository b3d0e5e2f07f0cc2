//! What the operator keeps in memory of a watched ConfigMap's metadata: what its decisions read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{KIND, LABEL_CONTENT, LABEL_MANAGED_BY, LABEL_NAME, LABEL_REGION};

const LABELS: [&str; 4] = [LABEL_MANAGED_BY, LABEL_NAME, LABEL_CONTENT, LABEL_REGION];

/// Owner references kept: the controller, and our resource if it is not that.
const MAX_OWNER_REFERENCES: usize = 8;

/// The metadata that decisions read. Anybody may create objects with the operator's labels and hundreds
/// of kilobytes of annotations.
pub fn kept_metadata(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        deletion_timestamp: metadata.deletion_timestamp,
        labels: metadata.labels.map(|mut labels| {
            labels.retain(|key, _| LABELS.contains(&key.as_str()));
            labels
        }),
        owner_references: metadata.owner_references.map(|mut references| {
            references
                .retain(|reference| reference.controller == Some(true) || reference.kind == KIND);
            references.truncate(MAX_OWNER_REFERENCES);
            references
        }),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_used_metadata_is_kept() {
        let kept = json!({
            "name": "claude-us-east-1", "namespace": "team-a", "uid": "c", "resourceVersion": "1",
            "deletionTimestamp": "2026-11-29T17:00:00Z",
            "labels": LABELS.map(|label| (label, "x")).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p", "controller": true},
                {"apiVersion": "v1", "kind": KIND, "name": "claude", "uid": "u"},
            ],
        });
        let mut seen = kept.clone();
        seen["annotations"] = json!({"note": "x".repeat(200_000)});
        seen["labels"]["note"] = json!("x");
        seen["finalizers"] = json!(["example.com/keep"]);
        let owners = seen["ownerReferences"].as_array_mut().unwrap();
        owners.insert(
            0,
            json!({"apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "q"}),
        );
        let seen = serde_json::from_value(seen).unwrap();
        assert_eq!(serde_json::to_value(kept_metadata(seen)).unwrap(), kept);
    }
}

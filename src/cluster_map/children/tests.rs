use serde_json::{Value, json};

use super::*;

fn map(uid: &str, spec: &Value) -> ClusterBedrockModelMap {
    serde_json::from_value(json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "ClusterBedrockModelMap",
        "metadata": {"name": "claude", "uid": uid, "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}

type Edit = fn(&mut BedrockModelMap);

fn spec() -> Value {
    json!({
        "namespaceSelector": {},
        "template": {
            "metadata": {"labels": {"team": "platform"}, "annotations": {"note": "n"}},
            "spec": {"regions": ["us-east-1"]},
        },
    })
}

fn desired(map: &ClusterBedrockModelMap) -> DesiredChild<'_> {
    DesiredChild::new(map, "bedrock.modelmap.dev/v1alpha1".to_owned()).unwrap()
}

#[test]
fn only_controller_reference_with_our_uid_makes_child_ours() {
    let map = map("ours", &spec());
    let desired = desired(&map);
    let owner = |kind: &str, group: &str, uid: &str, controller: bool| json!([{"apiVersion": format!("{group}/v1alpha1"), "kind": kind, "name": "claude", "uid": uid, "controller": controller}]);
    let (kind, group) = ("ClusterBedrockModelMap", "bedrock.modelmap.dev");
    let cases = [
        (owner(kind, group, "ours", true), true),
        (owner(kind, group, "another", true), false),
        (owner(kind, group, "ours", false), false),
        (owner("Deployment", group, "ours", true), false),
        (owner(kind, "example.com", "ours", true), false),
        (json!([]), false),
    ];
    for (owners, expected) in cases {
        let metadata = json!({"labels": {LABEL_CLUSTER_MAP: "claude"}, "ownerReferences": owners});
        let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
        assert_eq!(desired.owns(&metadata), expected, "{metadata:?}");
    }
    let child = desired.create("team-a");
    assert!(desired.owns(&child.metadata));
    assert_eq!(desired.difference(&child), Difference::None);
}

#[test]
fn edits_are_drift_and_earlier_templates_outdated() {
    let before = map("ours", &spec());
    let child = desired(&before).create("team-a");
    let edits: [(Edit, Difference); 6] = [
        (|c| c.spec.suspend = true, Difference::Drift),
        (|c| c.metadata.labels = None, Difference::Drift),
        (
            |c| {
                let labels = c.metadata.labels.as_mut().unwrap();
                labels.insert("team".to_owned(), "other".to_owned());
            },
            Difference::Drift,
        ),
        (
            |c| {
                let labels = c.metadata.labels.as_mut().unwrap();
                labels.insert("cost-center".to_owned(), "1".to_owned());
            },
            Difference::None,
        ),
        (|c| c.metadata.annotations = None, Difference::Outdated),
        (
            |c| {
                let annotations = c.metadata.annotations.as_mut().unwrap();
                annotations.remove("note");
            },
            Difference::Drift,
        ),
    ];
    for (index, (edit, expected)) in edits.into_iter().enumerate() {
        let mut edited = child.clone();
        edit(&mut edited);
        assert_eq!(
            desired(&before).difference(&edited),
            expected,
            "edit {index}"
        );
        let repaired = desired(&before).replace(edited);
        assert_eq!(desired(&before).difference(&repaired), Difference::None);
    }
    let mut changed = spec();
    changed["template"]["spec"]["regions"] = json!(["us-east-2"]);
    let after = map("ours", &changed);
    assert_eq!(desired(&after).difference(&child), Difference::Outdated);
    let mut requested = before.clone();
    let token = (ANNOTATION_REQUESTED_AT.to_owned(), "1".to_owned());
    requested.metadata.annotations = Some([token].into());
    assert_eq!(desired(&requested).difference(&child), Difference::Drift);
}

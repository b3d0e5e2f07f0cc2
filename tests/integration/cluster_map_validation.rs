//! What the API server takes, refuses, fills in and shows of cluster maps, by the CRD alone.

use serde_json::{Value, json};

use crate::support::Cluster;

fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "ClusterBedrockModelMap",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A valid spec with this in addition.
fn with(field: &str, value: Value) -> Value {
    let mut spec = json!({"namespaceSelector": {}, "template": {}});
    spec[field] = value;
    spec
}

fn with_template(metadata: &Value, spec: &Value) -> Value {
    with("template", json!({"metadata": metadata, "spec": spec}))
}

fn selector(operator: &str, values: &Value) -> Value {
    let expression = json!({"key": "bedrock", "operator": operator, "values": values});
    with(
        "namespaceSelector",
        json!({"matchExpressions": [expression]}),
    )
}

/// What is wrong, the object, and what the API server says.
fn bad() -> Vec<(&'static str, Value, &'static str)> {
    let globs = |globs: Value| with("excludeNamespaces", globs);
    let reserved = json!({"labels": {"bedrock.modelmap.dev/cluster-map": "x"}});
    let reserved_annotation = json!({"annotations": {"bedrock.modelmap.dev/requestedAt": "1"}});
    let many: serde_json::Map<String, Value> =
        (0..33).map(|n| (format!("key-{n}"), json!(""))).collect();
    let rows = [
        (
            "no selector",
            json!({"template": {}}),
            "spec.namespaceSelector: Required value",
        ),
        (
            "no template",
            json!({"namespaceSelector": {}}),
            "spec.template: Required value",
        ),
        (
            "unknown operator",
            selector("Like", &json!(["x"])),
            "Unsupported value: \"Like\"",
        ),
        (
            "too many globs",
            globs(json!(vec!["x"; 65])),
            "must have at most 64 items",
        ),
        (
            "glob with capitals",
            globs(json!(["Kube-*"])),
            "must be a glob on namespaces, such as kube-*",
        ),
        (
            "unknown rollout",
            with("rollout", json!("Sometimes")),
            "spec.rollout: Unsupported value: \"Sometimes\"",
        ),
        (
            "reserved label",
            with_template(&reserved, &json!({})),
            "reserved for the operator: bedrock.modelmap.dev/cluster-map",
        ),
        (
            "reserved annotation",
            with_template(&reserved_annotation, &json!({})),
            "reserved for the operator: bedrock.modelmap.dev/requestedAt",
        ),
        (
            "bad label value",
            with_template(&json!({"labels": {"team": "a b"}}), &json!({})),
            "spec.template.metadata.labels",
        ),
        (
            "too many labels",
            with_template(&json!({"labels": many}), &json!({})),
            "must have at most 32 items",
        ),
        (
            "bad region in the template",
            with_template(&json!({}), &json!({"regions": ["mars"]})),
            "must be the name of an AWS region, such as us-east-1",
        ),
        (
            "interval out of bounds in the template",
            with_template(&json!({}), &json!({"refreshInterval": "1s"})),
            "refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "external ID without a role in the template",
            with_template(&json!({}), &json!({"aws": {"externalId": "team-a"}})),
            "externalId needs roleArn",
        ),
    ];
    let rows = rows.map(|(what, spec, message)| (what, object("bad", &spec), message));
    let long_name = (
        "name too long",
        object(&"n".repeat(64), &with("rollout", json!("Guarded"))),
        "metadata.name must have at most 63 characters: it is used as a label value",
    );
    rows.into_iter().chain([long_name]).collect()
}

#[tokio::test]
async fn invalid_cluster_maps_are_rejected_with_message() {
    let cluster = Cluster::shared().await;
    let mut failures = Vec::new();
    for (what, object, message) in bad() {
        let create = ["create", "--dry-run=server", "-f", "-"];
        let output = cluster.kubectl(&create, &object.to_string()).await;
        if output.success || !output.stderr.contains(message) {
            failures.push(format!("{what}: wanted {message:?}, got: {output}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn valid_cluster_maps_are_stored_with_defaults() {
    let cluster = Cluster::shared().await;
    let good = [
        ("minimal", with("template", json!({}))),
        (
            "everything left out of the template",
            selector("Exists", &json!([])),
        ),
        ("expression", selector("NotIn", &json!(["no", "never"]))),
        (
            "no namespace excluded",
            with("excludeNamespaces", json!([])),
        ),
        ("immediate", with("rollout", json!("Immediate"))),
        (
            "template",
            with_template(
                &json!({"labels": {"team": "a"}, "annotations": {"note": "any text, at all"}}),
                &json!({"regions": ["us-east-1"], "deletionPolicy": "Retain"}),
            ),
        ),
    ];
    for (what, spec) in good {
        let create = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let object = object("good", &spec).to_string();
        let created = cluster.run(&create, &object).await;
        let created = created.unwrap_or_else(|refused| panic!("{what}: {refused}"));
        let created: Value = serde_json::from_str(&created).unwrap();
        let stored = &created["spec"];
        for (field, default) in [
            ("excludeNamespaces", json!(["kube-*"])),
            ("rollout", json!("Guarded")),
        ] {
            let expected = spec.get(field).unwrap_or(&default);
            assert_eq!(&stored[field], expected, "{what}: {field}");
        }
        let template = &stored["template"]["spec"];
        assert_eq!(template["refreshInterval"], "6h", "{what}: {template}");
    }
}

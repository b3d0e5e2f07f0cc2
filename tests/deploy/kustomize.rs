//! The Kustomize bases make the same objects as the chart.

use serde_json::{Value, json};

use crate::manifests::{self, NAME, by_identity, chart, kustomize, objects};

/// Without what only Helm writes, so that the rest can be compared.
fn without_helm(mut object: Value) -> Value {
    let is_policy = object["apiVersion"] == "admissionregistration.k8s.io/v1";
    let metadata = object["metadata"].as_object_mut().unwrap();
    if is_policy {
        // Kustomize 5.8 takes policies for namespaced; the API server drops the namespace.
        metadata.remove("namespace");
    }
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        labels.remove("helm.sh/chart");
        labels.remove("app.kubernetes.io/managed-by");
    }
    if let Some(notes) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        notes.remove("helm.sh/resource-policy");
        if notes.is_empty() {
            metadata.remove("annotations");
        }
    }
    object
}

fn assert_same_objects(folders: &[&str], arguments: &[&str], of_kustomize_alone: &[&str]) {
    let bases = folders
        .iter()
        .flat_map(|folder| objects(&kustomize(folder)));
    let bases = by_identity(bases.map(without_helm).collect());
    let chart = objects(&chart(arguments).unwrap());
    let chart = by_identity(chart.into_iter().map(without_helm).collect());
    let mut names: Vec<&String> = bases.keys().collect();
    names.retain(|name| !of_kustomize_alone.contains(&name.as_str()));
    assert_eq!(names, chart.keys().collect::<Vec<_>>());
    for (identity, object) in &chart {
        manifests::assert_same(identity, &bases[identity], object);
    }
}

#[test]
fn kustomize_bases_and_chart_render_same_objects() {
    assert_same_objects(&["default"], &[], &["Namespace /bedrock-model-map"]);
    assert_same_objects(
        &["namespaced"],
        &[
            "--set",
            &format!("watchNamespaces={{{NAME}}},crds.install=false"),
        ],
        &[],
    );
    assert_same_objects(
        &["default", "prometheus"],
        &[
            "--set",
            "metrics.podMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true",
        ],
        &["Namespace /bedrock-model-map"],
    );
}

#[test]
fn operator_namespace_enforces_restricted_pods() {
    let bases = by_identity(objects(&kustomize("default")));
    let labels = &bases["Namespace /bedrock-model-map"]["metadata"]["labels"];
    assert_eq!(
        labels["pod-security.kubernetes.io/enforce"],
        json!("restricted")
    );
}

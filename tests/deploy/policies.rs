//! Admission policies on a real API server.

use std::fs;

use control_plane::ControlPlane;
use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};
use crate::manifests::{NAME, chart};
use crate::tools::ROOT;

/// User that a Pod of the operator is to the API server.
const OPERATOR: &str = "--as=system:serviceaccount:bedrock-model-map:bedrock-model-map";
const MANAGED: &str = "app.kubernetes.io/managed-by=bedrock-model-map";

#[tokio::test]
async fn operator_writes_only_labelled_config_maps() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    cluster.kubectl(&["create", "namespace", NAME]).await;
    cluster.apply(&chart(&[]).unwrap()).await;
    let label = async |namespace: &str, name: &str, label: &str, user: &[&str]| {
        let command = [
            "label",
            "--overwrite",
            "-n",
            namespace,
            "configmap",
            name,
            label,
        ];
        cluster.try_kubectl(&[&command[..], user].concat()).await
    };
    let create = async |namespace: &str, name: &str| {
        let command = ["create", "configmap", name, "-n", namespace];
        cluster.kubectl(&command).await;
    };
    create("default", "foreign").await;
    create("kube-system", "system").await;
    // `kubectl label` sends a PATCH, which the operator's role does not include.
    let patch = [
        "--clusterrole=cluster-admin",
        "--serviceaccount=bedrock-model-map:bedrock-model-map",
    ];
    cluster
        .kubectl(&[&["create", "clusterrolebinding", "any-verb"][..], &patch].concat())
        .await;

    let said = async |outcome: Result<String, _>, expected: &str| match outcome {
        Err(error) => format!("{error:?}").contains(expected),
        Ok(_) => false,
    };
    // The API server takes a moment to load a policy; until then, a dry run leaves nothing behind.
    eventually("refused write", async || {
        let created = cluster
            .try_kubectl(&["create", "configmap", "new", "--dry-run=server", OPERATOR])
            .await;
        said(created, "only ConfigMaps with the label").await
    })
    .await
    .unwrap();
    let adopted = label("default", "foreign", MANAGED, &[OPERATOR]).await;
    assert!(said(adopted, "only ConfigMaps with the label").await);
    let created = cluster
        .try_kubectl(&["create", "configmap", "new", OPERATOR])
        .await;
    assert!(said(created, "only ConfigMaps with the label").await);
    let deleted = cluster
        .try_kubectl(&["delete", "configmap", "foreign", OPERATOR])
        .await;
    assert!(said(deleted, "only ConfigMaps with the label").await);
    label("kube-system", "system", MANAGED, &[]).await.unwrap();
    let system = label("kube-system", "system", "a=b", &[OPERATOR]).await;
    assert!(said(system, "kube-system").await);

    // Its own ConfigMap, also after another user has removed the label.
    create("default", "own").await;
    label("default", "own", MANAGED, &[]).await.unwrap();
    label("default", "own", "a=b", &[OPERATOR]).await.unwrap();
    let removed = label(
        "default",
        "own",
        "app.kubernetes.io/managed-by-",
        &[OPERATOR],
    )
    .await;
    assert!(said(removed, "only ConfigMaps with the label").await);
    let owner = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "stripped",
            "namespace": "default",
            "ownerReferences": [{
                "apiVersion": "bedrock.modelmap.dev/v1alpha1",
                "kind": "BedrockModelMap",
                "name": "claude",
                "uid": "0d3f0b5e-0000-4000-8000-000000000000",
                "controller": true,
            }],
        },
    });
    cluster.apply(&owner.to_string()).await;
    label("default", "stripped", MANAGED, &[OPERATOR])
        .await
        .unwrap();
    cluster
        .kubectl(&["delete", "configmap", "own", OPERATOR])
        .await;
}

#[tokio::test]
async fn sample_policy_limits_resources() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    let read = |path: &str| fs::read_to_string(format!("{ROOT}/{path}")).unwrap();
    cluster.apply(&read("crds/bedrockmodelmaps.yaml")).await;
    let definition = "crd/bedrockmodelmaps.bedrock.modelmap.dev";
    cluster
        .kubectl(&["wait", "--for=condition=Established", definition])
        .await;
    cluster
        .apply(&read("examples/kubernetes/policy.yaml"))
        .await;
    let resource = |spec: Value| {
        json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": "claude", "namespace": "default"},
            "spec": spec,
        })
        .to_string()
    };
    eventually("refused resource", async || {
        cluster.dry_run(&resource(json!({}))).await.is_err()
    })
    .await
    .unwrap();
    let regions = json!(["eu-central-1"]);
    for (spec, expected) in [
        (json!({"regions": ["us-east-1"]}), "regions of the EU"),
        (
            json!({"regions": regions, "refreshInterval": "59m"}),
            "at least 1h",
        ),
        (
            json!({"regions": regions, "output": {"labels": {"team": "a"}}}),
            "spec.output.labels",
        ),
        (
            json!({"regions": regions, "output": {"annotations": {"team": "a"}}}),
            "spec.output.annotations",
        ),
    ] {
        let refused = cluster.dry_run(&resource(spec)).await.unwrap_err();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    let accepted = json!({"regions": regions, "output": {"labels": {"example.com/team": "a"}}});
    cluster.dry_run(&resource(accepted)).await.unwrap();
}

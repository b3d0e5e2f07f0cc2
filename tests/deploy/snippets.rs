//! JSON and YAML in the documents can be read, and YAML is taken by what it is for.

use std::fs;

use control_plane::{ControlPlane, binaries};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::manifests::{chart, objects, only};
use crate::markdown::{Block, documents};
use crate::tools::{ROOT, run};

fn blocks(language: &str) -> Vec<Block> {
    let all = documents().into_iter().flat_map(|document| document.blocks);
    let found: Vec<Block> = all.filter(|block| block.language == language).collect();
    assert!(found.len() > 3, "{found:?}");
    found
}

#[test]
fn document_json_parses() {
    for Block { place, text, .. } in blocks("json") {
        let read = serde_json::from_str::<Value>(&text);
        assert!(read.is_ok(), "{place}: {read:?}");
    }
}

#[tokio::test]
async fn document_yaml_is_accepted() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    let definition = fs::read_to_string(format!("{ROOT}/crds/bedrockmodelmaps.yaml")).unwrap();
    cluster.apply(&definition).await;
    let all = ["wait", "--for=condition=Established", "crd", "--all"];
    cluster.kubectl(&all).await;
    let foreign_definitions = std::env::var("CONSUMER_CRDS").ok();
    if let Some(folder) = &foreign_definitions {
        cluster.kubectl(&["create", "-f", folder]).await;
        let all = ["wait", "--for=condition=Established", "crd", "--all"];
        cluster.kubectl(&all).await;
        let namespaces = ["create", "namespace", "argocd"];
        cluster.kubectl(&namespaces).await;
        cluster
            .kubectl(&["create", "namespace", "flux-system"])
            .await;
    }
    for Block { place, text, .. } in blocks("yaml") {
        let value: Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
        if is_foreign(&value) {
            // CONSUMER_CRDS is a folder with the definitions of these kinds, as `make test-consumers` has it.
            if foreign_definitions.is_some() {
                let taken = cluster.dry_run(&text).await;
                taken.unwrap_or_else(|refused| panic!("{place}: {refused}"));
            }
            continue;
        }
        if value["resources"] == json!(["deployment.yaml"]) {
            let made = application(&control_plane, &text);
            let taken = cluster.dry_run(&made).await;
            taken.unwrap_or_else(|refused| panic!("{place}: {refused}"));
            continue;
        }
        let taken = if ["v1", "apps/v1"]
            .iter()
            .any(|built_in| value["apiVersion"] == *built_in)
            || value["kind"] == "ClusterBedrockModelMap"
        {
            cluster.dry_run(&text).await
        } else if value["patches"].is_array() {
            overlay(&control_plane, value)
        } else if value["volumes"].is_array() {
            cluster.dry_run(&pod(value).to_string()).await
        } else if value["spec"].is_object() {
            cluster.dry_run(&resource(&value).to_string()).await
        } else {
            // The chart's schema knows all values.
            values(&control_plane, &value)
        };
        taken.unwrap_or_else(|refused| panic!("{place}: {refused}"));
    }
}

/// Whether the kind is that of a consumer, whose definition the API server lacks.
fn is_foreign(value: &Value) -> bool {
    const GROUPS: [&str; 4] = [
        "aigateway.envoyproxy.io",
        "argoproj.io",
        "kagent.dev",
        "kustomize.toolkit.fluxcd.io",
    ];
    let version = value["apiVersion"].as_str().unwrap_or_default();
    GROUPS.iter().any(|group| version.starts_with(group))
}

/// What the overlay makes of a Deployment without variables.
fn application(control_plane: &ControlPlane, overlay: &str) -> String {
    let folder = control_plane.folder().join("application");
    fs::create_dir(&folder).unwrap();
    let labels = json!({"app": "app"});
    let containers = json!([{"name": "app", "image": "example.com/app"}]);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": containers}}},
    });
    fs::write(folder.join("deployment.yaml"), deployment.to_string()).unwrap();
    fs::write(folder.join("kustomization.yaml"), overlay).unwrap();
    let kubectl = binaries::locate().unwrap().kubectl;
    let made = run(&kubectl, &["kustomize", folder.to_str().unwrap()], "").unwrap();
    let deployment = only(&objects(&made), "Deployment").clone();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let expected = json!([{"configMapRef": {"name": "claude-us-east-1-env"}}]);
    assert_eq!(container["envFrom"], expected);
    made
}

/// A Pod of which the document shows a part.
fn pod(mut spec: Value) -> Value {
    for container in spec["containers"].as_array_mut().unwrap() {
        container["image"] = json!("example.com/app");
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": spec})
}

/// A resource of which the document shows a part.
fn resource(part: &Value) -> Value {
    json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": "claude"},
        "spec": part["spec"],
    })
}

fn values(control_plane: &ControlPlane, values: &Value) -> Result<String, String> {
    let file = control_plane.folder().join("values.yaml");
    fs::write(&file, values.to_string()).unwrap();
    chart(&["--values", file.to_str().unwrap()])
}

/// A Kustomize overlay of this version, whose patches must change something.
fn overlay(control_plane: &ControlPlane, mut overlay: Value) -> Result<String, String> {
    let published = concat!(
        "https://github.com/bedrock-model-map/bedrock-model-map//config/default?ref=v",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(overlay["resources"], json!([published]));
    let folder = control_plane.folder().join("overlay");
    fs::create_dir(&folder).unwrap();
    let here = folder.join("config");
    std::os::unix::fs::symlink(format!("{ROOT}/config"), &here).unwrap();
    overlay["resources"] = json!(["config/default"]);
    fs::write(folder.join("kustomization.yaml"), overlay.to_string()).unwrap();
    let kubectl = binaries::locate().unwrap().kubectl;
    let made = run(&kubectl, &["kustomize", folder.to_str().unwrap()], "")?;
    let account = only(&objects(&made), "ServiceAccount").clone();
    assert!(
        account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].is_string(),
        "{account}"
    );
    Ok(made)
}

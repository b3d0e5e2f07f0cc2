//! From the chart of the previous release to this one and back, with a map in use.
//!
//! `previous/` has that chart as `helm package` makes it: a clone without history and an unpacked archive have no other.

use std::fs;

use control_plane::ControlPlane;
use serde_json::Value;

use crate::cluster::{Cluster, Operator, bedrock, eventually};
use crate::manifests::NAME;
use crate::tools::{CHART, ROOT};

const PREVIOUS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/deploy/previous/bedrock-model-map.tgz"
);
const REGIONS: [&str; 2] = ["us-east-1", "eu-central-1"];

/// The map with the versions of all that is published of it, and its own schedule. A write would change one of them.
async fn in_use(cluster: &Cluster<'_>) -> (Value, Vec<String>) {
    let map = cluster.get("bmm", "default", "models").await.unwrap();
    let mut versions = Vec::new();
    for name in ["us-east-1", "eu-central-1", "mapping"] {
        let name = format!("models-{name}");
        let config_map = cluster.get("configmap", "default", &name).await;
        let metadata = &config_map.unwrap_or_else(|| panic!("no {name}"))["metadata"];
        versions.push(format!("{name} {}", metadata["resourceVersion"]));
    }
    (map["spec"].clone(), versions)
}

/// The release with that chart, and the operator as its Deployment runs it.
async fn release(
    cluster: &Cluster<'_>,
    chart: &str,
    simulator: &bedrock_simulator::Simulator,
) -> Operator {
    let upgrade = ["upgrade", "--install", NAME, chart, "--namespace", NAME];
    cluster.helm(&upgrade);
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    cluster.kubectl(&established).await;
    let deployment = cluster.get("deployment", NAME, NAME).await.unwrap();
    cluster.operator(&[deployment], simulator).await
}

/// A forced refresh, until it is acknowledged by a map that is ready.
async fn refresh(cluster: &Cluster<'_>, token: &str) {
    let annotation = format!("bedrock.modelmap.dev/requestedAt={token}");
    let annotate = ["annotate", "--overwrite", "-n", "default", "bmm", "models"];
    cluster
        .kubectl(&[&annotate[..], &[&annotation]].concat())
        .await;
    eventually(&format!("refresh {token}"), async || {
        let map = cluster.get("bmm", "default", "models").await.unwrap();
        let conditions = map["status"]["conditions"].as_array().unwrap().iter();
        let mut ready = conditions.filter(|c| c["type"] == "Ready" && c["status"] == "True");
        map["status"]["lastHandledRefreshRequest"] == token && ready.next().is_some()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn upgrade_and_downgrade_rewrite_nothing() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    cluster.kubectl(&["create", "namespace", NAME]).await;
    let simulator = bedrock(&REGIONS).await;

    let previous = release(&cluster, PREVIOUS, &simulator).await;
    let sample = fs::read_to_string(format!("{ROOT}/config/samples/two-regions.yaml")).unwrap();
    let sample = sample
        .replace("name: two-regions", "name: models")
        .replace("configMapPrefix: bedrock", "configMapPrefix: models");
    cluster.apply(&sample).await;
    let ready = ["wait", "--for=condition=Ready", "bmm/models"];
    cluster
        .kubectl(&[&ready[..], &["-n", "default", "--timeout=3m"]].concat())
        .await;
    let published = in_use(&cluster).await;
    drop(previous);

    // Each chart with its definition, and after each change a refresh that finds nothing new.
    for (chart, token) in [(CHART, "upgraded"), (PREVIOUS, "back"), (CHART, "again")] {
        let _operator = release(&cluster, chart, &simulator).await;
        assert_eq!(in_use(&cluster).await, published, "{chart}");
        refresh(&cluster, token).await;
        assert_eq!(in_use(&cluster).await, published, "{chart}");
    }
}

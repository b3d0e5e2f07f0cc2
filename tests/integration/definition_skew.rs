//! A newer definition with an older operator.

use serde_json::json;
use tokio::sync::OnceCell;

use crate::support::{Cluster, Fixture, condition, eventually};

/// A value of an enum that a newer definition has, and this version does not know.
const NEWER: &str = r#"{"spec":{"output":{"compression":"Zstd"}}}"#;
const ENUM: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/output\
                    /properties/compression/enum/-";

/// Installs, once for all tests, a definition that allows one more value.
async fn install_newer_definition(cluster: &Cluster) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_init(|| patch_definition(cluster)).await;
}

async fn patch_definition(cluster: &Cluster) {
    let patch = json!([{"op": "add", "path": ENUM, "value": "Zstd"}]).to_string();
    let name = "bedrockmodelmaps.bedrock.modelmap.dev";
    let arguments = ["patch", "crd", name, "--type=json", "-p", &patch];
    cluster.run(&arguments, "").await.unwrap();
}

#[tokio::test]
async fn unreadable_resource_is_left_exactly_as_it_is() {
    let fixture = Fixture::with_regions(&["us-west-1", "eu-central-2"]).await;
    let cluster = Cluster::shared().await;
    let namespace = fixture.namespace.name.clone();
    let kubectl = async |arguments: &[&str]| {
        let arguments = [arguments, &["-n", &namespace]].concat();
        cluster.run(&arguments, "").await
    };
    let spec = json!({"regions": ["us-west-1"], "refreshInterval": "1m"});
    fixture.create("claude", spec).await;
    fixture.sound("claude").await;
    let before = fixture.versions("claude").await;

    install_newer_definition(cluster).await;
    eventually(async || {
        let patched = kubectl(&["patch", "bmm", "claude", "--type=merge", "-p", NEWER]).await;
        patched.map_err(|output| format!("{output:?}"))
    })
    .await;
    fixture
        .operator
        .logged(&["cannot be read", "Zstd", "claude"])
        .await;
    let status = async || {
        kubectl(&["get", "bmm", "claude", "-o", "jsonpath={.status}"])
            .await
            .unwrap()
    };
    let status_before = status().await;
    fixture.simulator.reset_counts();
    let token = "bedrock.modelmap.dev/requestedAt=1";
    kubectl(&["annotate", "bmm", "claude", token])
        .await
        .unwrap();
    fixture.delete_config_map("claude-mapping").await;
    // A resource that comes later has been published.
    fixture
        .create("second", json!({"regions": ["eu-central-2"]}))
        .await;
    fixture.sound("second").await;
    let mut expected = before.clone();
    expected.remove("claude-mapping");
    assert_eq!(fixture.versions("claude").await, expected);
    assert_eq!(status().await, status_before);
    let requests = fixture.simulator.requests();
    assert!(
        requests.iter().all(|r| r.region == "eu-central-2"),
        "{requests:?}"
    );

    // Deleted, nothing of it is written again.
    kubectl(&["delete", "bmm", "claude"]).await.unwrap();
    eventually(async || {
        let left = fixture.versions("claude").await;
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })
    .await;
    fixture.reconciled("second-eu-central-2").await;
    assert!(fixture.versions("claude").await.is_empty());
}

#[tokio::test]
async fn resource_that_becomes_readable_again_is_reconciled() {
    let fixture = Fixture::with_regions(&["us-west-1"]).await;
    let cluster = Cluster::shared().await;
    install_newer_definition(cluster).await;
    let resource = json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": "claude", "namespace": fixture.namespace.name},
        "spec": {"regions": ["us-west-1"], "output": {"compression": "Zstd"}},
    })
    .to_string();
    eventually(async || {
        let created = cluster.run(&["create", "-f", "-"], &resource).await;
        created.map_err(|output| format!("{output:?}"))
    })
    .await;
    fixture
        .operator
        .logged(&["cannot be read", "Zstd", "claude"])
        .await;
    assert_eq!(fixture.simulator.total(), 0);
    let known = json!({"spec": {"output": {"compression": "Auto"}}});
    fixture.patch("claude", known).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
}

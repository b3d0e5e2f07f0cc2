//! The cluster's store goes back in time while the operator runs: what is there then is the truth.

use bedrock_model_map::api::{BedrockModelMap, crd_yaml};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::support::{Fixture, catalog_of, data, eventually};
use crate::{TURN, reachable};

const REGIONS: [&str; 2] = ["us-west-1", "eu-central-2"];

/// Writes that a restore takes back.
const WRITES: usize = 1000;

fn only(region: &str) -> Value {
    json!({ "regions": [region] })
}

/// Until the garbage collector has taken all of the resource's `ConfigMaps` along.
async fn has_no_config_maps(fixture: &Fixture, name: &str) {
    eventually(async || {
        let left = fixture.versions(name).await;
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })
    .await;
}

fn models_json(config_map: &ConfigMap) -> String {
    data(config_map, "models.json").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_etcd_is_followed_without_restart() {
    let _turn = TURN.lock().await;
    let fixture = Fixture::new(catalog_of(&REGIONS), &[]).await;
    let control_plane = fixture.cluster.control_plane;
    fixture.create("claude", only("us-west-1")).await;
    fixture.create("deleted", only("eu-central-2")).await;
    for name in ["claude", "deleted"] {
        fixture.sound(name).await;
    }
    let first = models_json(&fixture.config_map("claude-us-west-1").await);
    control_plane.back_up_etcd().await.unwrap();
    reachable(&fixture).await;

    // All that a restore takes back: an edit, another content, a deletion, a creation.
    let spec = json!({"spec": {"regions": REGIONS}});
    fixture.patch("claude", spec).await;
    fixture.simulator.edit_catalog(|catalog| {
        let mut models = catalog.models("us-west-1").to_vec();
        models[0]["modelName"] = json!("after the backup");
        catalog.set_models("us-west-1", models);
    });
    fixture.refresh("claude", "1").await;
    fixture.sound("claude").await;
    fixture.delete("deleted").await;
    has_no_config_maps(&fixture, "deleted").await;
    fixture.create("created", only("us-west-1")).await;
    fixture.sound("created").await;
    let second = models_json(&fixture.config_map("claude-us-west-1").await);
    assert_ne!(first, second);
    // Versions that the restored etcd does not reach during the test.
    for n in 0..WRITES {
        let note = json!({"metadata": {"annotations": {"n": n.to_string()}}});
        fixture.patch("created", note).await;
    }

    control_plane.restore_etcd().await.unwrap();
    reachable(&fixture).await;
    // What was created after the backup is not there, and nothing of it comes back.
    let created = fixture.namespace.api::<BedrockModelMap>();
    assert!(created.get_opt("created").await.unwrap().is_none());
    has_no_config_maps(&fixture, "created").await;
    // The watches show changes again, although their versions are older than those before the restore.
    for (name, config_map) in [
        ("claude", "claude-us-west-1"),
        ("deleted", "deleted-eu-central-2"),
    ] {
        fixture.sound(name).await;
        fixture.reconciled(config_map).await;
        fixture.sound(name).await;
    }
    let resource = fixture.get("claude").await;
    assert_eq!(resource.spec.regions, Some(vec!["us-west-1".to_owned()]));
    let regions = resource.status.unwrap().regions;
    assert_eq!(regions.keys().collect::<Vec<_>>(), ["us-west-1"]);
    // An edit of the spec is followed, and a requested refresh shows what Bedrock lists now.
    fixture
        .patch("claude", json!({"spec": only("eu-central-2")}))
        .await;
    fixture.sound("claude").await;
    let spec = json!({"spec": {"regions": REGIONS, "output": {"configMapPrefix": "moved"}}});
    fixture.patch("claude", spec).await;
    fixture.sound("claude").await;
    let published = models_json(&fixture.config_map("moved-us-west-1").await);
    assert!(published == second);
    fixture.delete("deleted").await;
    has_no_config_maps(&fixture, "deleted").await;
    fixture.reconciled("moved-mapping").await;
    has_no_config_maps(&fixture, "created").await;
    assert!(fixture.operator.ended().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn recreated_definition_is_followed_without_restart() {
    let _turn = TURN.lock().await;
    let fixture = Fixture::new(catalog_of(&REGIONS), &[]).await;
    let cluster = fixture.cluster;
    fixture.create("claude", only("us-west-1")).await;
    let before = fixture.sound("claude").await;
    let name = "bedrockmodelmaps.bedrock.modelmap.dev";
    cluster.run(&["delete", "crd", name], "").await.unwrap();
    fixture.operator.logged(&["is not installed"]).await;
    // Nothing is written of what is gone.
    let applied = cluster
        .run(&["apply", "-f", "-"], &crd_yaml().unwrap())
        .await;
    applied.unwrap();
    eventually(async || cluster.run(&["get", "bmm", "-A"], "").await).await;
    fixture.create("claude", only("eu-central-2")).await;
    let after = fixture.sound("claude").await;
    assert_ne!(before.metadata.uid, after.metadata.uid);
    let published: Vec<String> = fixture.config_maps("claude").await.into_keys().collect();
    assert_eq!(published, ["claude-eu-central-2", "claude-mapping"]);
    fixture.reconciled("claude-eu-central-2").await;
    fixture.sound("claude").await;
    assert!(fixture.operator.ended().is_none());
}

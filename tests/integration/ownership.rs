//! Whose a `ConfigMap` is, and what becomes of it.

use std::time::Duration;

use bedrock_model_map::api::{BedrockModelMap, ErrorCode, RegionState};
use bedrock_simulator::{Fault, FaultRule};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::oracle;
use crate::support::{
    Fixture, check_status, condition, data, eventually, eventually_within, mapping_json,
};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

/// The garbage collector learns of a new kind within 30 s.
const GARBAGE_COLLECTED: Duration = Duration::from_mins(2);

async fn published(spec: Value) -> Fixture {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture.create("claude", spec).await;
    fixture.sound("claude").await;
    fixture
}

async fn foreign(fixture: &Fixture, name: &str, labels: Value) -> ConfigMap {
    let object = json!({"metadata": {"name": name, "labels": labels}, "data": {"theirs": "data"}});
    let object: ConfigMap = serde_json::from_value(object).unwrap();
    let api = fixture.namespace.api();
    api.create(&PostParams::default(), &object).await.unwrap()
}

fn region_error(resource: &BedrockModelMap, region: &str) -> Option<ErrorCode> {
    let regions = &resource.status.as_ref().unwrap().regions;
    regions[region].error.as_ref().map(|e| e.code)
}

#[tokio::test]
async fn foreign_config_map_is_not_changed() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    // Labelled like ours, but owned by another resource.
    let labels = json!({
        "app.kubernetes.io/managed-by": "bedrock-model-map",
        "bedrock.modelmap.dev/name": "another",
        "bedrock.modelmap.dev/content": "region",
    });
    let theirs = [
        foreign(&fixture, "claude-us-west-1", json!({})).await,
        foreign(&fixture, "claude-ap-east-2", labels).await,
    ];
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let resource = fixture.sound("claude").await;
    for region in ["us-west-1", "ap-east-2"] {
        assert_eq!(
            region_error(&resource, region),
            Some(ErrorCode::TargetConflict)
        );
        let status = &resource.status.as_ref().unwrap().regions[region];
        assert_eq!(status.state, RegionState::Failed);
    }
    let [stalled, reason, message] = condition(&resource, "Stalled");
    assert_eq!([stalled, reason], ["True", "TargetConflict"]);
    assert!(message.contains("claude-ap-east-2"), "{message}");
    assert_eq!(condition(&resource, "Ready")[0], "False");
    // The third region goes on.
    let mapping = mapping_json(&fixture.config_map("claude-mapping").await);
    let expected = oracle::mapping_json(&fixture.simulator.catalog(), ["eu-central-2"]);
    assert!(mapping == expected);

    fixture.refresh("claude", "1").await;
    fixture.delete("claude").await;
    for before in theirs {
        let after = fixture.config_map(&before.name_any()).await;
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn region_config_map_is_created_once_foreign_one_is_deleted() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    foreign(&fixture, "claude-us-west-1", json!({})).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.sound("claude").await;
    // However long that lasted, it is tried again every minute: no watch shows what does not carry our labels.
    let failures = json!({"us-west-1": {"consecutiveFailures": 30}});
    fixture
        .patch_status("claude", json!({ "regions": failures }))
        .await;
    fixture.delete_config_map("claude-us-west-1").await;
    let fresh = |r: &BedrockModelMap| region_error(r, "us-west-1").is_none();
    fixture.until("claude", fresh).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
}

#[tokio::test]
async fn merged_config_map_is_created_once_foreign_one_is_deleted() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let theirs = foreign(&fixture, "claude-mapping", json!({})).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let resource = fixture.sound("claude").await;
    assert_eq!(
        condition(&resource, "Stalled")[..2],
        ["True", "TargetConflict"]
    );
    assert_eq!(fixture.config_map("claude-mapping").await, theirs);
    assert_eq!(fixture.config_maps("claude").await.len(), 3);
    fixture.delete_config_map("claude-mapping").await;
    let healed = |r: &BedrockModelMap| condition(r, "Stalled")[0] != "True";
    fixture.until("claude", healed).await;
    fixture.sound("claude").await;
    assert!(fixture.has_config_map("claude-mapping").await);
}

#[tokio::test]
async fn shared_prefix_belongs_to_first_resource() {
    let fixture = published(json!({"regions": ["us-west-1"]})).await;
    let before = fixture.versions("claude").await;
    let spec =
        json!({"regions": ["us-west-1", "ap-east-2"], "output": {"configMapPrefix": "claude"}});
    fixture.create("second", spec).await;
    let second = fixture.sound("second").await;
    assert_eq!(
        region_error(&second, "us-west-1"),
        Some(ErrorCode::TargetConflict)
    );
    assert_eq!(region_error(&second, "ap-east-2"), None);
    let mapping = second.status.unwrap().mapping.unwrap();
    assert_eq!(
        mapping.error.map(|e| e.code),
        Some(ErrorCode::TargetConflict)
    );
    assert_eq!(fixture.versions("claude").await, before);
    // Neither takes from the other when it is refreshed or goes.
    fixture.refresh("claude", "1").await;
    fixture.refresh("second", "1").await;
    fixture.delete("second").await;
    fixture.sound("claude").await;
    assert_eq!(fixture.versions("claude").await, before);
}

/// Whether the `ConfigMap` is as it was, but for its version.
async fn comes_back(fixture: &Fixture, before: &ConfigMap) {
    let essence = |c: &ConfigMap| {
        let metadata = json!([c.labels(), c.annotations(), c.owner_references()]);
        json!([metadata, c.data, c.binary_data, c.immutable])
    };
    eventually(async || {
        let api = fixture.namespace.api::<ConfigMap>();
        match api.get_opt(&before.name_any()).await.unwrap() {
            Some(now) if essence(&now) == essence(before) => Ok(()),
            Some(now) => Err(format!("{:?}", now.metadata)),
            None => Err("it is not there".to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn drift_is_repaired_without_aws_requests() {
    let fixture = published(json!({ "regions": REGIONS })).await;
    fixture.simulator.reset_counts();
    let ours = "bedrock.modelmap.dev";
    for name in ["claude-us-west-1", "claude-mapping"] {
        let before = fixture.config_map(name).await;
        let changes = [
            json!({"data": {"models.json": "{}", "mapping.json": null}}),
            json!({"data": {"metadata.json": null, "more": "data"}}),
            json!({"binaryData": {"mapping.json.gz": "AAAA"}}),
            json!({"data": null}),
            json!({"metadata": {"labels": {format!("{ours}/content"): null}}}),
            json!({"metadata": {"labels": {format!("{ours}/name"): "other"}}}),
            json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}),
            json!({"metadata": {"labels": null}}),
            json!({"metadata": {"annotations": {format!("{ours}/content-sha256"): "0"}}}),
            json!({"metadata": {"ownerReferences": null}}),
            // From then on the API server takes no change of it.
            json!({"immutable": true}),
            json!({"immutable": true, "data": {"models.json": "{}"}}),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            if number % 4 == 3 {
                // It forgets the repairs: without a pause they would be a war.
                fixture.operator.kill();
                fixture.operator.restart();
            }
            fixture.patch_config_map(name, change).await;
            comes_back(&fixture, &before).await;
        }
        fixture.delete_config_map(name).await;
        comes_back(&fixture, &before).await;
    }
    assert_eq!(fixture.simulator.total(), 0);
    // All regions' at once, and the merged: only an operator that has the responses in memory has their content then.
    fixture.refresh("claude", "now").await;
    fixture.simulator.reset_counts();
    let all = fixture.config_maps("claude").await;
    for name in all.keys() {
        fixture.delete_config_map(name).await;
    }
    for before in all.values() {
        comes_back(&fixture, before).await;
    }
    fixture.sound("claude").await;
    assert_eq!(fixture.simulator.total(), 0);
}

#[tokio::test]
async fn config_maps_deleted_while_stopped_are_recreated() {
    let fixture = published(json!({ "regions": REGIONS })).await;
    let all = fixture.config_maps("claude").await;
    fixture.operator.kill();
    fixture.simulator.reset_counts();
    // One is still in the merged ConfigMap.
    fixture.delete_config_map("claude-us-west-1").await;
    fixture.operator.restart();
    comes_back(&fixture, &all["claude-us-west-1"]).await;
    fixture.reconciled("claude-ap-east-2").await;
    assert_eq!(fixture.simulator.total(), 0);

    // These have no last good data: only they are queried.
    fixture.operator.kill();
    for name in ["claude-us-west-1", "claude-ap-east-2", "claude-mapping"] {
        fixture.delete_config_map(name).await;
    }
    fixture.operator.restart();
    for before in all.values() {
        comes_back(&fixture, before).await;
    }
    let settled = fixture.namespace.api::<BedrockModelMap>();
    let resource = settled.get("claude").await.unwrap();
    check_status(&fixture, &resource).await;
    let requests = fixture.simulator.requests();
    assert!(
        requests.iter().all(|r| r.region != "eu-central-2"),
        "{requests:?}"
    );
    assert_eq!(requests.len(), 6);
}

#[tokio::test]
async fn prefix_change_during_region_failure_keeps_data() {
    let fixture = published(json!({ "regions": REGIONS })).await;
    let good = fixture.config_map("claude-us-west-1").await;
    let denied = FaultRule::new(Fault::AccessDenied).region("us-west-1");
    fixture.simulator.faults().add(denied);
    // With a selection of its own, so that the answers are not taken from memory alone.
    let output = json!({"configMapPrefix": "new"});
    fixture
        .patch("claude", json!({"spec": {"output": output}}))
        .await;
    fixture.refresh("claude", "1").await;
    let resource = fixture.sound("claude").await;
    let status = &resource.status.as_ref().unwrap().regions["us-west-1"];
    let kept = fixture
        .config_map(status.config_map.as_ref().unwrap())
        .await;
    assert_eq!(data(&kept, "models.json"), data(&good, "models.json"));
    fixture.simulator.faults().clear();
    fixture.refresh("claude", "2").await;
    fixture.sound("claude").await;
    let names: Vec<String> = fixture.config_maps("claude").await.into_keys().collect();
    let expected = [
        "new-ap-east-2",
        "new-eu-central-2",
        "new-mapping",
        "new-us-west-1",
    ];
    assert_eq!(names, expected);
}

fn is_owned(config_map: &ConfigMap, owner: &BedrockModelMap) -> bool {
    let owners = config_map.owner_references().iter();
    let uids: Vec<&str> = owners.map(|o| o.uid.as_str()).collect();
    uids == [owner.metadata.uid.as_deref().unwrap()]
}

#[tokio::test]
async fn deletion_removes_config_maps_unless_retained() {
    let fixture = published(json!({"regions": ["us-west-1"]})).await;
    let spec = json!({"regions": ["us-west-1"], "deletionPolicy": "Retain"});
    fixture.create("retained", spec.clone()).await;
    fixture.sound("retained").await;
    let retained = fixture.config_maps("retained").await;
    assert!(retained.values().all(|c| c.owner_references().is_empty()));
    fixture.delete("claude").await;
    fixture.delete("retained").await;
    eventually_within(GARBAGE_COLLECTED, async || {
        let left = fixture.config_maps("claude").await;
        left.is_empty().then_some(()).ok_or("they are still there")
    })
    .await;
    assert_eq!(fixture.config_maps("retained").await, retained);

    // A new resource of the same name adopts them, and owns them only if its policy is Delete.
    fixture.create("retained", spec).await;
    fixture.sound("retained").await;
    let adopted = fixture.config_maps("retained").await;
    assert_eq!(adopted.len(), 2);
    for (name, now) in &adopted {
        assert_eq!(now.uid(), retained[name].uid());
        assert!(now.owner_references().is_empty());
    }
    fixture
        .patch("retained", json!({"spec": {"deletionPolicy": "Delete"}}))
        .await;
    let resource = fixture.sound("retained").await;
    let taken = fixture.config_maps("retained").await;
    assert!(taken.values().all(|c| is_owned(c, &resource)));
}

#[tokio::test]
async fn deletion_policy_change_updates_owner_references() {
    let fixture = published(json!({"regions": ["us-west-1"]})).await;
    let resource = fixture.get("claude").await;
    for (policy, owned) in [("Retain", false), ("Delete", true)] {
        fixture
            .patch("claude", json!({"spec": {"deletionPolicy": policy}}))
            .await;
        fixture.sound("claude").await;
        for (name, now) in fixture.config_maps("claude").await {
            assert_eq!(is_owned(&now, &resource), owned, "{policy} {name}");
            assert_eq!(now.owner_references().is_empty(), !owned, "{policy} {name}");
        }
    }
}

#[tokio::test]
async fn namespace_deletion_is_not_blocked() {
    let fixture = published(json!({"regions": ["us-west-1"]})).await;
    let spec = json!({"regions": ["us-west-1"], "deletionPolicy": "Retain"});
    fixture.create("retained", spec).await;
    fixture.sound("retained").await;
    let namespaces = Api::<Namespace>::all(fixture.cluster.client().await);
    let name = fixture.namespace.name.as_str();
    let delete = DeleteParams::default();
    namespaces.delete(name, &delete).await.unwrap();
    eventually_within(GARBAGE_COLLECTED, async || {
        let left = namespaces.get_opt(name).await.unwrap();
        left.map_or(Ok(()), |_| Err("it is still there"))
    })
    .await;
    // The operator runs on without resources.
    assert!(fixture.operator.ended().is_none());
}

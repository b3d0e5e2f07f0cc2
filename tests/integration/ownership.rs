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
    Stage, check_status, condition, data, eventually, eventually_within, mapping_json,
};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

/// The garbage collector learns of a new kind within 30 s.
const GARBAGE_COLLECTED: Duration = Duration::from_mins(2);

async fn published(spec: Value) -> Stage {
    let stage = Stage::of(&REGIONS).await;
    stage.create("claude", spec).await;
    stage.sound("claude").await;
    stage
}

async fn foreign(stage: &Stage, name: &str, labels: Value) -> ConfigMap {
    let object = json!({"metadata": {"name": name, "labels": labels}, "data": {"theirs": "data"}});
    let object: ConfigMap = serde_json::from_value(object).unwrap();
    let api = stage.namespace.api();
    api.create(&PostParams::default(), &object).await.unwrap()
}

fn region_error(resource: &BedrockModelMap, region: &str) -> Option<ErrorCode> {
    let regions = &resource.status.as_ref().unwrap().regions;
    regions[region].error.as_ref().map(|e| e.code)
}

#[tokio::test]
async fn foreign_config_map_is_left_alone() {
    let stage = Stage::of(&REGIONS).await;
    // One that looks nearly like ours, but is another resource's.
    let labels = json!({
        "app.kubernetes.io/managed-by": "bedrock-model-map",
        "bedrock.modelmap.dev/name": "another",
        "bedrock.modelmap.dev/content": "region",
    });
    let theirs = [
        foreign(&stage, "claude-us-west-1", json!({})).await,
        foreign(&stage, "claude-ap-east-2", labels).await,
    ];
    stage.create("claude", json!({ "regions": REGIONS })).await;
    let resource = stage.sound("claude").await;
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
    let mapping = mapping_json(&stage.config_map("claude-mapping").await);
    let expected = oracle::mapping_json(&stage.simulator.catalog(), ["eu-central-2"]);
    assert!(mapping == expected);

    stage.refresh("claude", "1").await;
    stage.delete("claude").await;
    for before in theirs {
        let after = stage.config_map(&before.name_any()).await;
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn target_is_taken_once_the_foreign_one_is_gone() {
    let stage = Stage::of(&REGIONS).await;
    foreign(&stage, "claude-us-west-1", json!({})).await;
    stage.create("claude", json!({ "regions": REGIONS })).await;
    stage.sound("claude").await;
    // However long that lasted, it is tried again every minute: no watch shows what does not carry our labels.
    let failures = json!({"us-west-1": {"consecutiveFailures": 30}});
    stage
        .patch_status("claude", json!({ "regions": failures }))
        .await;
    stage.delete_config_map("claude-us-west-1").await;
    let fresh = |r: &BedrockModelMap| region_error(r, "us-west-1").is_none();
    stage.until("claude", fresh).await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
}

#[tokio::test]
async fn merged_target_is_taken_once_the_foreign_one_is_gone() {
    let stage = Stage::of(&REGIONS).await;
    let theirs = foreign(&stage, "claude-mapping", json!({})).await;
    stage.create("claude", json!({ "regions": REGIONS })).await;
    let resource = stage.sound("claude").await;
    assert_eq!(
        condition(&resource, "Stalled")[..2],
        ["True", "TargetConflict"]
    );
    assert_eq!(stage.config_map("claude-mapping").await, theirs);
    assert_eq!(stage.config_maps("claude").await.len(), 3);
    stage.delete_config_map("claude-mapping").await;
    let healed = |r: &BedrockModelMap| condition(r, "Stalled")[0] != "True";
    stage.until("claude", healed).await;
    stage.sound("claude").await;
    assert!(stage.has_config_map("claude-mapping").await);
}

#[tokio::test]
async fn of_two_resources_with_one_prefix_the_first_has_it() {
    let stage = published(json!({"regions": ["us-west-1"]})).await;
    let before = stage.versions("claude").await;
    let spec =
        json!({"regions": ["us-west-1", "ap-east-2"], "output": {"configMapPrefix": "claude"}});
    stage.create("second", spec).await;
    let second = stage.sound("second").await;
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
    assert_eq!(stage.versions("claude").await, before);
    // Neither takes from the other when it is refreshed or goes.
    stage.refresh("claude", "1").await;
    stage.refresh("second", "1").await;
    stage.delete("second").await;
    stage.sound("claude").await;
    assert_eq!(stage.versions("claude").await, before);
}

/// Whether the `ConfigMap` is as it was, but for its version.
async fn comes_back(stage: &Stage, before: &ConfigMap) {
    let essence = |c: &ConfigMap| {
        let metadata = json!([c.labels(), c.annotations(), c.owner_references()]);
        json!([metadata, c.data, c.binary_data, c.immutable])
    };
    eventually(async || {
        let api = stage.namespace.api::<ConfigMap>();
        match api.get_opt(&before.name_any()).await.unwrap() {
            Some(now) if essence(&now) == essence(before) => Ok(()),
            Some(now) => Err(format!("{:?}", now.metadata)),
            None => Err("it is not there".to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_comes_back_without_aws() {
    let stage = published(json!({ "regions": REGIONS })).await;
    stage.simulator.reset_counts();
    let ours = "bedrock.modelmap.dev";
    for name in ["claude-us-west-1", "claude-mapping"] {
        let before = stage.config_map(name).await;
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
        for change in changes {
            stage.patch_config_map(name, change).await;
            comes_back(&stage, &before).await;
        }
        stage.delete_config_map(name).await;
        comes_back(&stage, &before).await;
    }
    // All regions' at once, and the merged.
    let all = stage.config_maps("claude").await;
    for name in all.keys() {
        stage.delete_config_map(name).await;
    }
    for before in all.values() {
        comes_back(&stage, before).await;
    }
    stage.sound("claude").await;
    assert_eq!(stage.simulator.total(), 0);
}

#[tokio::test]
async fn what_went_while_nobody_looked_comes_back() {
    let stage = published(json!({ "regions": REGIONS })).await;
    let all = stage.config_maps("claude").await;
    stage.operator.kill();
    stage.simulator.reset_counts();
    // One is still in the merged ConfigMap.
    stage.delete_config_map("claude-us-west-1").await;
    stage.operator.start_anew();
    comes_back(&stage, &all["claude-us-west-1"]).await;
    stage.looked_at("claude-ap-east-2").await;
    assert_eq!(stage.simulator.total(), 0);

    // Of these nothing is left: AWS is asked for them, and for no other.
    stage.operator.kill();
    for name in ["claude-us-west-1", "claude-ap-east-2", "claude-mapping"] {
        stage.delete_config_map(name).await;
    }
    stage.operator.start_anew();
    for before in all.values() {
        comes_back(&stage, before).await;
    }
    let settled = stage.namespace.api::<BedrockModelMap>();
    let resource = settled.get("claude").await.unwrap();
    check_status(&stage, &resource).await;
    let asked = stage.simulator.requests();
    assert!(
        asked.iter().all(|r| r.region != "eu-central-2"),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 6);
}

#[tokio::test]
async fn change_of_prefix_while_a_region_fails_loses_nothing() {
    let stage = published(json!({ "regions": REGIONS })).await;
    let good = stage.config_map("claude-us-west-1").await;
    let denied = FaultRule::new(Fault::AccessDenied).region("us-west-1");
    stage.simulator.faults().add(denied);
    // With a selection of its own, so that the answers are not taken from memory alone.
    let output = json!({"configMapPrefix": "new"});
    stage
        .patch("claude", json!({"spec": {"output": output}}))
        .await;
    stage.refresh("claude", "1").await;
    let resource = stage.sound("claude").await;
    let status = &resource.status.as_ref().unwrap().regions["us-west-1"];
    let kept = stage.config_map(status.config_map.as_ref().unwrap()).await;
    assert_eq!(data(&kept, "models.json"), data(&good, "models.json"));
    stage.simulator.faults().clear();
    stage.refresh("claude", "2").await;
    stage.sound("claude").await;
    let names: Vec<String> = stage.config_maps("claude").await.into_keys().collect();
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
async fn deletion_takes_along_what_is_not_retained() {
    let stage = published(json!({"regions": ["us-west-1"]})).await;
    let spec = json!({"regions": ["us-west-1"], "deletionPolicy": "Retain"});
    stage.create("retained", spec.clone()).await;
    stage.sound("retained").await;
    let retained = stage.config_maps("retained").await;
    assert!(retained.values().all(|c| c.owner_references().is_empty()));
    stage.delete("claude").await;
    stage.delete("retained").await;
    eventually_within(GARBAGE_COLLECTED, async || {
        let left = stage.config_maps("claude").await;
        left.is_empty().then_some(()).ok_or("they are still there")
    })
    .await;
    assert_eq!(stage.config_maps("retained").await, retained);

    // Made again it takes them over, and has them go with it only when it is told to.
    stage.create("retained", spec).await;
    stage.sound("retained").await;
    let adopted = stage.config_maps("retained").await;
    assert_eq!(adopted.len(), 2);
    for (name, now) in &adopted {
        assert_eq!(now.uid(), retained[name].uid());
        assert!(now.owner_references().is_empty());
    }
    stage
        .patch("retained", json!({"spec": {"deletionPolicy": "Delete"}}))
        .await;
    let resource = stage.sound("retained").await;
    let taken = stage.config_maps("retained").await;
    assert!(taken.values().all(|c| is_owned(c, &resource)));
}

#[tokio::test]
async fn policy_can_be_changed() {
    let stage = published(json!({"regions": ["us-west-1"]})).await;
    let resource = stage.get("claude").await;
    for (policy, owned) in [("Retain", false), ("Delete", true)] {
        stage
            .patch("claude", json!({"spec": {"deletionPolicy": policy}}))
            .await;
        stage.sound("claude").await;
        for (name, now) in stage.config_maps("claude").await {
            assert_eq!(is_owned(&now, &resource), owned, "{policy} {name}");
            assert_eq!(now.owner_references().is_empty(), !owned, "{policy} {name}");
        }
    }
}

#[tokio::test]
async fn nothing_holds_up_the_end_of_a_namespace() {
    let stage = published(json!({"regions": ["us-west-1"]})).await;
    let spec = json!({"regions": ["us-west-1"], "deletionPolicy": "Retain"});
    stage.create("retained", spec).await;
    stage.sound("retained").await;
    let namespaces = Api::<Namespace>::all(stage.cluster.client().await);
    let name = stage.namespace.name.as_str();
    let delete = DeleteParams::default();
    namespaces.delete(name, &delete).await.unwrap();
    eventually_within(GARBAGE_COLLECTED, async || {
        let left = namespaces.get_opt(name).await.unwrap();
        left.map_or(Ok(()), |_| Err("it is still there"))
    })
    .await;
    // It has nothing to look after any more, and goes on.
    assert!(stage.operator.ended().is_none());
}

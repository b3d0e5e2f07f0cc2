//! When AWS is asked, and what is written then.

use std::collections::BTreeMap;

use bedrock_simulator::{Fault, FaultRule, Operation};
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::json;

use crate::support::{Stage, condition, data, eventually, file};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

/// A stage with a resource that is published.
async fn published(spec: serde_json::Value) -> Stage {
    let stage = Stage::of(&REGIONS).await;
    stage.create("claude", spec).await;
    stage.sound("claude").await;
    stage
}

#[tokio::test]
async fn same_answer_in_another_order_writes_nothing() {
    let stage = published(json!({ "regions": REGIONS })).await;
    let before = stage.versions("claude").await;
    for seed in [1, 2] {
        stage.simulator.reset_counts();
        let faults = [
            Fault::Reorder { seed },
            Fault::ShortPages { size: 7 },
            Fault::EmptyPages { count: 2 },
        ];
        let rules = faults.into_iter().map(FaultRule::new).collect();
        stage.simulator.faults().set(rules);
        let token = seed.to_string();
        stage.refresh("claude", &token).await;
        let status = stage.sound("claude").await.status.unwrap();
        assert_eq!(status.last_handled_refresh_request, Some(token));
        assert_eq!(stage.versions("claude").await, before);
        for region in REGIONS {
            let asked = stage
                .simulator
                .count(region, Operation::ListFoundationModels);
            assert_eq!(asked, 1, "{region}");
        }
    }
}

#[tokio::test]
async fn token_is_good_for_one_refresh() {
    let stage = published(json!({ "regions": REGIONS })).await;
    stage.refresh("claude", "now").await;
    stage.simulator.reset_counts();
    stage.request_refresh("claude", "now").await;
    let label = json!({"metadata": {"labels": {"not": "ours"}}});
    stage.patch("claude", label).await;
    stage.looked_at("claude-us-west-1").await;
    // Taken away it asks for nothing either.
    let none = json!({"metadata": {"annotations": {"bedrock.modelmap.dev/requestedAt": null}}});
    stage.patch("claude", none).await;
    stage.looked_at("claude-us-west-1").await;
    assert_eq!(stage.simulator.total(), 0);
}

#[tokio::test]
async fn restart_with_fresh_data_asks_nobody_and_writes_nothing() {
    let stage = published(json!({})).await;
    // Also what a failure left is taken over.
    let denied = FaultRule::new(Fault::AccessDenied).region("ap-east-2");
    stage.simulator.faults().add(denied);
    let before = stage.refresh("claude", "1").await;
    let config_maps = stage.versions("claude").await;
    stage.operator.kill();
    stage.simulator.reset_counts();
    stage.operator.start_anew();
    // It has looked at a younger resource, and so at the older one.
    stage
        .create("witness", json!({"regions": ["us-west-1"]}))
        .await;
    stage.settled("witness").await;
    let after = stage.sound("claude").await;
    assert_eq!(after.resource_version(), before.resource_version());
    assert_eq!(stage.versions("claude").await, config_maps);
    // And once more, with something to do that needs no AWS: the region's own ConfigMap is put back from the merged.
    stage.looked_at("claude-eu-central-2").await;
    let mut now = stage.versions("claude").await;
    let there_again = "claude-eu-central-2";
    now.insert(there_again.to_owned(), config_maps[there_again].clone());
    assert_eq!(now, config_maps);
    let asked = stage.simulator.requests();
    assert!(asked.iter().all(|r| r.region == "us-west-1"), "{asked:?}");
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn suspended_resource_is_left_alone() {
    let stage = published(json!({"regions": ["us-west-1"]})).await;
    let suspended = stage
        .patch("claude", json!({"spec": {"suspend": true}}))
        .await;
    stage.simulator.reset_counts();
    let before = stage.versions("claude").await;
    stage.request_refresh("claude", "1").await;
    stage.delete_config_map("claude-mapping").await;
    let touched = stage
        .patch(
            "claude",
            json!({"spec": {"output": {"configMapPrefix": "other"}}}),
        )
        .await;
    // What comes later has been dealt with.
    stage
        .create("witness", json!({"regions": ["ap-east-2"]}))
        .await;
    stage.settled("witness").await;
    let resource = stage.get("claude").await;
    assert_eq!(resource.resource_version(), touched.resource_version());
    assert_eq!(resource.status, suspended.status);
    let mut expected = before.clone();
    expected.remove("claude-mapping");
    assert_eq!(stage.versions("claude").await, expected);
    let asked = stage.simulator.requests();
    assert!(asked.iter().all(|r| r.region == "ap-east-2"), "{asked:?}");

    let go_on = json!({"spec": {"suspend": false, "output": {"configMapPrefix": null}}});
    stage.patch("claude", go_on).await;
    stage.sound("claude").await;
    let now = stage.versions("claude").await;
    assert_eq!(
        now.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    assert_eq!(now["claude-us-west-1"], before["claude-us-west-1"]);
}

#[tokio::test]
async fn change_in_one_region_touches_nothing_of_the_others() {
    let stage = published(json!({ "regions": REGIONS })).await;
    let before = stage.versions("claude").await;
    let discovered = async || {
        let mut times = BTreeMap::new();
        for region in REGIONS {
            let published = stage.config_map(&format!("claude-{region}")).await;
            let metadata = file(&published, "metadata.json");
            let time: Timestamp = metadata["discoveredAt"].as_str().unwrap().parse().unwrap();
            times.insert(region, time);
        }
        times
    };
    let first = discovered().await;
    let id = "anthropic.claude-sonnet-5-5";
    stage.simulator.edit_catalog(|catalog| {
        catalog.remove_model("us-west-1", id);
    });
    // The times are whole seconds: another one begins.
    let ripe = first["us-west-1"] + jiff::SignedDuration::from_secs(1);
    eventually(async || {
        (Timestamp::now() > ripe)
            .then_some(())
            .ok_or("the same second")
    })
    .await;
    stage.refresh("claude", "1").await;
    stage.sound("claude").await;

    let changed = |before: &BTreeMap<String, String>, after: &BTreeMap<String, String>| {
        let names = after
            .iter()
            .filter(|(name, version)| before.get(*name) != Some(version));
        names.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let after = stage.versions("claude").await;
    assert_eq!(
        changed(&before, &after),
        ["claude-mapping", "claude-us-west-1"]
    );
    let published = stage.config_map("claude-us-west-1").await;
    assert!(!data(&published, "models.json").contains(&format!("\"{id}\":")));
    let second = discovered().await;
    assert!(second["us-west-1"] > first["us-west-1"]);
    assert_eq!(second["ap-east-2"], first["ap-east-2"]);
    assert_eq!(second["eu-central-2"], first["eu-central-2"]);
}

#[tokio::test]
async fn asked_to_end_it_finishes_what_it_does() {
    let stage = Stage::with(
        crate::support::catalog_of(&REGIONS),
        &["--region-timeout-seconds", "2"],
    )
    .await;
    let hang = FaultRule::new(Fault::Hang).region("ap-east-2");
    stage.simulator.faults().add(hang);
    stage.create("claude", json!({ "regions": REGIONS })).await;
    eventually(async || {
        let asked = stage
            .simulator
            .count("ap-east-2", Operation::ListFoundationModels);
        (asked > 0).then_some(()).ok_or("it has not asked")
    })
    .await;
    stage.operator.terminate();
    let ended = eventually(async || stage.operator.ended().ok_or("it runs")).await;
    assert_eq!(ended.code(), Some(0));
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "True");
    assert!(stage.operator.log().contains("has stopped"));
}

#[tokio::test]
async fn killed_in_the_middle_it_converges_to_the_same_bytes() {
    let stage = Stage::of(&REGIONS).await;
    let hang = FaultRule::new(Fault::Hang).region("ap-east-2");
    stage.simulator.faults().add(hang);
    stage.create("claude", json!({ "regions": REGIONS })).await;
    let expected = ["claude-eu-central-2", "claude-us-west-1"];
    let halfway = eventually(async || {
        let there = stage.config_maps("claude").await;
        let names: Vec<&String> = there.keys().collect();
        if names == expected {
            Ok(there)
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
    stage.operator.kill();
    assert!(stage.status("claude").await.regions.is_empty());
    stage.simulator.faults().clear();
    // Another second, which must not get into the bytes: the content was seen before.
    let killed = Timestamp::now();
    let ripe = killed + jiff::SignedDuration::from_millis(1100);
    eventually(async || {
        (Timestamp::now() > ripe)
            .then_some(())
            .ok_or("the same second")
    })
    .await;
    stage.operator.start_anew();
    let resource = stage.sound("claude").await;
    assert_eq!(resource.status.unwrap().regions.len(), 3);
    let now = stage.config_maps("claude").await;
    for name in expected {
        for part in ["metadata.json", "models.json", "invocation.json"] {
            let (now, then) = (data(&now[name], part), data(&halfway[name], part));
            assert!(
                now == then,
                "{name}: {part} was\n{then:.300}\nand is\n{now:.300}"
            );
        }
    }
}

//! When AWS is queried, and what is written then.

use std::collections::BTreeMap;
use std::time::Instant;

use bedrock_model_map::api::BedrockModelMap;
use bedrock_simulator::{Fault, FaultRule, Operation};
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::json;

use crate::support::{Fixture, condition, data, eventually, file};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

/// A fixture with a resource that is published.
async fn published(spec: serde_json::Value) -> Fixture {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture.create("claude", spec).await;
    fixture.sound("claude").await;
    fixture
}

#[tokio::test]
async fn reordered_response_writes_nothing() {
    let fixture = published(json!({ "regions": REGIONS })).await;
    let before = fixture.versions("claude").await;
    for seed in [1, 2] {
        fixture.simulator.reset_counts();
        let faults = [
            Fault::Reorder { seed },
            Fault::ShortPages { size: 7 },
            Fault::EmptyPages { count: 2 },
        ];
        let rules = faults.into_iter().map(FaultRule::new).collect();
        fixture.simulator.faults().set(rules);
        let token = seed.to_string();
        fixture.refresh("claude", &token).await;
        let status = fixture.sound("claude").await.status.unwrap();
        assert_eq!(status.last_handled_refresh_request, Some(token));
        assert_eq!(fixture.versions("claude").await, before);
        for region in REGIONS {
            let requests = fixture
                .simulator
                .count(region, Operation::ListFoundationModels);
            assert_eq!(requests, 1, "{region}");
        }
    }
}

#[tokio::test]
async fn refresh_token_forces_one_refresh() {
    let fixture = published(json!({ "regions": REGIONS })).await;
    fixture.refresh("claude", "now").await;
    fixture.simulator.reset_counts();
    fixture.request_refresh("claude", "now").await;
    let label = json!({"metadata": {"labels": {"not": "ours"}}});
    fixture.patch("claude", label).await;
    fixture.reconciled("claude-us-west-1").await;
    // Taken away it asks for nothing either.
    let none = json!({"metadata": {"annotations": {"bedrock.modelmap.dev/requestedAt": null}}});
    fixture.patch("claude", none).await;
    fixture.reconciled("claude-us-west-1").await;
    assert_eq!(fixture.simulator.total(), 0);
}

#[tokio::test]
async fn tokens_that_come_quickly_are_served_together() {
    let fixture = published(json!({ "regions": REGIONS })).await;
    fixture.simulator.reset_counts();
    let start = Instant::now();
    for token in 0..200 {
        fixture.request_refresh("claude", &token.to_string()).await;
    }
    let resource = fixture.settled("claude").await;
    let handled = resource.status.unwrap().last_handled_refresh_request;
    assert_eq!(handled.as_deref(), Some("199"));
    // Ten seconds apart, with some of the last one's ten seconds left.
    let refreshes = start.elapsed().as_secs() / 10 + 2;
    let requests = u64::try_from(fixture.simulator.total()).unwrap();
    let most = refreshes * 3 * REGIONS.len() as u64;
    assert!(requests <= most, "{requests} requests, {most} at most");
}

/// A refresh that has to wait queries nothing that another resource has queried since its request.
#[tokio::test]
async fn refresh_that_waits_shares_what_was_fetched_since_its_request() {
    let spec = json!({"regions": ["us-west-1"]});
    let fixture = published(spec.clone()).await;
    fixture.create("other", spec).await;
    fixture.sound("other").await;
    // On a machine that needs ten seconds until `other` is refreshed, `claude` may be first.
    let mut requests = Vec::new();
    for round in 0..4 {
        let token = |kind: &str| format!("{kind}-{round}");
        fixture.refresh("claude", &token("begins")).await;
        fixture.request_refresh("claude", &token("waits")).await;
        fixture.reconciled("claude-us-west-1").await;
        fixture.simulator.reset_counts();
        fixture.refresh("other", &token("begins")).await;
        let handled = |resource: &BedrockModelMap| {
            let status = resource.status.as_ref().unwrap();
            status.last_handled_refresh_request == Some(token("waits"))
        };
        fixture.until("claude", handled).await;
        requests.push(fixture.simulator.total());
        if requests.ends_with(&[3]) {
            return;
        }
    }
    panic!("requests of two refreshes in each round: {requests:?}");
}

#[tokio::test]
async fn long_token_is_acknowledged_by_its_hash() {
    let fixture = published(json!({"regions": ["us-west-1"]})).await;
    fixture
        .request_refresh("claude", &"<".repeat(200_000))
        .await;
    let acknowledged = fixture
        .until("claude", |resource| {
            let status = resource.status.as_ref().unwrap();
            status.last_handled_refresh_request.is_some()
        })
        .await;
    // printf '<%.0s' $(seq 200000) | sha256sum
    let hash = "sha256:2dbc27fdb29e47a5a2dd6a3178ba817c87a5d1d0ee6d126817a8cf6c4d2fd828";
    let status = acknowledged.status.as_ref().unwrap();
    assert_eq!(status.last_handled_refresh_request.as_deref(), Some(hash));
    fixture.reconciled("claude-us-west-1").await;
    assert_eq!(fixture.simulator.total(), 6);
}

#[tokio::test]
async fn restart_with_fresh_data_requests_and_writes_nothing() {
    let fixture = published(json!({})).await;
    // Also what a failure left is taken over.
    let denied = FaultRule::new(Fault::AccessDenied).region("ap-east-2");
    fixture.simulator.faults().add(denied);
    let before = fixture.refresh("claude", "1").await;
    let config_maps = fixture.versions("claude").await;
    fixture.operator.kill();
    fixture.simulator.reset_counts();
    fixture.operator.restart();
    // It has reconciled a younger resource, and so the older one.
    fixture
        .create("second", json!({"regions": ["us-west-1"]}))
        .await;
    fixture.settled("second").await;
    let after = fixture.sound("claude").await;
    assert_eq!(after.resource_version(), before.resource_version());
    assert_eq!(fixture.versions("claude").await, config_maps);
    // Once more, with drift that needs no AWS: the region's ConfigMap is rebuilt from the merged one.
    fixture.reconciled("claude-eu-central-2").await;
    let mut now = fixture.versions("claude").await;
    let there_again = "claude-eu-central-2";
    now.insert(there_again.to_owned(), config_maps[there_again].clone());
    assert_eq!(now, config_maps);
    let requests = fixture.simulator.requests();
    assert!(
        requests.iter().all(|r| r.region == "us-west-1"),
        "{requests:?}"
    );
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn suspended_resource_is_not_reconciled() {
    let fixture = published(json!({"regions": ["us-west-1"]})).await;
    let suspended = fixture
        .patch("claude", json!({"spec": {"suspend": true}}))
        .await;
    fixture.simulator.reset_counts();
    let before = fixture.versions("claude").await;
    fixture.request_refresh("claude", "1").await;
    fixture.delete_config_map("claude-mapping").await;
    let touched = fixture
        .patch(
            "claude",
            json!({"spec": {"output": {"configMapPrefix": "other"}}}),
        )
        .await;
    // What comes later has been dealt with.
    fixture
        .create("second", json!({"regions": ["ap-east-2"]}))
        .await;
    fixture.settled("second").await;
    let resource = fixture.get("claude").await;
    assert_eq!(resource.resource_version(), touched.resource_version());
    assert_eq!(resource.status, suspended.status);
    let mut expected = before.clone();
    expected.remove("claude-mapping");
    assert_eq!(fixture.versions("claude").await, expected);
    let requests = fixture.simulator.requests();
    assert!(
        requests.iter().all(|r| r.region == "ap-east-2"),
        "{requests:?}"
    );

    let go_on = json!({"spec": {"suspend": false, "output": {"configMapPrefix": null}}});
    fixture.patch("claude", go_on).await;
    fixture.sound("claude").await;
    let now = fixture.versions("claude").await;
    assert_eq!(
        now.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    assert_eq!(now["claude-us-west-1"], before["claude-us-west-1"]);
}

#[tokio::test]
async fn change_in_one_region_leaves_other_regions_unchanged() {
    let fixture = published(json!({ "regions": REGIONS })).await;
    let before = fixture.versions("claude").await;
    let discovered = async || {
        let mut times = BTreeMap::new();
        for region in REGIONS {
            let published = fixture.config_map(&format!("claude-{region}")).await;
            let metadata = file(&published, "metadata.json");
            let time: Timestamp = metadata["discoveredAt"].as_str().unwrap().parse().unwrap();
            times.insert(region, time);
        }
        times
    };
    let first = discovered().await;
    let id = "anthropic.claude-sonnet-5-5";
    fixture.simulator.edit_catalog(|catalog| {
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
    fixture.refresh("claude", "1").await;
    fixture.sound("claude").await;

    let changed = |before: &BTreeMap<String, String>, after: &BTreeMap<String, String>| {
        let names = after
            .iter()
            .filter(|(name, version)| before.get(*name) != Some(version));
        names.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let after = fixture.versions("claude").await;
    assert_eq!(
        changed(&before, &after),
        ["claude-mapping", "claude-us-west-1"]
    );
    let published = fixture.config_map("claude-us-west-1").await;
    assert!(!data(&published, "models.json").contains(&format!("\"{id}\":")));
    let second = discovered().await;
    assert!(second["us-west-1"] > first["us-west-1"]);
    assert_eq!(second["ap-east-2"], first["ap-east-2"]);
    assert_eq!(second["eu-central-2"], first["eu-central-2"]);
}

#[tokio::test]
async fn termination_waits_for_running_reconciliation() {
    let fixture = Fixture::new(
        crate::support::catalog_of(&REGIONS),
        &["--region-timeout-seconds", "2"],
    )
    .await;
    let hang = FaultRule::new(Fault::Hang).region("ap-east-2");
    fixture.simulator.faults().add(hang);
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    eventually(async || {
        let requests = fixture
            .simulator
            .count("ap-east-2", Operation::ListFoundationModels);
        (requests > 0).then_some(()).ok_or("no request")
    })
    .await;
    fixture.operator.terminate();
    let ended = eventually(async || fixture.operator.ended().ok_or("it runs")).await;
    assert_eq!(ended.code(), Some(0));
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "True");
    assert!(fixture.operator.log().contains("bedrock-model-map stopped"));
}

#[tokio::test]
async fn kill_during_refresh_converges_to_same_bytes() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let hang = FaultRule::new(Fault::Hang).region("ap-east-2");
    fixture.simulator.faults().add(hang);
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let expected = ["claude-eu-central-2", "claude-us-west-1"];
    let halfway = eventually(async || {
        let there = fixture.config_maps("claude").await;
        let names: Vec<&String> = there.keys().collect();
        if names == expected {
            Ok(there)
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
    fixture.operator.kill();
    assert!(fixture.status("claude").await.regions.is_empty());
    fixture.simulator.faults().clear();
    // Another second, which must not get into the bytes: the content was seen before.
    let killed = Timestamp::now();
    let ripe = killed + jiff::SignedDuration::from_millis(1100);
    eventually(async || {
        (Timestamp::now() > ripe)
            .then_some(())
            .ok_or("the same second")
    })
    .await;
    fixture.operator.restart();
    let resource = fixture.sound("claude").await;
    assert_eq!(resource.status.unwrap().regions.len(), 3);
    let now = fixture.config_maps("claude").await;
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

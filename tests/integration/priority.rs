//! The order of queries when not all regions can be queried at once.

use bedrock_simulator::{Fault, FaultRule};
use serde_json::json;

use crate::support::{Fixture, catalog_of, condition, eventually};

#[tokio::test]
async fn first_publication_precedes_routine_refreshes() {
    let old = [
        "ap-east-2",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "eu-central-2",
        "mx-central-1",
    ];
    let new = "us-west-1";
    let mut regions = old.to_vec();
    regions.push(new);
    let arguments = ["--concurrent-regions", "1", "--region-timeout-seconds", "3"];
    let fixture = Fixture::new(catalog_of(&regions), &arguments).await;
    fixture.create("old", json!({ "regions": old })).await;
    fixture.sound("old").await;

    // All are due, and each takes until its timeout.
    fixture.operator.kill();
    for region in old {
        let hang = FaultRule::new(Fault::Hang).region(region);
        fixture.simulator.faults().add(hang);
        let long_ago = json!({"lastAttemptTime": "2026-01-01T00:00:00Z"});
        let status = json!({"regions": {region: long_ago}});
        fixture.patch_status("old", status).await;
    }
    fixture.simulator.reset_counts();
    fixture.operator.restart();
    eventually(async || {
        (fixture.simulator.total() > 0)
            .then_some(())
            .ok_or("no request")
    })
    .await;
    fixture.create("new", json!({ "regions": [new] })).await;
    let resource = fixture.sound("new").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");

    // The old regions came first, and the new one overtook some of them.
    let mut queried: Vec<String> = Vec::new();
    for request in fixture.simulator.requests() {
        if !queried.contains(&request.region) {
            queried.push(request.region);
        }
    }
    assert!(queried.contains(&new.to_owned()), "{queried:?}");
    assert!(queried.len() < regions.len(), "it came last: {queried:?}");
}

#[tokio::test]
async fn rate_limited_region_does_not_time_out() {
    let regions = ["us-west-1"];
    let arguments = [
        "--requests-per-second",
        "1",
        "--region-timeout-seconds",
        "2",
    ];
    let fixture = Fixture::new(catalog_of(&regions), &arguments).await;
    // Seven pages more than the bucket has tokens for.
    fixture
        .simulator
        .faults()
        .add(Fault::ShortPages { size: 10 });
    fixture
        .create("claude", json!({ "regions": regions }))
        .await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    assert!(
        fixture.simulator.total() > 7,
        "{}",
        fixture.simulator.total()
    );
    // The metric counts one wait for the first three requests, and one for each page that follows.
    let (_, metrics) = fixture.operator.http_get("/metrics").await;
    let waits = |part: &str| {
        let of_rate = format!("bedrock_model_map_aws_wait_duration_seconds_{part}");
        let mut lines = metrics.lines().filter(|l| l.contains(r#"reason="Rate""#));
        let line = lines.find(|line| line.starts_with(&of_rate));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.expect(&metrics).parse::<usize>().unwrap()
    };
    assert_eq!(waits("count{"), fixture.simulator.total() - 2);
    assert!(waits(r#"bucket{le="0.01""#) < waits("count{"), "{metrics}");
}

//! What a resource costs the API server, counted in requests.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{Fixture, eventually};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];
const PREFIX: &str = "bedrock_model_map_kubernetes_requests_total";

/// Requests by verb and resource after this many refreshes; not those of the watches.
async fn requests_after(refreshes: u64, fixture: &Fixture) -> BTreeMap<String, u64> {
    let done = format!(r#"reconcile_duration_seconds_count{{outcome="Refreshed"}} {refreshes}"#);
    let text = eventually(async || {
        let (_, text) = fixture.operator.http_get("/metrics").await;
        let is_idle = text.contains("reconciles_active 0\n") && text.contains(&done);
        is_idle
            .then_some(text)
            .ok_or("a reconciliation is in progress")
    })
    .await;
    let mut requests = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(PREFIX)) {
        let label = |name: &str| {
            let value = line.split_once(&format!("{name}=\"")).unwrap().1;
            value.split_once('"').unwrap().0
        };
        let (verb, resource) = (label("verb"), label("resource"));
        if !["list", "watch"].contains(&verb) {
            let count: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            *requests.entry(format!("{verb} {resource}")).or_default() += count;
        }
    }
    requests
}

fn expected<const N: usize>(requests: [(&str, u64); N]) -> BTreeMap<String, u64> {
    requests
        .map(|(name, count)| (name.to_owned(), count))
        .into()
}

#[tokio::test]
async fn publication_and_refresh_read_nothing_that_is_known() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.sound("claude").await;
    // One for each region, the merged mapping, the announcement, the result, and its Event.
    let first = expected([
        ("create configmaps", 4),
        ("update bedrockmodelmaps", 2),
        ("create events", 1),
    ]);
    assert_eq!(requests_after(1, &fixture).await, first);

    // From then on the watch shows all ConfigMaps.
    fixture.reconciled("claude-mapping").await;
    fixture.refresh("claude", "one").await;
    let before = requests_after(2, &fixture).await;
    fixture.refresh("claude", "two").await;
    let mut refreshed = requests_after(3, &fixture).await;
    for (request, count) in &mut refreshed {
        *count -= before.get(request).copied().unwrap_or_default();
    }
    refreshed.retain(|_, count| *count > 0);
    // The announcement keeps the compact mapping, which only the cluster has.
    let forced = expected([("get bedrockmodelmaps", 1), ("update bedrockmodelmaps", 2)]);
    assert_eq!(refreshed, forced);
}

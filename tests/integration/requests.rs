//! What a resource costs the API server, counted in requests.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::support::{Fixture, OperatorOptions, eventually_within};

pub const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];
/// A debug build takes half a minute on two busy cores.
const DEADLINE: Duration = Duration::from_mins(5);
/// Begins the names of all metrics.
const OWN: &str = "bedrock_model_map_";
const PREFIX: &str = "bedrock_model_map_kubernetes_requests_total";

/// The metrics of an operator that is idle and has reconciled this often with this outcome.
pub async fn metrics_after(reconciliations: usize, outcome: &str, fixture: &Fixture) -> String {
    let done = format!(r#"reconcile_duration_seconds_count{{outcome="{outcome}"}} "#);
    eventually_within(DEADLINE, async || {
        let (_, text) = fixture.operator.http_get("/metrics").await;
        let count = text
            .lines()
            .find_map(|line| line.split_once(&done)?.1.parse().ok());
        let is_idle =
            text.contains("reconciles_active 0\n") && text.contains("resources_due 0.0\n");
        (is_idle && count >= Some(reconciliations))
            .then_some(text)
            .ok_or("a reconciliation is in progress")
    })
    .await
}

/// Requests by verb and resource; not those of the watches.
fn requests(metrics: &str) -> BTreeMap<String, u64> {
    let mut requests = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with(PREFIX)) {
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

/// Requests after this many refreshes.
async fn requests_after(refreshes: usize, fixture: &Fixture) -> BTreeMap<String, u64> {
    requests(&metrics_after(refreshes, "Refreshed", fixture).await)
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

const RESOURCES: usize = 50;

#[tokio::test]
async fn restart_reads_only_what_was_changed_meanwhile() {
    let mut fixture = Fixture::with_regions(&REGIONS).await;
    let names: Vec<String> = (0..RESOURCES).map(|n| format!("claude-{n}")).collect();
    for name in &names {
        fixture.create(name, json!({ "regions": REGIONS })).await;
    }
    let text = metrics_after(RESOURCES, "Refreshed", &fixture).await;
    let made: u64 = requests(&text).values().sum();
    // Four ConfigMaps, the announcement, the result and its Event; a tenth more is a regression.
    let known = 7 * RESOURCES as u64;
    assert!(made * 10 <= known * 11, "{:?}", requests(&text));
    let of_models = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(OWN));
        let of_models = [
            "legacy_models{",
            "model_",
            "region_",
            "mapping_bytes",
            "largest_",
        ];
        lines
            .filter(|line| line.contains("name=\"claude-"))
            .filter(|line| of_models.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect()
    };
    let known = of_models(&text);
    assert!(
        known.iter().any(|line| line.contains("model_end_of_life")),
        "{text}"
    );
    let versions = fixture.versions("claude-0").await;

    fixture.replace_operator(&OperatorOptions::new(&[]));
    let text = metrics_after(RESOURCES, "NothingDue", &fixture).await;
    // The content of all is the same, and two resources may read the merged mapping at once.
    let read = requests(&text);
    assert!(read["get configmaps"] <= 2 && read.len() == 1, "{read:?}");
    // Nothing that the metrics say about the content is lost.
    assert_eq!(of_models(&text), known);

    fixture.operator.kill();
    let changed = json!({"data": {"models.json": "{}"}});
    fixture
        .patch_config_map("claude-1-us-west-1", changed)
        .await;
    fixture.delete_config_map("claude-2-us-west-1").await;
    let other_version = json!({"verified": {"operatorVersion": "0.0.0"}});
    fixture.patch_status("claude-3", other_version).await;
    fixture.replace_operator(&OperatorOptions::new(&[]));
    let repaired = eventually_within(DEADLINE, async || {
        let (_, text) = fixture.operator.http_get("/metrics").await;
        let made = requests(&text);
        let has = |request: &str, times| made.get(request).is_some_and(|count| *count >= times);
        let is_repaired = ["create configmaps", "update configmaps"].map(|request| has(request, 1));
        // The other version reads its four; a lost one is read, and the merged mapping for its content.
        let is_verified = has("get configmaps", 4 + 2 + 2);
        (is_repaired == [true; 2] && is_verified)
            .then_some(())
            .ok_or(format!("{made:?}"))
    });
    repaired.await;
    for name in &names[..4] {
        fixture.sound(name).await;
    }
    let made = requests(&metrics_after(RESOURCES, "NothingDue", &fixture).await);
    // Two resources may read the merged mapping at once. If they are the changed ones, which do not need it for
    // the changed region, two others read it for that region.
    assert!(made["get configmaps"] <= 4 + 2 + 2 + 4, "{made:?}");
    let written = ["create configmaps", "update configmaps"].map(|request| made[request]);
    assert_eq!(written, [1, 1], "{made:?}");
    assert_eq!(fixture.versions("claude-0").await, versions);
}

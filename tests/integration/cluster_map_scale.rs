//! What one cluster map of all regions costs in many namespaces.

use std::time::{Duration, Instant};

use bedrock_simulator::Operation;
use serde_json::json;

use crate::support::{CLUSTER_MAPS, ClusterMap, Fixture, eventually_within, state, whole_catalog};

const NAMESPACES: usize = 200;
/// The memory limit of the chart.
const MAX_MIB: u64 = 512;
const DEADLINE: Duration = Duration::from_mins(20);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 10 minutes: cargo test --test integration -- --ignored --no-capture cluster_map_scale"]
async fn two_hundred_namespaces_cost_aws_calls_of_one() {
    let fixture = Fixture::new(whole_catalog(), &[CLUSTER_MAPS]).await;
    let map = ClusterMap::with(fixture, NAMESPACES).await;
    let begin = Instant::now();
    map.create(json!({"spec": {}})).await;
    eventually_within(DEADLINE, async || {
        let status = map.api().get(&map.name).await.unwrap().status;
        let status = status.unwrap_or_default();
        let is_ready = state(&status, "Ready") == Some(["True", "AllReady"]);
        is_ready.then_some(()).ok_or(format!("{status:#?}"))
    })
    .await;
    let simulator = &map.fixture.simulator;
    let regions = simulator.requests().into_iter().map(|r| r.region);
    let regions: std::collections::BTreeSet<String> = regions.collect();
    eprintln!(
        "{NAMESPACES} namespaces, {} regions: {} AWS requests, {} s, at most {} MiB",
        regions.len(),
        simulator.total(),
        begin.elapsed().as_secs(),
        map.fixture.operator.peak_memory_mib(),
    );
    let (_, metrics) = map.fixture.operator.http_get("/metrics").await;
    let is_write = |line: &&str| line.contains("kubernetes_requests_total{");
    for line in metrics.lines().filter(is_write) {
        eprintln!("{line}");
    }
    assert_eq!(simulator.count("us-east-1", Operation::ListRegions), 1);
    assert_eq!(simulator.total(), 3 * regions.len() + 1);
    let peak = map.fixture.operator.peak_memory_mib();
    assert!(peak < MAX_MIB, "{peak} MiB");
}

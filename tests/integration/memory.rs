//! The memory of an operator that publishes many whole catalogs at once.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;

use crate::support::{Fixture, condition, eventually_within, whole_catalog};

const RESOURCES: usize = 40;

/// A debug build has some 100.
const MAX_MIB: u64 = 160;

/// A debug build takes some two minutes on two busy cores.
const DEADLINE: Duration = Duration::from_mins(8);

#[tokio::test(flavor = "multi_thread")]
async fn forty_whole_catalogs_stay_below_memory_limit() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: needs /proc of Linux");
        return;
    }
    let fixture = Fixture::new(whole_catalog(), &[]).await;
    let names: Vec<String> = (0..RESOURCES)
        .map(|number| format!("map-{number}"))
        .collect();
    futures::stream::iter(&names)
        .for_each_concurrent(8, async |name| {
            fixture.create(name, json!({})).await;
        })
        .await;
    for name in &names {
        eventually_within(DEADLINE, async || {
            let resource = fixture.get(name).await;
            let is_ready = condition(&resource, "Ready")[0] == "True";
            is_ready.then_some(()).ok_or(format!("{name} is not Ready"))
        })
        .await;
    }
    let peak = fixture.operator.peak_memory_mib();
    eprintln!("{RESOURCES} resources of all regions and models: at most {peak} MiB");
    assert!(peak < MAX_MIB, "{peak} MiB");
}

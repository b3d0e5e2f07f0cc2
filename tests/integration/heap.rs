//! The live heap of an operator at rest, as Valgrind counts it: unlike the memory of the process it does not depend on
//! the allocator, nor on what happened at once.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::requests::{REGIONS, metrics_after};
use crate::support::{Fixture, OperatorOptions, eventually_within};

/// So many that what the connections hold, 200 KB more or less, is a small part.
const RESOURCES: usize = 150;

/// KiB of the program without resources, and of each resource of three regions with all models. A change that needs more
/// for a reason states the new number here.
const KNOWN_EMPTY: u64 = 792;
const KNOWN_RESOURCE: u64 = 19;

/// Valgrind takes some thirty times as long.
const DEADLINE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn live_heap_of_a_resource_grows_by_a_tenth_at_most() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: needs Valgrind");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = format!("--massif-out-file={}", folder.path().join("end").display());
    let runner = ["valgrind", "--tool=massif", &output];
    let counted = OperatorOptions {
        runner: &runner,
        ..OperatorOptions::new(&[])
    };
    let mut fixture = Fixture::with_regions(&REGIONS).await;
    fixture.replace_operator(&counted);
    eventually_within(DEADLINE, async || {
        let (status, _) = fixture.operator.http_get("/readyz").await;
        (status == 200).then_some(()).ok_or("it is not ready")
    })
    .await;
    let empty = live_heap_kib(&fixture, folder.path());

    // Published by an operator that is not slowed down.
    fixture.replace_operator(&OperatorOptions::new(&[]));
    for number in 0..RESOURCES {
        let name = format!("claude-{number}");
        fixture.create(&name, json!({ "regions": REGIONS })).await;
    }
    metrics_after(RESOURCES, "Refreshed", &fixture).await;
    fixture.replace_operator(&counted);
    metrics_after(RESOURCES, "NothingDue", &fixture).await;
    let of_resource = (live_heap_kib(&fixture, folder.path()) - empty) / RESOURCES as u64;
    let report = format!("{empty} KiB without a resource, {of_resource} KiB for each");
    eprintln!("{report}");
    assert!(empty * 10 <= KNOWN_EMPTY * 11, "{report}");
    assert!(of_resource * 10 <= KNOWN_RESOURCE * 11, "{report}");
}

/// Asks the Valgrind that runs the operator.
fn live_heap_kib(fixture: &Fixture, folder: &Path) -> u64 {
    let snapshot = folder.join("snapshot");
    let output = Command::new("vgdb")
        .arg(format!("--pid={}", fixture.operator.pid()))
        .arg("snapshot")
        .arg(&snapshot)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(snapshot).unwrap();
    let bytes = text
        .lines()
        .find_map(|line| line.strip_prefix("mem_heap_B="));
    bytes.unwrap().parse::<u64>().unwrap() / 1024
}

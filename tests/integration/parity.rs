//! The seed's algorithm in Python, with boto3, over the wire: it gets what the operator publishes.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::support::{Fixture, mapping_json, whole_catalog};

#[tokio::test]
async fn boto3_script_output_matches_published_mapping() {
    let fixture = Fixture::new(whole_catalog(), &[]).await;
    fixture.create("all", json!({})).await;
    fixture.settled("all").await;
    let published = mapping_json(&fixture.config_map("all-mapping").await);

    let regions: Vec<String> = fixture
        .simulator
        .catalog()
        .regions()
        .map(str::to_owned)
        .collect();
    assert_eq!(regions.len(), 31);
    // The environment stays: it says where Python's packages come from and are kept.
    let output = Command::new("sh")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/oracle/run.sh"))
        .args(["--regions", &regions.join(",")])
        .env("AWS_ENDPOINT_URL", fixture.simulator.url())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        output.stdout == published.as_bytes(),
        "they differ; {stderr}"
    );
}

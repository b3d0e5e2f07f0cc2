//! The seed's algorithm in Python, with boto3, over the wire: it gets what the operator publishes.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Fixture, data, mapping_json, whole_catalog};

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
    let output = run_oracle(&fixture, &["--regions", &regions.join(",")]).await;
    assert!(output == published.as_bytes(), "they differ");
}

/// The policies of docs/residency.md, in regions of four continents: the routes that the operator
/// publishes are those that the script finds by itself.
#[tokio::test]
async fn published_routes_match_those_of_the_boto3_script() {
    const REGIONS: [&str; 4] = [
        "ap-northeast-1",
        "ca-central-1",
        "eu-central-1",
        "us-east-1",
    ];
    let policies = [
        ("default", json!({})),
        ("eu-only", json!({"allowedDestinationRegions": ["eu-*"]})),
        (
            "two-us-regions",
            json!({"allowedDestinationRegions": ["us-east-1", "us-west-2"]}),
        ),
        ("canada", json!({"allowedDestinationRegions": ["ca-*"]})),
        ("in-region", json!({"preference": ["InRegion"]})),
        (
            "global-first",
            json!({"preference": ["Global", "InRegion", "Geographic"]}),
        ),
        (
            "application-first",
            json!({"preference": ["Application", "InRegion", "Geographic", "Global"],
                   "applicationProfiles": ["team-?-*"]}),
        ),
        ("no-legacy", json!({"legacy": "Avoid"})),
    ];
    let fixture = Fixture::new(whole_catalog(), &[]).await;
    for (name, policy) in &policies {
        let spec = json!({"regions": REGIONS, "invocation": policy});
        fixture.create(name, spec).await;
    }
    for (name, policy) in &policies {
        fixture.settled(name).await;
        let arguments = [
            "--regions",
            &REGIONS.join(","),
            "--routes",
            &policy.to_string(),
        ];
        let expected: Value =
            serde_json::from_slice(&run_oracle(&fixture, &arguments).await).unwrap();
        for region in REGIONS {
            let config_map = fixture.config_map(&format!("{name}-{region}")).await;
            let facts: Value = serde_json::from_str(data(&config_map, "invocation.json")).unwrap();
            for (model, facts) in facts.as_object().unwrap() {
                let choice = facts.get("route").or(facts.get("reason"));
                assert_eq!(
                    json!([facts["invokeWith"], choice]),
                    expected[region][model],
                    "{name} {region} {model}"
                );
            }
        }
    }
}

async fn run_oracle(fixture: &Fixture, arguments: &[&str]) -> Vec<u8> {
    // The environment stays: it says where Python's packages come from and are kept.
    let output = Command::new("sh")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/oracle/run.sh"))
        .args(arguments)
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
    output.stdout
}

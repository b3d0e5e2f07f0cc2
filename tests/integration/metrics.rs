//! The metrics of a running operator.

use bedrock_simulator::{Fault, FaultRule, Operation};
use serde_json::json;

use crate::support::{Fixture, catalog_of, eventually};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

/// Once the metrics have all of these lines, without the prefix that all names have.
async fn scraped(fixture: &Fixture, lines: &[String]) -> String {
    eventually(async || {
        let (status, text) = fixture.operator.http_get("/metrics").await;
        assert_eq!(status, 200);
        let there = |line: &String| {
            let line = format!("bedrock_model_map_{line}");
            text.lines().any(|l| l == line)
        };
        match lines.iter().find(|line| !there(line)) {
            None => Ok(text),
            Some(line) => Err(format!("no {line} in\n{text}")),
        }
    })
    .await
}

/// The sum over a metric's series.
fn sum(text: &str, name: &str) -> f64 {
    let series = text.lines().filter_map(|line| line.strip_prefix(name));
    let values = series.filter_map(|series| series.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

#[tokio::test]
async fn metrics_report_resource_state_and_requests() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let denied = FaultRule::new(Fault::AccessDenied)
        .region("us-west-1")
        .operation(Operation::ListFoundationModels);
    fixture.simulator.faults().add(denied);
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.sound("claude").await;
    let namespace = &fixture.namespace.name;
    let labels = format!(r#"namespace="{namespace}",name="claude""#);
    let catalog = fixture.simulator.catalog();
    let is_legacy = |model: &&serde_json::Value| model["modelLifecycle"]["status"] == "LEGACY";
    let legacy = |region| catalog.models(region).iter().filter(is_legacy).count();
    let ended = legacy("ap-east-2") + legacy("eu-central-2");
    assert!(ended > 0);
    let of = |name: &str, more: &str, value: &str| format!("{name}{{{labels}{more}}} {value}");
    let text = scraped(
        &fixture,
        &[
            of("condition", r#",type="Degraded",status="True""#, "1.0"),
            of("regions", r#",state="Failed""#, "1.0"),
            of("errors", r#",code="AccessDenied""#, "1.0"),
            of("legacy_models", "", &format!("{ended}.0")),
            of("region_state", r#",region="us-west-1",state="Failed""#, "1.0"),
            of("region_state", r#",region="ap-east-2",state="Fresh""#, "1.0"),
            r#"region_answers_total{region="us-west-1",code="AccessDenied"} 1"#.to_owned(),
            r#"aws_requests_total{region="ap-east-2",operation="ListFoundationModels",code="OK"} 1"#.to_owned(),
            r#"aws_requests_total{region="us-west-1",operation="ListFoundationModels",code="AccessDeniedException"} 1"#.to_owned(),
            r#"snapshots_total{source="Fetched"} 3"#.to_owned(),
            // Two regions and the merged mapping.
            r#"configmap_writes_total{action="Create"} 3"#.to_owned(),
            r#"refresh_duration_seconds_count{reason="First"} 1"#.to_owned(),
            "leader 1".to_owned(),
            "region_fetches_active 0".to_owned(),
            "resources_due 0.0".to_owned(),
        ],
    )
    .await;
    // In a region where none was given up, each request is counted and measured once.
    for operation in [
        Operation::ListFoundationModels,
        Operation::ListInferenceProfiles,
    ] {
        let received = fixture.simulator.count("ap-east-2", operation).to_string();
        let of = format!(r#"{{region="ap-east-2",operation="{operation:?}""#);
        for name in ["aws_requests_total", "aws_request_duration_seconds_count"] {
            let counted = sum(&text, &format!("bedrock_model_map_{name}{of}"));
            assert_eq!(counted.to_string(), received, "{name} {operation:?}");
        }
    }
    let ends = "bedrock_model_map_model_end_of_life_timestamp_seconds{";
    assert!(text.lines().any(|line| line.starts_with(ends)), "{text}");

    // What is deleted leaves nothing behind.
    fixture.delete("claude").await;
    eventually(async || {
        let (_, text) = fixture.operator.http_get("/metrics").await;
        let left = text.lines().find(|line| line.contains("claude\""));
        left.map_or(Ok(()), |line| Err(line.to_owned()))
    })
    .await;
}

#[tokio::test]
async fn region_metrics_can_be_disabled() {
    let fixture = Fixture::new(catalog_of(&REGIONS), &["--region-metrics", "false"]).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.sound("claude").await;
    let labels = format!(r#"namespace="{}",name="claude""#, fixture.namespace.name);
    let text = scraped(
        &fixture,
        &[format!(r#"regions{{{labels},state="Fresh"}} 3.0"#)],
    )
    .await;
    for region in REGIONS {
        assert!(!text.contains(region), "{text}");
    }
}

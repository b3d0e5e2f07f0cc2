//! What the operator logs, and what it never does.

use serde_json::{Value, json};

use crate::support::{KEYS, Stage, catalog_of, condition};

const REGIONS: [&str; 2] = ["ap-east-2", "us-west-1"];

#[tokio::test]
async fn refresh_is_one_line_with_its_counts() {
    let stage = Stage::of(&REGIONS).await;
    stage.create("claude", json!({ "regions": REGIONS })).await;
    let resource = stage.sound("claude").await;
    stage.looked_at("claude-mapping").await;
    let log = stage.operator.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refreshes: Vec<Value> = lines
        .filter(|line| line["message"] == "refreshed")
        .collect();
    let [line] = refreshes.as_slice() else {
        panic!("{refreshes:?}")
    };
    let models = resource.status.unwrap().summary.unwrap().models;
    for (key, value) in [
        ("reason", json!("First")),
        ("asked", json!(2)),
        ("fresh", json!("2/2")),
        ("models", json!(models)),
        ("written", json!(3)),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert!(line["took_ms"].is_u64(), "{line}");
    let [span] = line["spans"].as_array().unwrap().as_slice() else {
        panic!("{line}")
    };
    assert_eq!(span["resource"], "claude");
    assert_eq!(span["namespace"], stage.namespace.name);
}

#[tokio::test]
async fn secrets_are_never_logged() {
    let arguments = ["--log-filter", "debug,bedrock_model_map=trace,hyper=info"];
    let stage = Stage::with(catalog_of(&REGIONS), &arguments).await;
    stage.create("claude", json!({ "regions": REGIONS })).await;
    stage.sound("claude").await;
    let external_id = "external-id-that-is-nobodys-concern";
    let aws =
        json!({"roleArn": "arn:aws:iam::123456789012:role/reader", "externalId": external_id});
    stage
        .create("other", json!({"regions": REGIONS, "aws": aws}))
        .await;
    let resource = stage.settled("other").await;
    assert_eq!(condition(&resource, "Stalled")[1], "RoleNotAllowed");
    let log = stage.operator.log();
    assert!(log.contains("\"level\":\"DEBUG\""));
    let [_, secret_key] = KEYS;
    for secret in [secret_key, external_id] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}

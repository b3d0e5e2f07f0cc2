//! What the operator logs, and what it never does.

use bedrock_simulator::{Role, SECRETS};
use serde_json::{Value, json};

use crate::support::{Fixture, FixtureBuilder, KEYS, OperatorOptions, catalog_of, condition};

const REGIONS: [&str; 2] = ["ap-east-2", "us-west-1"];
const READER: &str = "arn:aws:iam::123456789012:role/reader";
const OTHER: &str = "arn:aws:iam::123456789012:role/other";

#[tokio::test]
async fn refresh_logs_one_line_with_counts() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let resource = fixture.sound("claude").await;
    fixture.reconciled("claude-mapping").await;
    let log = fixture.operator.log();
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
        ("queried", json!(2)),
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
    assert_eq!(span["namespace"], fixture.namespace.name);
}

#[tokio::test]
async fn secrets_are_not_logged() {
    let builder = FixtureBuilder::new(catalog_of(&REGIONS)).await;
    let external_id = "external-id-that-is-nobodys-concern";
    let reader = Role::new(READER).external_id(external_id);
    builder.simulator.identities().add(reader);
    let allowed = format!("{}={READER}", builder.namespace.name);
    let fixture = builder.start_operator(&OperatorOptions::new(&[
        "--log-filter",
        "trace",
        "--allow-role",
        &allowed,
    ]));
    let create = async |name: &str, aws: Value| {
        let spec = json!({"regions": REGIONS, "aws": aws});
        fixture.create(name, spec).await;
        fixture.sound(name).await
    };
    create("own", Value::Null).await;
    let assumed = create(
        "assumed",
        json!({"roleArn": READER, "externalId": external_id}),
    )
    .await;
    assert_eq!(condition(&assumed, "Ready")[0], "True");
    // What STS and the operator refuse is explained.
    let wrong_id = "another-external-id-that-is-nobodys-concern";
    for (name, role, reason) in [
        ("refused", READER, "AccessDenied"),
        ("not-allowed", OTHER, "RoleNotAllowed"),
    ] {
        let resource = create(name, json!({"roleArn": role, "externalId": wrong_id})).await;
        assert_eq!(condition(&resource, "Stalled")[1], reason);
    }
    let log = fixture.operator.log();
    assert!(log.contains("\"level\":\"TRACE\""));
    let [_, secret_key] = KEYS;
    let [assumed_key, session_token] = SECRETS;
    for secret in [
        secret_key,
        assumed_key,
        session_token,
        external_id,
        wrong_id,
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}

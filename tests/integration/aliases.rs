//! The ConfigMaps of aliases, and what becomes of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Fixture, condition, data, eventually, file};

const REGION: &str = "us-east-1";
const ENV: &str = "claude-us-east-1-env";
const ALIASES: &str = "claude-us-east-1-aliases";
/// On demand in the region.
const FIRST: &str = "amazon.nova-pro-v1:0";
const SECOND: &str = "amazon.nova-lite-v1:0";

fn spec(aliases: &Value) -> Value {
    json!({"regions": [REGION], "aliases": aliases})
}

fn two_aliases() -> Value {
    json!([
        {"name": "chat", "env": "CHAT_MODEL", "models": ["none.such", FIRST, SECOND]},
        {"name": "other", "models": [SECOND]},
    ])
}

async fn variables(fixture: &Fixture) -> BTreeMap<String, String> {
    fixture.config_map(ENV).await.data.unwrap_or_default()
}

fn named(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, id)| ((*name).to_owned(), (*id).to_owned()))
        .collect()
}

async fn notes(fixture: &Fixture, reason: &str) -> Vec<String> {
    let selector = format!("reason={reason}");
    let namespace = &fixture.namespace.name;
    let arguments = [
        "get",
        "events.events.k8s.io",
        "-n",
        namespace,
        "--field-selector",
        &selector,
        "-o",
        "json",
    ];
    let output = fixture.cluster.run(&arguments, "").await.unwrap();
    let list: Value = serde_json::from_str(&output).unwrap();
    let events = list["items"].as_array().unwrap().iter();
    events
        .map(|event| event["note"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn alias_moves_when_its_model_is_gone_and_nothing_else_changes() {
    let fixture = Fixture::with_regions(&[REGION]).await;
    fixture.create("claude", spec(&two_aliases())).await;
    let settled = fixture.sound("claude").await;
    let [chat, other] = [("CHAT_MODEL", FIRST), ("BEDROCK_MODEL_OTHER", SECOND)];
    assert_eq!(variables(&fixture).await, named(&[chat, other]));
    let formats = fixture.config_map(ALIASES).await;
    assert_eq!(file(&formats, "aliases.json")["chat"]["modelId"], FIRST);
    assert!(data(&formats, "litellm.yaml").contains(&format!("\"bedrock/converse/{FIRST}\"")));
    let settings = json!({"env": {
        "AWS_REGION": REGION, "BEDROCK_MODEL_OTHER": SECOND, "CHAT_MODEL": FIRST,
        "CLAUDE_CODE_USE_BEDROCK": "1",
    }});
    assert_eq!(file(&formats, "claude-code.json"), settings);
    let labels = formats.metadata.labels.unwrap();
    assert_eq!(labels["bedrock.modelmap.dev/content"], "aliases");
    assert_eq!(labels["bedrock.modelmap.dev/region"], REGION);
    let summary = settled.status.unwrap().summary.unwrap();
    assert_eq!(
        (summary.aliases, summary.aliases_unresolved),
        (Some(2), Some(0))
    );

    // Neither a refresh nor a restart writes a ConfigMap.
    let versions = fixture.versions("claude").await;
    fixture.refresh("claude", "1").await;
    fixture.operator.kill();
    fixture.operator.restart();
    fixture.refresh("claude", "2").await;
    assert_eq!(fixture.versions("claude").await, versions);

    // Whatever a person does to them is repaired.
    fixture.delete_config_map(ENV).await;
    fixture
        .patch_config_map(ALIASES, json!({"data": {"aliases.json": "{}"}}))
        .await;
    eventually(async || {
        let there = fixture.config_maps("claude").await;
        let repaired = there.contains_key(ENV) && data(&there[ALIASES], "aliases.json") != "{}";
        if repaired {
            Ok(())
        } else {
            Err("not repaired")
        }
    })
    .await;
    assert_eq!(variables(&fixture).await, named(&[chat, other]));

    fixture.simulator.edit_catalog(|catalog| {
        catalog.remove_model(REGION, FIRST);
    });
    fixture.refresh("claude", "3").await;
    assert_eq!(
        variables(&fixture).await,
        named(&[("CHAT_MODEL", SECOND), other])
    );
    let moved = eventually(async || {
        let moved = notes(&fixture, "AliasChanged").await;
        if moved.is_empty() {
            Err("no Event")
        } else {
            Ok(moved)
        }
    })
    .await;
    let expected =
        format!("alias chat is {SECOND}, was {FIRST}, in {REGION}: {FIRST} is not listed any more");
    assert_eq!(moved, [expected]);

    // An alias that the spec loses takes its key along.
    fixture
        .patch(
            "claude",
            json!({"spec": {"aliases": [{"name": "other", "models": [SECOND]}]}}),
        )
        .await;
    fixture.sound("claude").await;
    assert_eq!(variables(&fixture).await, named(&[other]));
    fixture
        .patch("claude", json!({"spec": {"aliases": null}}))
        .await;
    fixture.sound("claude").await;
    assert!(!fixture.has_config_map(ENV).await && !fixture.has_config_map(ALIASES).await);
}

#[tokio::test]
async fn alias_without_a_model_and_a_foreign_config_map_are_named_in_the_status() {
    let fixture = Fixture::with_regions(&[REGION]).await;
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ENV}, "data": {"A": "b"}});
    let arguments = ["create", "-n", &fixture.namespace.name, "-f", "-"];
    fixture
        .cluster
        .run(&arguments, &foreign.to_string())
        .await
        .unwrap();
    let aliases = json!([{"name": "chat", "models": ["amazon.nova-pro-v1:1", "x.*"]}, {"name": "other", "models": [SECOND]}]);
    fixture.create("claude", spec(&aliases)).await;
    let settled = fixture.settled("claude").await;
    assert_eq!(
        condition(&settled, "Ready")[..2],
        ["False", "TargetConflict"]
    );
    let status = settled.status.unwrap();
    let region = &status.regions[REGION];
    assert_eq!(region.error, None);
    let aliases = region.aliases.as_ref().unwrap();
    let [problem] = aliases.problems.as_slice() else {
        panic!("{aliases:#?}");
    };
    assert_eq!((&*problem.alias, &*problem.reason), ("chat", "NotListed"));
    assert!(
        problem.message.contains(&format!("nearest: {FIRST}")),
        "{problem:?}"
    );
    let formats = fixture.config_map(ALIASES).await;
    assert_eq!(
        file(&formats, "aliases.json")["chat"],
        json!({"invokeWith": null, "reason": "NotListed"})
    );
    assert_eq!(variables(&fixture).await, named(&[("A", "b")]));

    fixture.delete_config_map(ENV).await;
    fixture.refresh("claude", "1").await;
    fixture.sound("claude").await;
    assert_eq!(
        variables(&fixture).await,
        named(&[("BEDROCK_MODEL_OTHER", SECOND)])
    );
}

//! Another writer that changes a published `ConfigMap` again and again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::support::{Fixture, condition, eventually, eventually_within, file};

const INTRUDER: &str = "intruder";
const NAME: &str = "claude-us-west-1";
/// Changes of the other writer, at least.
const CHANGES: u64 = 100;

/// How many repairs may happen in this time: five at once, then after 1, 2, 4 s and so on up to a minute.
fn most_repairs(elapsed: Duration) -> u64 {
    let (mut repairs, mut pause, mut passed) = (5, 1, 0);
    while passed + pause <= elapsed.as_secs() {
        passed += pause;
        pause = (pause * 2).min(60);
        repairs += 1;
    }
    // One more may have begun.
    repairs + 1
}

async fn is_contended(fixture: &Fixture) -> bool {
    condition(&fixture.get("claude").await, "Degraded")[1] == "Contended"
}

/// Changes the `ConfigMap` until the operator says so; returns the versions that the other writer made.
async fn wage_war(fixture: &Fixture) -> BTreeSet<String> {
    let api = fixture.namespace.api::<ConfigMap>();
    let parameters = PatchParams {
        field_manager: Some(INTRUDER.to_owned()),
        ..PatchParams::default()
    };
    let mut versions = BTreeSet::new();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    for number in 0_u64.. {
        pace.tick().await;
        if number >= CHANGES && number % 10 == 0 && is_contended(fixture).await {
            break;
        }
        let patch = Patch::Merge(json!({"data": {"models.json": format!("[{number}]")}}));
        let patched = api.patch(NAME, &parameters, &patch).await.unwrap();
        versions.extend(patched.metadata.resource_version);
    }
    versions
}

async fn repairs(fixture: &Fixture) -> u64 {
    let (_, metrics) = fixture.operator.http_get("/metrics").await;
    let writes = metrics
        .lines()
        .filter(|line| line.starts_with("bedrock_model_map_configmap_writes_total"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count"
    )]
    let writes = writes.sum::<f64>() as u64;
    writes
}

#[tokio::test]
async fn war_of_two_writers_is_damped_and_named() {
    let fixture = Fixture::with_regions(&["us-west-1", "eu-central-2"]).await;
    fixture
        .create("claude", json!({"regions": ["us-west-1"]}))
        .await;
    fixture.sound("claude").await;
    fixture.simulator.reset_counts();
    let (before, start) = (repairs(&fixture).await, Instant::now());
    let changes = wage_war(&fixture).await.len() as u64;
    let written = repairs(&fixture).await - before;
    let most = most_repairs(start.elapsed());
    assert!(written <= most, "{written} repairs, {most} at most");
    assert!(
        written * 5 < changes,
        "{written} repairs of {changes} changes"
    );
    assert_eq!(fixture.simulator.total(), 0);

    let contended = fixture.get("claude").await;
    let [status, _, message] = condition(&contended, "Degraded");
    assert_eq!(status, "True");
    for part in [NAME, INTRUDER] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(condition(&contended, "Ready")[0], "True");
    let events = async || {
        let events = fixture.namespace.api::<Event>();
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let notes = events
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some("Contended"))
            .filter_map(|event| event.note);
        notes.collect::<Vec<_>>()
    };
    let notes = eventually(async || {
        let notes = events().await;
        (!notes.is_empty()).then_some(notes).ok_or("no Event")
    })
    .await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains(NAME) && notes[0].contains(INTRUDER),
        "{notes:?}"
    );

    // Another resource, and another ConfigMap of the same one, are repaired at once.
    fixture
        .create("second", json!({"regions": ["eu-central-2"]}))
        .await;
    fixture.sound("second").await;
    fixture.reconciled("second-eu-central-2").await;
    fixture.reconciled("claude-mapping").await;

    // It is quiet: the last change is repaired, and two minutes later nothing is contended.
    eventually_within(Duration::from_mins(5), async || {
        let resource = fixture.get("claude").await;
        let [status, reason, _] = condition(&resource, "Degraded").map(str::to_owned);
        let is_over = (status.as_str(), reason.as_str()) == ("False", "AllRegionsAnswer");
        is_over.then_some(()).ok_or(reason)
    })
    .await;
    assert!(file(&fixture.config_map(NAME).await, "models.json").is_object());
    fixture.sound("claude").await;
    assert_eq!(events().await.len(), 1);
}

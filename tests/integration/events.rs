//! What `kubectl get events` and `kubectl describe` tell of a resource.

use bedrock_model_map::api::BedrockModelMap;
use bedrock_simulator::{Fault, FaultRule};
use serde_json::{Value, json};

use crate::support::{Fixture, condition, eventually, file};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];
const MODEL: &str = "anthropic.claude-sonnet-5-5";

/// The events of the namespace in the order of their writing: type, reason and note.
async fn events(fixture: &Fixture) -> Vec<[String; 3]> {
    let arguments = [
        "get",
        "events.events.k8s.io",
        "-n",
        &fixture.namespace.name,
        "-o",
        "json",
    ];
    let output = fixture.cluster.run(&arguments, "").await.unwrap();
    let list: Value = serde_json::from_str(&output).unwrap();
    let mut events: Vec<&Value> = list["items"].as_array().unwrap().iter().collect();
    events.sort_by_key(|event| event["eventTime"].as_str().unwrap());
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let shown = |event: &&Value| ["type", "reason", "note"].map(|key| text(event, key));
    events.iter().map(shown).collect()
}

/// Once there are so many events; those after the first `known`.
async fn news(fixture: &Fixture, known: usize, expected: usize) -> Vec<[String; 3]> {
    eventually(async || {
        let events = events(fixture).await;
        if events.len() >= known + expected {
            return Ok(events[known..].to_vec());
        }
        Err(format!("{events:?}"))
    })
    .await
}

fn reasons(events: &[[String; 3]]) -> Vec<&str> {
    events
        .iter()
        .map(|[_, reason, _]| reason.as_str())
        .collect()
}

#[tokio::test]
async fn transitions_emit_one_event_each() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.sound("claude").await;
    let first = news(&fixture, 0, 1).await;
    assert_eq!(reasons(&first), ["Published"]);
    assert!(first[0][2].ends_with("3/3 regions fresh"), "{first:?}");

    // All regions at once: one event.
    fixture
        .simulator
        .faults()
        .add(FaultRule::new(Fault::InternalServerError));
    fixture.refresh("claude", "1").await;
    let failed = news(&fixture, 1, 1).await;
    let [kind, reason, note] = &failed[0];
    assert_eq!([kind.as_str(), reason], ["Warning", "RegionDegraded"]);
    assert!(
        note.starts_with("3 fail (ap-east-2, eu-central-2, us-west-1); ap-east-2: bedrock:"),
        "{note}"
    );
    assert!(note.contains("AWS responded with status 500"), "{note}");

    // A second attempt that fails, and one after a restart, tell nothing.
    fixture.refresh("claude", "2").await;
    fixture.operator.kill();
    fixture.operator.restart();
    fixture.refresh("claude", "3").await;

    fixture.simulator.faults().clear();
    fixture.refresh("claude", "4").await;
    let recovered = news(&fixture, 2, 1).await;
    assert_eq!(reasons(&recovered), ["RegionRecovered"]);
    fixture.refresh("claude", "5").await;

    // What changes at AWS.
    fixture.simulator.edit_catalog(|catalog| {
        catalog.remove_model("us-west-1", MODEL);
    });
    fixture.refresh("claude", "6").await;
    let changed = news(&fixture, 3, 1).await;
    let [kind, reason, note] = &changed[0];
    assert_eq!([kind.as_str(), reason], ["Warning", "ModelRemoved"]);
    assert_eq!(*note, format!("{MODEL} removed in us-west-1"));
    assert!(
        reasons(&changed)[1..]
            .iter()
            .all(|r| *r == "InferenceProfileRemoved"),
        "{changed:?}"
    );

    let arguments = ["describe", "bmm", "claude", "-n", &fixture.namespace.name];
    let described = fixture.cluster.run(&arguments, "").await.unwrap();
    let shown = described.split("\nEvents:").nth(1).unwrap();
    for part in [
        "Published",
        "RegionDegraded",
        "RegionRecovered",
        "bedrock-model-map",
        note.as_str(),
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test]
async fn conflicts_and_refusals_emit_named_events() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let foreign =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "claude-us-west-1"}});
    let arguments = ["create", "-n", &fixture.namespace.name, "-f", "-"];
    fixture
        .cluster
        .run(&arguments, &foreign.to_string())
        .await
        .unwrap();
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.settled("claude").await;
    let events = news(&fixture, 0, 2).await;
    assert_eq!(reasons(&events), ["Published", "TargetConflict"]);
    assert!(
        events[1][2].contains("set another spec.output.configMapPrefix"),
        "{events:?}"
    );

    let role = "arn:aws:iam::123456789012:role/reader";
    fixture
        .patch("claude", json!({"spec": {"aws": {"roleArn": role}}}))
        .await;
    let refused =
        |resource: &BedrockModelMap| condition(resource, "Stalled")[1] == "RoleNotAllowed";
    fixture.until("claude", refused).await;
    let events = news(&fixture, 2, 1).await;
    assert_eq!(reasons(&events), ["RoleNotAllowed"]);
}

#[tokio::test]
async fn misspelled_glob_and_ambiguous_profile_name_emit_one_event_each() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let profile = |id: &str| {
        json!({
            "inferenceProfileId": id, "inferenceProfileName": "team/a \u{1f600}", "type": "APPLICATION",
            "inferenceProfileArn": format!("arn:aws:bedrock:us-west-1:111122223333:application-inference-profile/{id}"),
            "status": "ACTIVE",
            "models": [{"modelArn": format!("arn:aws:bedrock:us-west-1::foundation-model/{MODEL}")}],
        })
    };
    fixture.simulator.edit_catalog(|catalog| {
        let mut profiles = catalog.profiles("us-west-1").to_vec();
        profiles.extend([profile("bbbbbbbbbbbb"), profile("aaaaaaaaaaaa")]);
        catalog.set_profiles("us-west-1", profiles);
    });
    let invocation =
        json!({"preference": ["Application", "InRegion"], "applicationProfiles": ["team/*"]});
    let spec = json!({"excludeRegions": ["app-*"], "invocation": invocation});
    fixture.create("claude", spec).await;
    let resource = fixture.sound("claude").await;
    let first = news(&fixture, 0, 3).await;
    for expected in [
        "Warning ApplicationProfileAmbiguous several application inference profiles have the name team/a \u{1f600} in us-west-1",
        "Warning ExcludeRegionsUnmatched app-* in spec.excludeRegions matches no region",
    ] {
        let found = first
            .iter()
            .any(|event| event.join(" ").starts_with(expected));
        assert!(found, "{expected} is not in {first:?}");
    }
    let region = &resource.status.as_ref().unwrap().regions["us-west-1"];
    assert_eq!(region.ambiguous_profile_names, ["team/a \u{1f600}"]);
    let published = fixture.config_map("claude-us-west-1").await;
    let facts = file(&published, "invocation.json");
    let invoke_with = facts[MODEL]["invokeWith"].as_str().unwrap();
    assert!(invoke_with.ends_with("/aaaaaaaaaaaa"), "{invoke_with}");
}

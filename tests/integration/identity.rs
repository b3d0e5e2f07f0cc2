//! What the operator may do at AWS, and as whom.

use bedrock_model_map::api::{BedrockModelMap, ErrorCode, RegionState, RegionStatus};
use bedrock_simulator::{Fault, FaultRule, Operation};
use serde_json::json;

use crate::support::{Credentials, Stage, catalog_of, condition};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

fn region<'a>(resource: &'a BedrockModelMap, region: &str) -> &'a RegionStatus {
    &resource.status.as_ref().unwrap().regions[region]
}

fn code(resource: &BedrockModelMap, name: &str) -> Option<ErrorCode> {
    region(resource, name).error.as_ref().map(|e| e.code)
}

#[tokio::test]
async fn account_that_does_not_tell_its_regions() {
    let stage = Stage::of(&REGIONS).await;
    let denied = FaultRule::new(Fault::AccessDenied).operation(Operation::ListRegions);
    stage.simulator.faults().add(denied.clone());
    stage.create("claude", json!({})).await;
    let resource = stage.sound("claude").await;
    for kind in ["Ready", "Stalled"] {
        let [_, reason, message] = condition(&resource, kind);
        assert_eq!(reason, "AccessDenied");
        assert!(message.contains("account:ListRegions"), "{message}");
        assert!(message.contains("spec.regions"), "{message}");
    }
    assert_eq!(condition(&resource, "Ready")[0], "False");
    stage.simulator.faults().clear();
    stage.refresh("claude", "1").await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    assert_eq!(resource.status.as_ref().unwrap().regions.len(), 3);

    // Those known are asked further on.
    stage.simulator.faults().add(denied);
    stage.simulator.edit_catalog(|catalog| {
        catalog.remove_model("us-west-1", "anthropic.claude-sonnet-5-5");
    });
    stage.refresh("claude", "2").await;
    let resource = stage.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").models, 38);
    assert_eq!(condition(&resource, "Ready")[0], "True");
}

#[tokio::test]
async fn disabled_region_is_no_failure_of_a_resource_that_did_not_ask_for_it() {
    let stage = Stage::of(&REGIONS).await;
    let disabled = FaultRule::new(Fault::UnrecognizedClient).region("us-west-1");
    stage.simulator.faults().add(disabled);
    stage.create("claude", json!({})).await;
    let resource = stage.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Disabled);
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    assert_eq!(
        resource.status.unwrap().summary.unwrap().regions_fresh,
        "2/2"
    );
}

#[tokio::test]
async fn credentials_that_nobody_accepts() {
    let stage = Stage::of(&REGIONS).await;
    let unknown = FaultRule::new(Fault::UnrecognizedClient);
    stage.simulator.faults().add(unknown.clone());
    stage.create("claude", json!({ "regions": REGIONS })).await;
    let resource = stage.sound("claude").await;
    assert_eq!(
        condition(&resource, "Stalled")[..2],
        ["True", "InvalidCredentials"]
    );
    assert_eq!(
        condition(&resource, "Ready")[..2],
        ["False", "InvalidCredentials"]
    );
    for name in REGIONS {
        assert_eq!(region(&resource, name).state, RegionState::Failed);
        assert_eq!(code(&resource, name), Some(ErrorCode::InvalidCredentials));
    }
    stage.simulator.faults().clear();
    stage.refresh("claude", "1").await;
    stage.sound("claude").await;

    // Credentials that were good do not take away what is published.
    stage.simulator.faults().add(unknown);
    stage.refresh("claude", "2").await;
    let resource = stage.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Stale);
    assert_eq!(
        condition(&resource, "Stalled")[..2],
        ["True", "InvalidCredentials"]
    );
}

#[tokio::test]
async fn operator_without_credentials_says_so() {
    let stage = Stage::as_user(catalog_of(&REGIONS), &[], Credentials::Missing, None).await;
    stage
        .create("named", json!({"regions": ["us-west-1"]}))
        .await;
    stage.create("all", json!({})).await;
    for name in ["named", "all"] {
        let resource = stage.sound(name).await;
        let [stalled, reason, message] = condition(&resource, "Stalled");
        assert_eq!([stalled, reason], ["True", "InvalidCredentials"], "{name}");
        assert!(message.contains("no AWS credentials"), "{message}");
    }
    assert_eq!(stage.simulator.total(), 0);
}

#[tokio::test]
async fn role_that_is_not_permitted() {
    let stage = Stage::of(&REGIONS).await;
    let role = "arn:aws:iam::123456789012:role/bedrock-reader";
    let spec = json!({"regions": ["us-west-1"], "aws": {"roleArn": role}});
    stage.create("claude", spec).await;
    let resource = stage.settled("claude").await;
    let [stalled, reason, message] = condition(&resource, "Stalled");
    assert_eq!([stalled, reason], ["True", "RoleNotAllowed"]);
    assert!(
        message.contains(role) && message.contains(&stage.namespace.name),
        "{message}"
    );
    assert_eq!(
        condition(&resource, "Ready")[..2],
        ["False", "RoleNotAllowed"]
    );
    assert_eq!(stage.simulator.total(), 0);

    stage.patch("claude", json!({"spec": {"aws": null}})).await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    // What is published stays, whatever role is asked for then.
    let before = stage.versions("claude").await;
    stage
        .patch("claude", json!({"spec": {"aws": {"roleArn": role}}}))
        .await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled")[1], "RoleNotAllowed");
    // No refresh is overdue then, however long that lasts.
    assert_eq!(resource.status.unwrap().next_refresh_time, None);
    assert_eq!(stage.versions("claude").await, before);
}

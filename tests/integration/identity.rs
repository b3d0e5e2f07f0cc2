//! The operator's identity and permissions at AWS.

use bedrock_model_map::api::{BedrockModelMap, ErrorCode, RegionState, RegionStatus};
use bedrock_simulator::{Fault, FaultRule, Operation};
use serde_json::json;

use crate::support::{Credentials, Fixture, catalog_of, condition, data, file};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

fn region<'a>(resource: &'a BedrockModelMap, region: &str) -> &'a RegionStatus {
    &resource.status.as_ref().unwrap().regions[region]
}

fn code(resource: &BedrockModelMap, name: &str) -> Option<ErrorCode> {
    region(resource, name).error.as_ref().map(|e| e.code)
}

#[tokio::test]
async fn denied_list_regions_stalls_unless_regions_are_known() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let denied = FaultRule::new(Fault::AccessDenied).operation(Operation::ListRegions);
    fixture.simulator.faults().add(denied.clone());
    fixture.create("claude", json!({})).await;
    let resource = fixture.sound("claude").await;
    for kind in ["Ready", "Stalled"] {
        let [_, reason, message] = condition(&resource, kind);
        assert_eq!(reason, "AccessDenied");
        assert!(message.contains("account:ListRegions"), "{message}");
        assert!(message.contains("spec.regions"), "{message}");
    }
    assert_eq!(condition(&resource, "Ready")[0], "False");
    fixture.simulator.faults().clear();
    fixture.refresh("claude", "1").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    assert_eq!(resource.status.as_ref().unwrap().regions.len(), 3);

    // The known regions are still queried.
    fixture.simulator.faults().add(denied);
    fixture.simulator.edit_catalog(|catalog| {
        catalog.remove_model("us-west-1", "anthropic.claude-sonnet-5-5");
    });
    fixture.refresh("claude", "2").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").models, 38);
    assert_eq!(condition(&resource, "Ready")[0], "True");
}

#[tokio::test]
async fn disabled_region_not_named_in_spec_does_not_degrade() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let disabled = FaultRule::new(Fault::UnrecognizedClient).region("us-west-1");
    fixture.simulator.faults().add(disabled);
    fixture.create("claude", json!({})).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Disabled);
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    assert_eq!(
        resource.status.unwrap().summary.unwrap().regions_fresh,
        "2/2"
    );
}

/// As a region deny control of AWS Control Tower: it denies regions that the account enables.
#[tokio::test]
async fn denied_region_degrades_only_if_named_in_spec() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let denied = FaultRule::new(Fault::DeniedByServiceControlPolicy).region("us-west-1");
    fixture.simulator.faults().add(denied.clone());
    fixture.create("omitted", json!({})).await;
    fixture.create("named", json!({ "regions": REGIONS })).await;
    for (name, degraded, fresh) in [("omitted", "False", "2/2"), ("named", "True", "2/3")] {
        let resource = fixture.sound(name).await;
        let status = region(&resource, "us-west-1");
        assert_eq!(status.state, RegionState::Denied, "{name}");
        assert_eq!(status.consecutive_failures, 0, "{name}");
        assert_eq!(
            code(&resource, "us-west-1"),
            Some(ErrorCode::DeniedByPolicy)
        );
        assert_eq!(condition(&resource, "Ready")[0], "True", "{name}");
        assert_eq!(condition(&resource, "Stalled"), [""; 3], "{name}");
        let [is_degraded, _, message] = condition(&resource, "Degraded");
        assert_eq!(is_degraded, degraded, "{name}");
        for part in [
            "us-west-1",
            "a service control policy denies the action",
            "exclude the region (spec.excludeRegions",
        ] {
            assert!(message.contains(part), "{name}: {message}");
        }
        let summary = resource.status.unwrap().summary.unwrap();
        assert_eq!(summary.regions_fresh, fresh, "{name}");
    }

    fixture.simulator.faults().clear();
    fixture.refresh("omitted", "1").await;
    let resource = fixture.sound("omitted").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Fresh);
    let published = fixture.config_map("omitted-us-west-1").await;

    // Denied again: the published content stays, marked as not confirmed.
    fixture.simulator.faults().add(denied);
    fixture.refresh("omitted", "2").await;
    let resource = fixture.sound("omitted").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Denied);
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    let kept = fixture.config_map("omitted-us-west-1").await;
    assert_eq!(data(&kept, "models.json"), data(&published, "models.json"));
    assert_eq!(file(&kept, "metadata.json")["state"], "Stale");
}

#[tokio::test]
async fn denial_without_policy_concerns_region_only_if_others_are_granted() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let denied = FaultRule::new(Fault::AccessDenied).region("us-west-1");
    fixture.simulator.faults().add(denied);
    fixture.create("claude", json!({})).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Denied);
    let [degraded, _, message] = condition(&resource, "Degraded");
    assert_eq!(degraded, "False");
    assert!(message.contains("exclude the region"), "{message}");

    let denied = FaultRule::new(Fault::DeniedByServiceControlPolicy);
    fixture.simulator.faults().add(denied);
    fixture.refresh("claude", "1").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(region(&resource, "ap-east-2").state, RegionState::Stale);
    assert_eq!(condition(&resource, "Degraded")[0], "True");
    assert_eq!(condition(&resource, "Stalled")[1], "DeniedByPolicy");
}

#[tokio::test]
async fn rejected_credentials_stall_resource() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let unknown = FaultRule::new(Fault::UnrecognizedClient);
    fixture.simulator.faults().add(unknown.clone());
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let resource = fixture.sound("claude").await;
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
    fixture.simulator.faults().clear();
    fixture.refresh("claude", "1").await;
    fixture.sound("claude").await;

    // Credentials that were good do not take away what is published.
    fixture.simulator.faults().add(unknown);
    fixture.refresh("claude", "2").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Stale);
    assert_eq!(
        condition(&resource, "Stalled")[..2],
        ["True", "InvalidCredentials"]
    );
}

#[tokio::test]
async fn missing_credentials_are_reported() {
    let fixture = Fixture::as_user(catalog_of(&REGIONS), &[], Credentials::Missing, None).await;
    fixture
        .create("named", json!({"regions": ["us-west-1"]}))
        .await;
    fixture.create("all", json!({})).await;
    for name in ["named", "all"] {
        let resource = fixture.sound(name).await;
        let [stalled, reason, message] = condition(&resource, "Stalled");
        assert_eq!([stalled, reason], ["True", "InvalidCredentials"], "{name}");
        assert!(message.contains("no AWS credentials"), "{message}");
    }
    assert_eq!(fixture.simulator.total(), 0);
}

#[tokio::test]
async fn role_that_is_not_allowed_stalls_resource() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let role = "arn:aws:iam::123456789012:role/bedrock-reader";
    let spec = json!({"regions": ["us-west-1"], "aws": {"roleArn": role}});
    fixture.create("claude", spec).await;
    let resource = fixture.settled("claude").await;
    let [stalled, reason, message] = condition(&resource, "Stalled");
    assert_eq!([stalled, reason], ["True", "RoleNotAllowed"]);
    assert!(
        message.contains(role) && message.contains(&fixture.namespace.name),
        "{message}"
    );
    assert_eq!(
        condition(&resource, "Ready")[..2],
        ["False", "RoleNotAllowed"]
    );
    assert_eq!(fixture.simulator.total(), 0);

    fixture
        .patch("claude", json!({"spec": {"aws": null}}))
        .await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    // Published data stays, whatever role the spec names then, and says that nobody confirms it.
    let before = fixture.config_map("claude-us-west-1").await;
    fixture
        .patch("claude", json!({"spec": {"aws": {"roleArn": role}}}))
        .await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled")[1], "RoleNotAllowed");
    // No refresh is overdue then, however long that lasts.
    assert_eq!(resource.status.unwrap().next_refresh_time, None);
    let after = fixture.config_map("claude-us-west-1").await;
    assert_eq!(data(&after, "models.json"), data(&before, "models.json"));
    assert_eq!(file(&after, "metadata.json")["state"], "Stale");
}

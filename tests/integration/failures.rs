//! What becomes of a region that does not answer as it should, and of the others.

use bedrock_model_map::api::{BedrockModelMap, ErrorCode, RegionState, RegionStatus};
use bedrock_simulator::{Catalog, Fault, FaultRule, Operation};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::oracle;
use crate::support::{
    Fixture, OperatorOptions, catalog_of, condition, data, eventually, file, mapping_json, sha256,
};

/// Seconds.
const RETRY_AFTER: u64 = 3;
const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];

fn region<'a>(resource: &'a BedrockModelMap, region: &str) -> &'a RegionStatus {
    &resource.status.as_ref().unwrap().regions[region]
}

fn code(resource: &BedrockModelMap, name: &str) -> Option<ErrorCode> {
    region(resource, name).error.as_ref().map(|e| e.code)
}

/// Each region's fault, the code in its status, and a part of what the user gets to read.
fn faults() -> Vec<(&'static str, Fault, ErrorCode, &'static str)> {
    let throttled = Fault::Throttling {
        retry_after: Some(RETRY_AFTER),
    };
    vec![
        (
            "us-east-1",
            Fault::AccessDenied,
            ErrorCode::AccessDenied,
            "allow the IAM action bedrock:List",
        ),
        (
            "us-east-2",
            Fault::InternalServerError,
            ErrorCode::ServiceError,
            "AWS responded with status 500",
        ),
        (
            "us-west-2",
            throttled,
            ErrorCode::Throttled,
            "AWS throttles requests",
        ),
        (
            "eu-west-1",
            Fault::MalformedJson,
            ErrorCode::MalformedAnswer,
            "malformed response",
        ),
        (
            "eu-west-2",
            Fault::HtmlPage,
            ErrorCode::MalformedAnswer,
            "a proxy between the operator and AWS may have responded",
        ),
        (
            "eu-west-3",
            Fault::MissingList,
            ErrorCode::MalformedAnswer,
            "Summaries",
        ),
        (
            "eu-north-1",
            Fault::TruncatedBody,
            ErrorCode::MalformedAnswer,
            "malformed response",
        ),
        (
            "eu-south-1",
            Fault::ConnectionReset,
            ErrorCode::Unreachable,
            "cannot connect to the endpoint",
        ),
        (
            "eu-south-2",
            Fault::EndlessTokens,
            ErrorCode::EndlessPagination,
            "more than 100 pages",
        ),
        (
            "eu-central-1",
            Fault::RepeatedToken,
            ErrorCode::EndlessPagination,
            "leads back to an earlier one",
        ),
        (
            "ca-central-1",
            Fault::UnrecognizedClient,
            ErrorCode::RegionDisabled,
            "enable ca-central-1 for the account, or remove the region from spec.regions",
        ),
        (
            "ca-west-1",
            Fault::ExpiredToken,
            ErrorCode::InvalidCredentials,
            "AWS rejects the credentials",
        ),
        (
            "sa-east-1",
            Fault::HugeDescription { bytes: 2_000_000 },
            ErrorCode::PayloadTooLarge,
            "narrow spec.models",
        ),
    ]
}

#[tokio::test]
async fn fault_is_reported_and_leaves_other_regions_fresh() {
    let cases = faults();
    let mut regions: Vec<&str> = cases.iter().map(|(region, ..)| *region).collect();
    regions.extend(REGIONS);
    let fixture = Fixture::with_regions(&regions).await;
    for (region, fault, ..) in &cases {
        let rule = FaultRule::new(fault.clone()).region(region);
        fixture.simulator.faults().add(rule);
    }
    fixture
        .create("claude", json!({ "regions": regions }))
        .await;
    let resource = fixture.sound("claude").await;
    for (name, fault, expected, hint) in &cases {
        let status = region(&resource, name);
        let error = status.error.as_ref();
        let error = error.unwrap_or_else(|| panic!("{fault:?} is not noticed"));
        assert_eq!(error.code, *expected, "{fault:?}: {}", error.message);
        assert!(error.message.contains(hint), "{fault:?}: {}", error.message);
        let not_enabled = *expected == ErrorCode::RegionDisabled;
        let expected = if not_enabled {
            RegionState::Disabled
        } else {
            RegionState::Failed
        };
        assert_eq!(status.state, expected, "{fault:?}");
    }
    let throttled = region(&resource, "us-west-2").error.as_ref().unwrap();
    assert_eq!(
        throttled.retry_after_seconds,
        i64::try_from(RETRY_AFTER).ok()
    );

    let catalog = fixture.simulator.catalog();
    let mapping = fixture.config_map("claude-mapping").await;
    assert!(mapping_json(&mapping) == oracle::mapping_json(&catalog, REGIONS));
    let [degraded, _, message] = condition(&resource, "Degraded");
    assert_eq!(degraded, "True");
    assert!(
        message.contains("ca-central-1") && message.contains("13"),
        "{message}"
    );
    assert_eq!(
        message.matches("-1").count() + message.matches("-2").count(),
        5,
        "{message}"
    );

    // All recover; the throttled one is not called before its time.
    fixture.simulator.faults().clear();
    tokio::time::sleep(std::time::Duration::from_secs(RETRY_AFTER)).await;
    fixture.refresh("claude", "1").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    let mapping = fixture.config_map("claude-mapping").await;
    let all = oracle::mapping_json(&catalog, regions.iter().copied());
    assert!(mapping_json(&mapping) == all);
}

#[tokio::test]
async fn hanging_region_does_not_delay_other_regions() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    let hang = FaultRule::new(Fault::Hang).region("ap-east-2");
    fixture.simulator.faults().add(hang);
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    for name in ["claude-eu-central-2", "claude-us-west-1"] {
        let published = async || fixture.has_config_map(name).await.then_some(()).ok_or(name);
        eventually(published).await;
    }
    // The third is still being waited for.
    let resource = fixture.get("claude").await;
    assert_eq!(condition(&resource, "Reconciling")[0], "True");
    assert_eq!(resource.status.unwrap().observed_generation, None);
}

#[tokio::test]
async fn hanging_region_times_out() {
    let arguments = ["--region-timeout-seconds", "2"];
    let fixture = Fixture::new(catalog_of(&REGIONS), &arguments).await;
    let hang = FaultRule::new(Fault::Hang).region("ap-east-2");
    let slow = Fault::SlowBody {
        over: std::time::Duration::from_mins(1),
    };
    fixture.simulator.faults().add(hang);
    let slow = FaultRule::new(slow).region("us-west-1");
    fixture.simulator.faults().add(slow);
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let resource = fixture.sound("claude").await;
    assert_eq!(code(&resource, "ap-east-2"), Some(ErrorCode::Timeout));
    assert_eq!(code(&resource, "us-west-1"), Some(ErrorCode::Timeout));
    assert_eq!(region(&resource, "eu-central-2").state, RegionState::Fresh);
}

#[tokio::test]
async fn failed_region_keeps_last_good_data() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let fresh = fixture.sound("claude").await;
    let good = fixture.config_map("claude-us-west-1").await;
    let good_versions = fixture.versions("claude").await;
    let mapping = mapping_json(&fixture.config_map("claude-mapping").await);

    let denied = FaultRule::new(Fault::AccessDenied).region("us-west-1");
    fixture.simulator.faults().add(denied);
    fixture.refresh("claude", "1").await;
    let failed = fixture.sound("claude").await;
    assert_eq!(region(&failed, "us-west-1").state, RegionState::Stale);
    assert_eq!(code(&failed, "us-west-1"), Some(ErrorCode::AccessDenied));
    let success = |r: &BedrockModelMap| region(r, "us-west-1").last_success_time.clone();
    assert_eq!(success(&failed), success(&fresh));
    assert_eq!(condition(&failed, "Ready")[0], "True");
    assert_eq!(condition(&failed, "Degraded")[0], "True");
    let kept = fixture.config_map("claude-us-west-1").await;
    for name in ["models.json", "invocation.json"] {
        assert_eq!(data(&kept, name), data(&good, name));
    }
    assert_eq!(file(&kept, "metadata.json")["state"], "Stale");
    assert!(mapping_json(&fixture.config_map("claude-mapping").await) == mapping);
    let mut versions = fixture.versions("claude").await;
    for other in ["claude-ap-east-2", "claude-eu-central-2"] {
        assert_eq!(versions[other], good_versions[other]);
    }

    // Failing on changes nothing more.
    fixture.refresh("claude", "2").await;
    let still = fixture.sound("claude").await;
    assert_eq!(region(&still, "us-west-1").consecutive_failures, 2);
    let since = |r: &BedrockModelMap| region(r, "us-west-1").stale_since.clone();
    assert_eq!(since(&still), since(&failed));
    let later = fixture.versions("claude").await;
    assert_eq!(later, versions);

    fixture.simulator.faults().clear();
    fixture.refresh("claude", "3").await;
    let mended = fixture.sound("claude").await;
    assert_eq!(region(&mended, "us-west-1").state, RegionState::Fresh);
    assert_eq!(fixture.config_map("claude-us-west-1").await.data, good.data);
    versions = fixture.versions("claude").await;
    assert_eq!(
        versions["claude-ap-east-2"],
        good_versions["claude-ap-east-2"]
    );
}

/// A resolver that knows no name: `.invalid` never resolves (RFC 6761).
#[tokio::test]
async fn forged_content_is_not_taken_for_last_good_data() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    let before = fixture.sound("claude").await;
    let recorded = |r: &BedrockModelMap| region(r, "us-west-1").sha256.clone();
    fixture.operator.kill();
    let models = r#"{"forged.model":{"modelId":"forged.model"}}"#;
    let forged = json!({
        "metadata": {"annotations": {"bedrock.modelmap.dev/content-sha256": sha256(models)}},
        "data": {"models.json": models},
    });
    fixture.patch_config_map("claude-us-west-1", forged).await;
    fixture.delete_config_map("claude-mapping").await;
    let denied = FaultRule::new(Fault::AccessDenied).region("us-west-1");
    fixture.simulator.faults().add(denied);
    fixture.operator.restart();

    let failed = |r: &BedrockModelMap| code(r, "us-west-1") == Some(ErrorCode::AccessDenied);
    fixture.until("claude", failed).await;
    // The other regions are published again meanwhile, with a forced refresh of all.
    let after = fixture.refresh("claude", "1").await;
    assert_eq!(recorded(&after), recorded(&before));
    assert_eq!(region(&after, "us-west-1").state, RegionState::Stale);
    if fixture.has_config_map("claude-mapping").await {
        let mapping = mapping_json(&fixture.config_map("claude-mapping").await);
        assert!(!mapping.contains("forged"), "{mapping}");
    }

    fixture.simulator.faults().clear();
    fixture.refresh("claude", "2").await;
    let repaired = fixture.sound("claude").await;
    assert_eq!(recorded(&repaired), recorded(&before));
}

#[tokio::test]
async fn dns_outage_keeps_data_and_marks_no_region_unsupported() {
    let mut fixture = Fixture::with_regions(&REGIONS).await;
    let before = [REGIONS[0], REGIONS[1]];
    fixture.create("claude", json!({ "regions": before })).await;
    let good = fixture.sound("claude").await;
    let data_of = async |fixture: &Fixture, region: &str| {
        let config_map = fixture.config_map(&format!("claude-{region}")).await;
        data(&config_map, "models.json").to_owned()
    };
    let options = |environment| OperatorOptions {
        environment,
        ..OperatorOptions::new(&[])
    };
    let nowhere = ["AWS_ENDPOINT_URL=http://bedrock.invalid:1".to_owned()];
    fixture.replace_operator(&options(&nowhere));
    fixture
        .patch("claude", json!({"spec": {"regions": REGIONS}}))
        .await;
    let cut_off = fixture.sound("claude").await;
    for name in before {
        assert_eq!(region(&cut_off, name).state, RegionState::Stale);
        assert_eq!(region(&cut_off, name).sha256, region(&good, name).sha256);
        let published = data_of(&fixture, name).await;
        assert!(published == oracle::models_json(&fixture.simulator.catalog(), name));
    }
    let never_published = region(&cut_off, REGIONS[2]);
    assert_eq!(never_published.state, RegionState::Failed);
    let message = &never_published.error.as_ref().unwrap().message;
    assert!(message.contains("does not resolve"), "{message}");
    assert_eq!(condition(&cut_off, "Degraded")[0], "True");

    fixture.replace_operator(&options(&[]));
    fixture.refresh("claude", "1").await;
    let mended = fixture.sound("claude").await;
    for name in REGIONS {
        assert_eq!(region(&mended, name).state, RegionState::Fresh);
    }
}

#[tokio::test]
async fn shrunken_response_is_published_only_once_confirmed() {
    let fixture = Fixture::with_regions(&REGIONS).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.sound("claude").await;
    let shrunk = FaultRule::new(Fault::Shrink { keep: 5 })
        .region("us-west-1")
        .operation(Operation::ListFoundationModels);
    // Lets the region's time come.
    let due = async |fixture: &Fixture| {
        fixture.operator.kill();
        let long_ago = json!({"lastAttemptTime": "2026-01-01T00:00:00Z"});
        let regions = json!({"us-west-1": long_ago});
        fixture
            .patch_status("claude", json!({ "regions": regions }))
            .await;
        fixture.operator.restart();
        let is_over = |r: &BedrockModelMap| {
            let tried = region(r, "us-west-1").last_attempt_time.as_ref();
            tried.is_some_and(|time| !time.0.to_string().starts_with("2026-01-01"))
        };
        fixture.until("claude", is_over).await;
        fixture.sound("claude").await
    };
    fixture.simulator.faults().add(shrunk.clone());
    let resource = due(&fixture).await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Stale);
    assert_eq!(code(&resource, "us-west-1"), Some(ErrorCode::ShrinkHeld));
    assert_eq!(region(&resource, "us-west-1").models, 39);
    // The next attempt says the same: it is believed.
    let resource = due(&fixture).await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Fresh);
    assert_eq!(region(&resource, "us-west-1").models, 5);

    // Not so if the next attempt says otherwise.
    fixture.simulator.faults().clear();
    due(&fixture).await;
    fixture.simulator.faults().add(shrunk);
    let resource = due(&fixture).await;
    assert_eq!(code(&resource, "us-west-1"), Some(ErrorCode::ShrinkHeld));
    fixture.simulator.faults().clear();
    let resource = due(&fixture).await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Fresh);
    assert_eq!(region(&resource, "us-west-1").models, 39);

    // Who forces a refresh takes what there is.
    let shrunk = FaultRule::new(Fault::Shrink { keep: 0 })
        .region("us-west-1")
        .operation(Operation::ListFoundationModels);
    fixture.simulator.faults().add(shrunk);
    fixture.refresh("claude", "1").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(region(&resource, "us-west-1").state, RegionState::Empty);
    assert!(!fixture.has_config_map("claude-us-west-1").await);
}

/// A catalogue of things that no version of the API had so far.
fn odd_catalog() -> Catalog {
    let mut catalog = catalog_of(&["us-west-1"]);
    let mut models = catalog.models("us-west-1").to_vec();
    for model in &mut models {
        model["newField"] =
            json!({"b": [2, 1], "a": {"z": true, "y": 1.5, "x": "ü\u{1F600}\u{7f}\""}});
        model["inputModalities"]
            .as_array_mut()
            .unwrap()
            .push(json!("SMELL"));
        model["modelLifecycle"]["status"] = json!("RESTING");
        model["modelLifecycle"]["mood"] = json!("good");
    }
    models[0]["modelName"] = json!("n".repeat(100_000));
    catalog.set_models("us-west-1", models);
    let mut profiles = catalog.profiles("us-west-1").to_vec();
    for profile in &mut profiles {
        profile["weight"] = json!(0.25);
        profile["models"][0]["share"] = json!(1);
        profile["status"] = json!("RESTING");
    }
    let nonsense: Vec<Value> = ["", "/", "arn:aws:bedrock", "nothing/of/this", "arn:::::x/"]
        .map(|arn| json!({"modelArn": arn}))
        .into();
    profiles[0]["models"]
        .as_array_mut()
        .unwrap()
        .extend(nonsense);
    profiles[0]["description"] = json!("d".repeat(100_000));
    catalog.set_profiles("us-west-1", profiles);
    catalog
}

#[tokio::test]
async fn unknown_fields_and_values_are_published() {
    let fixture = Fixture::new(odd_catalog(), &[]).await;
    fixture
        .create("claude", json!({"regions": ["us-west-1"]}))
        .await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    let published = fixture.config_map("claude-us-west-1").await;
    let expected = oracle::models_json(&fixture.simulator.catalog(), "us-west-1");
    assert!(data(&published, "models.json") == expected);
    // None of the profiles is active: none is recommended.
    let facts = file(&published, "invocation.json");
    let mut facts = facts.as_object().unwrap().values();
    assert!(facts.all(|f| f["onDemand"] == true || f["invokeWith"] == Value::Null));
    assert_eq!(published.name_any(), "claude-us-west-1");
}

//! Roles that a resource names, and where the operator's own credentials come from.

use std::collections::BTreeSet;
use std::time::Duration;

use bedrock_model_map::api::{BedrockModelMap, ErrorCode, RegionState};
use bedrock_simulator::{Fault, FaultRule, Operation, RecordedRequest, Role, Session};
use serde_json::{Value, json};

use crate::support::{
    Credentials, Fixture, FixtureBuilder, KEYS, OperatorOptions, catalog_of, condition, eventually,
    file,
};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];
const READER: &str = "arn:aws:iam::123456789012:role/bedrock-reader";
const OTHER: &str = "arn:aws:iam::210987654321:role/team/bedrock-reader";

/// Lifetime of credentials: the operator renews them after half of it, so that each of two forced
/// refreshes, 10 s apart, finds others, and a slow machine has the other half to send its requests.
const LIFETIME: Duration = Duration::from_secs(12);

/// A fixture whose namespace may use any role of these accounts that is named like that.
async fn permitted() -> Fixture {
    let builder = FixtureBuilder::new(catalog_of(&REGIONS)).await;
    let rules = rules(&builder.namespace.name);
    let fixture = builder.start_operator(&OperatorOptions::new(&[
        "--allow-role",
        &rules[0],
        "--allow-role",
        &rules[1],
    ]));
    fixture.simulator.identities().add(Role::new(READER));
    fixture.simulator.identities().add(Role::new(OTHER));
    fixture
}

fn rules(namespace: &str) -> [String; 2] {
    [
        format!("{namespace}=arn:aws:iam::123456789012:role/bedrock-*"),
        format!("{namespace}=arn:aws:iam::*:role/team/*"),
    ]
}

fn as_role(arn: &str) -> Value {
    json!({"regions": REGIONS, "aws": {"roleArn": arn}})
}

fn code(resource: &BedrockModelMap, region: &str) -> Option<ErrorCode> {
    let status = resource.status.as_ref().unwrap();
    status.regions[region].error.as_ref().map(|e| e.code)
}

fn is_of_sts(request: &RecordedRequest) -> bool {
    match request.operation {
        Operation::AssumeRole
        | Operation::AssumeRoleWithWebIdentity
        | Operation::ContainerCredentials => true,
        Operation::ListFoundationModels
        | Operation::ListInferenceProfiles
        | Operation::ListRegions => false,
    }
}

/// Each request to STS is counted, by what came of it.
async fn assert_counted(fixture: &Fixture, code: &str) {
    let (_, metrics) = fixture.operator.http_get("/metrics").await;
    let received = fixture.simulator.count("us-east-1", Operation::AssumeRole);
    let of = format!(r#"{{region="us-east-1",operation="AssumeRole",code="{code}"}}"#);
    let line = format!("bedrock_model_map_aws_requests_total{of} {received}");
    assert!(
        metrics.lines().any(|l| l == line),
        "no {line} in\n{metrics}"
    );
}

/// Forces one refresh after the other until the resource is so.
async fn refresh_until(
    fixture: &Fixture,
    token: &str,
    is_so: impl Fn(&BedrockModelMap) -> bool,
) -> BedrockModelMap {
    let mut number = 0;
    eventually(async || {
        number += 1;
        let resource = fixture
            .refresh("claude", &format!("{token} {number}"))
            .await;
        if is_so(&resource) {
            Ok(resource)
        } else {
            Err(format!("not after {number} refreshes"))
        }
    })
    .await
}

/// The requests to STS, and those to the others.
fn requests(fixture: &Fixture) -> (Vec<RecordedRequest>, Vec<RecordedRequest>) {
    fixture
        .simulator
        .requests()
        .into_iter()
        .partition(is_of_sts)
}

#[tokio::test]
async fn assumed_role_signs_all_requests() {
    let fixture = permitted().await;
    let role = Role::new(READER).external_id("their-word");
    fixture.simulator.identities().add(role);
    let aws = json!({"roleArn": READER, "externalId": "their-word"});
    // The regions are those of the role's account.
    fixture.create("claude", json!({ "aws": aws })).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(resource.status.unwrap().regions.len(), 3);

    let (sts, others) = requests(&fixture);
    let session = Session {
        role: READER.to_owned(),
        name: format!("{}@claude", fixture.namespace.name),
        external_id: Some("their-word".to_owned()),
        duration_seconds: None,
    };
    assert_eq!(sts.len(), 1, "{sts:?}");
    assert_eq!(sts[0].session.as_ref(), Some(&session));
    // As the operator itself, and in its own region.
    assert_eq!(
        (sts[0].identity.as_str(), sts[0].region.as_str()),
        (KEYS[0], "us-east-1")
    );
    assert_eq!(others.len(), 3 * REGIONS.len() + 1);
    assert!(
        others.iter().all(|r| r.session.as_ref() == Some(&session)),
        "{others:?}"
    );
    assert!(others.iter().any(|r| r.operation == Operation::ListRegions));
    assert_counted(&fixture, "OK").await;
    assert!(!fixture.operator.log().contains("their-word"));
}

#[tokio::test]
async fn newly_allowed_role_is_used_immediately() {
    let mut fixture = Fixture::with_regions(&REGIONS).await;
    fixture.simulator.identities().add(Role::new(READER));
    fixture.create("claude", json!({"regions": REGIONS})).await;
    fixture.sound("claude").await;
    let patch = json!({"spec": {"aws": {"roleArn": READER}}});
    fixture.patch("claude", patch).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled")[1], "RoleNotAllowed");
    let (sts, _) = requests(&fixture);
    assert_eq!(sts, []);
    assert_eq!(
        published_states(&fixture).await,
        ["Stale"; 2 * REGIONS.len()]
    );

    fixture.simulator.reset_counts();
    let rules = rules(&fixture.namespace.name);
    fixture.replace_operator(&OperatorOptions::new(&["--allow-role", &rules[0]]));
    let resource = fixture
        .until("claude", |r| condition(r, "Stalled") == [""; 3])
        .await;
    assert_eq!(condition(&resource, "Reconciling")[1], "NewGeneration");
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    let (_, others) = requests(&fixture);
    assert_eq!(others.len(), 3 * REGIONS.len());
    assert!(others.iter().all(|r| r.session.is_some()));
    assert_eq!(
        published_states(&fixture).await,
        ["Fresh"; 2 * REGIONS.len()]
    );
}

/// The state of each region in its own ConfigMap and in the merged one.
async fn published_states(fixture: &Fixture) -> Vec<String> {
    let merged = fixture.config_map("claude-mapping").await;
    let merged = file(&merged, "metadata.json");
    let mut states = Vec::new();
    for region in REGIONS {
        let config_map = fixture.config_map(&format!("claude-{region}")).await;
        let metadata = file(&config_map, "metadata.json");
        for state in [&metadata["state"], &merged["regions"][region]["state"]] {
            states.push(state.as_str().unwrap().to_owned());
        }
    }
    states
}

#[tokio::test]
async fn sts_denial_stalls_resource() {
    let fixture = permitted().await;
    let role = Role::new(READER).external_id("their-word");
    fixture.simulator.identities().add(role);
    let aws = json!({"roleArn": READER, "externalId": "another-word"});
    let spec = json!({"regions": REGIONS, "aws": aws});
    fixture.create("claude", spec).await;
    let resource = fixture.sound("claude").await;
    for kind in ["Ready", "Stalled"] {
        let [_, reason, message] = condition(&resource, kind);
        assert_eq!(reason, "AccessDenied");
        let session = format!("session {}@claude", fixture.namespace.name);
        for part in [
            "sts:AssumeRole",
            READER,
            &session,
            "trust policy",
            "spec.aws.externalId",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(!message.contains("word"), "{message}");
    }
    assert_eq!(condition(&resource, "Ready")[0], "False");
    let (_, others) = requests(&fixture);
    assert_eq!(others, []);
    assert_counted(&fixture, "AccessDenied").await;

    let external_id = json!({"spec": {"aws": {"externalId": "their-word"}}});
    fixture.patch("claude", external_id).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    assert!(!fixture.operator.log().contains("-word"));
}

#[tokio::test]
async fn sts_failure_keeps_last_good_data() {
    let mut fixture = permitted().await;
    fixture.create("claude", as_role(READER)).await;
    fixture.sound("claude").await;
    let models = fixture.config_map("claude-us-west-1").await.data.unwrap()["models.json"].clone();
    let cases = [
        (Fault::InternalServerError, ErrorCode::ServiceError),
        (Fault::ConnectionReset, ErrorCode::Unreachable),
        (Fault::Hang, ErrorCode::Timeout),
        (
            Fault::Throttling { retry_after: None },
            ErrorCode::Throttled,
        ),
        (Fault::HtmlPage, ErrorCode::MalformedAnswer),
        (Fault::MissingList, ErrorCode::MalformedAnswer),
        (Fault::ExpiredToken, ErrorCode::InvalidCredentials),
        (Fault::AccessDenied, ErrorCode::AccessDenied),
    ];
    for (number, (fault, expected)) in cases.into_iter().enumerate() {
        // One that has no credentials yet.
        let rules = rules(&fixture.namespace.name);
        let arguments = ["--allow-role", &rules[0], "--region-timeout-seconds", "8"];
        fixture.replace_operator(&OperatorOptions::new(&arguments));
        let rule = FaultRule::new(fault.clone()).operation(Operation::AssumeRole);
        fixture.simulator.faults().set(vec![rule]);
        fixture.refresh("claude", &number.to_string()).await;
        let resource = fixture.sound("claude").await;
        for region in REGIONS {
            let status = &resource.status.as_ref().unwrap().regions[region];
            assert_eq!(status.state, RegionState::Stale, "{fault:?}");
            assert_eq!(
                code(&resource, region),
                Some(expected),
                "{fault:?}: {status:?}"
            );
            let message = &status.error.as_ref().unwrap().message;
            assert!(message.contains("sts:AssumeRole"), "{fault:?}: {message}");
        }
        let published = fixture.config_map("claude-us-west-1").await.data.unwrap();
        assert_eq!(published["models.json"], models);
        assert_eq!(condition(&resource, "Ready")[0], "True", "{fault:?}");
    }
    fixture.simulator.faults().clear();
    fixture.refresh("claude", "in the end").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
}

#[tokio::test]
async fn credentials_are_refreshed_before_expiry() {
    let fixture = permitted().await;
    let role = Role::new(READER).lifetime(LIFETIME);
    fixture.simulator.identities().add(role);
    fixture.create("claude", as_role(READER)).await;
    fixture.sound("claude").await;
    let keys = || fixture.simulator.identities().keys(READER).len();
    assert_eq!(keys(), 1);
    refresh_until(&fixture, "renewed", |_| keys() > 3).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    // No request was made with keys that were not good any more.
    assert!(!fixture.operator.log().contains("InvalidCredentials"));
}

#[tokio::test]
async fn revoked_credentials_are_fetched_again() {
    let fixture = permitted().await;
    fixture.create("claude", as_role(READER)).await;
    fixture.sound("claude").await;
    fixture
        .simulator
        .faults()
        .add(FaultRule::new(Fault::ExpiredToken).times(1));
    fixture.refresh("claude", "1").await;
    let resource = fixture.sound("claude").await;
    let failed = REGIONS
        .iter()
        .filter(|r| code(&resource, r) == Some(ErrorCode::InvalidCredentials));
    assert_eq!(failed.count(), 1);
    fixture.refresh("claude", "2").await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    assert_eq!(fixture.simulator.identities().keys(READER).len(), 2);
}

#[tokio::test]
async fn responses_are_shared_within_one_role_only() {
    let fixture = permitted().await;
    let strict = Role::new(READER).external_id("their-word");
    fixture.simulator.identities().add(strict);
    let aws = json!({"roleArn": READER, "externalId": "their-word"});
    let spec = json!({"regions": REGIONS, "aws": aws});
    fixture.create("one", spec.clone()).await;
    fixture.sound("one").await;
    fixture.create("same", spec).await;
    fixture.sound("same").await;
    let fetched = 3 * REGIONS.len();
    let (sts, others) = requests(&fixture);
    assert_eq!((sts.len(), others.len()), (1, fetched));

    // Who does not know the external id does not get at what is known either.
    fixture.create("wrong", as_role(READER)).await;
    let resource = fixture.sound("wrong").await;
    assert_eq!(condition(&resource, "Stalled")[1], "AccessDenied");
    assert_eq!(requests(&fixture).1.len(), fetched);

    fixture.create("other", as_role(OTHER)).await;
    fixture.create("own", json!({"regions": REGIONS})).await;
    for name in ["other", "own"] {
        let resource = fixture.sound(name).await;
        assert_eq!(condition(&resource, "Ready")[0], "True");
    }
    let (_, others) = requests(&fixture);
    assert_eq!(others.len(), 3 * fetched);
    let role = |r: &RecordedRequest| r.session.as_ref().map(|s| s.role.clone());
    let roles: BTreeSet<Option<String>> = others.iter().map(role).collect();
    let expected = [None, Some(READER.to_owned()), Some(OTHER.to_owned())];
    assert_eq!(roles, BTreeSet::from(expected));
}

#[tokio::test]
async fn web_identity_credentials_are_refreshed() {
    let own = "arn:aws:iam::123456789012:role/operator";
    let builder = FixtureBuilder::new(catalog_of(&REGIONS)).await;
    let operator = Role::new(own).web_identity_token("a.web.token");
    builder
        .simulator
        .identities()
        .add(operator.lifetime(LIFETIME));
    builder.simulator.identities().add(Role::new(READER));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a.web.token").unwrap();
    let environment = [
        format!("AWS_ROLE_ARN={own}"),
        format!("AWS_WEB_IDENTITY_TOKEN_FILE={}", token.display()),
        format!("AWS_ENDPOINT_URL_STS={}", builder.simulator.url()),
    ];
    let rule = rules(&builder.namespace.name)[0].clone();
    let fixture = builder.start_operator(&OperatorOptions {
        credentials: Credentials::Missing,
        environment: &environment,
        ..OperatorOptions::new(&["--allow-role", &rule])
    });
    renewed(&fixture, own, Operation::AssumeRoleWithWebIdentity).await;

    // A role is assumed from there.
    fixture.create("role", as_role(READER)).await;
    fixture.sound("role").await;
    let (sts, _) = requests(&fixture);
    let assumed = sts
        .iter()
        .find(|r| r.operation == Operation::AssumeRole)
        .unwrap();
    let own_keys = fixture.simulator.identities().keys(own);
    assert!(own_keys.contains(&assumed.identity), "{assumed:?}");

    // The kubelet has written a token that the provider does not know.
    std::fs::write(&token, "another.web.token").unwrap();
    // In the refresh in which the former credentials expire, some regions still succeed.
    let resource = refresh_until(&fixture, "denied", |resource| {
        condition(resource, "Stalled")[0] == "True"
    })
    .await;
    let [stalled, reason, message] = condition(&resource, "Stalled");
    assert_eq!([stalled, reason], ["True", "InvalidCredentials"]);
    assert!(message.contains("AssumeRoleWithWebIdentity"), "{message}");
    assert!(message.contains("web identity token"), "{message}");
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert!(!fixture.operator.log().contains("another.web.token"));
}

#[tokio::test]
async fn container_credentials_are_refreshed() {
    let own = "arn:aws:iam::123456789012:role/operator";
    let builder = FixtureBuilder::new(catalog_of(&REGIONS)).await;
    let operator = Role::new(own).container_token("a-pod-token");
    builder
        .simulator
        .identities()
        .add(operator.lifetime(LIFETIME));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-pod-token").unwrap();
    let url = builder.simulator.container_credentials_url();
    let environment = [
        format!("AWS_CONTAINER_CREDENTIALS_FULL_URI={url}"),
        format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}", token.display()),
    ];
    let fixture = builder.start_operator(&OperatorOptions {
        credentials: Credentials::Missing,
        environment: &environment,
        ..OperatorOptions::new(&[])
    });
    renewed(&fixture, own, Operation::ContainerCredentials).await;

    // The agent on the node is gone for a while.
    let broken = FaultRule::new(Fault::ConnectionReset).operation(Operation::ContainerCredentials);
    fixture.simulator.faults().add(broken);
    let resource = refresh_until(&fixture, "gone", |resource| {
        code(resource, "us-west-1").is_some()
    })
    .await;
    assert_eq!(code(&resource, "us-west-1"), Some(ErrorCode::Unreachable));
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    assert_eq!(condition(&resource, "Ready")[0], "True");
}

/// A resource without a role is refreshed as this role, time after time, with new keys when the old ones are about to
/// expire.
async fn renewed(fixture: &Fixture, role: &str, operation: Operation) {
    fixture.create("claude", json!({"regions": REGIONS})).await;
    fixture.sound("claude").await;
    let keys = || fixture.simulator.identities().keys(role).len();
    refresh_until(fixture, "renewed", |_| keys() > 2).await;
    let resource = fixture.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    let (sts, others) = requests(fixture);
    assert!(sts.iter().all(|r| r.operation == operation), "{sts:?}");
    let as_role = |r: &RecordedRequest| r.session.as_ref().is_some_and(|s| s.role == role);
    assert!(others.iter().all(as_role), "{others:?}");
    assert!(!fixture.operator.log().contains("InvalidCredentials"));
}

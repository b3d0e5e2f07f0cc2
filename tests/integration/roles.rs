//! Roles that a resource names, and where the operator's own credentials come from.

use std::collections::BTreeSet;
use std::time::Duration;

use bedrock_model_map::api::{BedrockModelMap, ErrorCode, RegionState};
use bedrock_simulator::{Fault, FaultRule, Operation, RecordedRequest, Role, Session};
use serde_json::{Value, json};

use crate::support::{Cast, Credentials, KEYS, Scene, Stage, catalog_of, condition, eventually};

const REGIONS: [&str; 3] = ["ap-east-2", "eu-central-2", "us-west-1"];
const READER: &str = "arn:aws:iam::123456789012:role/bedrock-reader";
const OTHER: &str = "arn:aws:iam::210987654321:role/team/bedrock-reader";

/// A stage whose namespace may use any role of these accounts that is named like that.
async fn permitted() -> Stage {
    let scene = Scene::of(catalog_of(&REGIONS)).await;
    let rules = rules(&scene.namespace.name);
    let stage = scene.play(&cast(&[
        "--allow-role",
        &rules[0],
        "--allow-role",
        &rules[1],
    ]));
    stage.simulator.identities().add(Role::new(READER));
    stage.simulator.identities().add(Role::new(OTHER));
    stage
}

fn rules(namespace: &str) -> [String; 2] {
    [
        format!("{namespace}=arn:aws:iam::123456789012:role/bedrock-*"),
        format!("{namespace}=arn:aws:iam::*:role/team/*"),
    ]
}

fn cast<'a>(arguments: &'a [&'a str]) -> Cast<'a> {
    Cast {
        credentials: Credentials::Given,
        kubeconfig: None,
        environment: &[],
        arguments,
    }
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
async fn assert_counted(stage: &Stage, code: &str) {
    let (_, metrics) = stage.operator.http_get("/metrics").await;
    let received = stage.simulator.count("us-east-1", Operation::AssumeRole);
    let of = format!(r#"{{region="us-east-1",operation="AssumeRole",code="{code}"}}"#);
    let line = format!("bedrock_model_map_aws_requests_total{of} {received}");
    assert!(
        metrics.lines().any(|l| l == line),
        "no {line} in\n{metrics}"
    );
}

/// The requests to STS, and those to the others.
fn asked(stage: &Stage) -> (Vec<RecordedRequest>, Vec<RecordedRequest>) {
    stage.simulator.requests().into_iter().partition(is_of_sts)
}

#[tokio::test]
async fn role_is_assumed_for_everything_that_is_asked() {
    let stage = permitted().await;
    let role = Role::new(READER).external_id("their-word");
    stage.simulator.identities().add(role);
    let aws = json!({"roleArn": READER, "externalId": "their-word"});
    // The regions are those of the role's account.
    stage.create("claude", json!({ "aws": aws })).await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(resource.status.unwrap().regions.len(), 3);

    let (sts, others) = asked(&stage);
    let session = Session {
        role: READER.to_owned(),
        name: format!("{}@claude", stage.namespace.name),
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
    assert_counted(&stage, "OK").await;
    assert!(!stage.operator.log().contains("their-word"));
}

#[tokio::test]
async fn role_that_becomes_permitted_is_used_at_once() {
    let mut stage = Stage::of(&REGIONS).await;
    stage.simulator.identities().add(Role::new(READER));
    stage.create("claude", json!({"regions": REGIONS})).await;
    stage.sound("claude").await;
    let patch = json!({"spec": {"aws": {"roleArn": READER}}});
    stage.patch("claude", patch).await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Stalled")[1], "RoleNotAllowed");
    let (sts, _) = asked(&stage);
    assert_eq!(sts, []);

    stage.simulator.reset_counts();
    let rules = rules(&stage.namespace.name);
    stage.recast(&cast(&["--allow-role", &rules[0]]));
    let resource = stage
        .until("claude", |r| condition(r, "Stalled") == [""; 3])
        .await;
    assert_eq!(condition(&resource, "Reconciling")[1], "NewGeneration");
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    let (_, others) = asked(&stage);
    assert_eq!(others.len(), 3 * REGIONS.len());
    assert!(others.iter().all(|r| r.session.is_some()));
}

#[tokio::test]
async fn sts_that_denies() {
    let stage = permitted().await;
    let role = Role::new(READER).external_id("their-word");
    stage.simulator.identities().add(role);
    let aws = json!({"roleArn": READER, "externalId": "another-word"});
    let spec = json!({"regions": REGIONS, "aws": aws});
    stage.create("claude", spec).await;
    let resource = stage.sound("claude").await;
    for kind in ["Ready", "Stalled"] {
        let [_, reason, message] = condition(&resource, kind);
        assert_eq!(reason, "AccessDenied");
        let session = format!("session {}@claude", stage.namespace.name);
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
    let (_, others) = asked(&stage);
    assert_eq!(others, []);
    assert_counted(&stage, "AccessDenied").await;

    let external_id = json!({"spec": {"aws": {"externalId": "their-word"}}});
    stage.patch("claude", external_id).await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    assert!(!stage.operator.log().contains("-word"));
}

#[tokio::test]
async fn sts_that_fails_takes_nothing_away() {
    let mut stage = permitted().await;
    stage.create("claude", as_role(READER)).await;
    stage.sound("claude").await;
    let models = stage.config_map("claude-us-west-1").await.data.unwrap()["models.json"].clone();
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
        let rules = rules(&stage.namespace.name);
        let arguments = ["--allow-role", &rules[0], "--region-timeout-seconds", "8"];
        stage.recast(&cast(&arguments));
        let rule = FaultRule::new(fault.clone()).operation(Operation::AssumeRole);
        stage.simulator.faults().set(vec![rule]);
        stage.refresh("claude", &number.to_string()).await;
        let resource = stage.sound("claude").await;
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
        let published = stage.config_map("claude-us-west-1").await.data.unwrap();
        assert_eq!(published["models.json"], models);
        assert_eq!(condition(&resource, "Ready")[0], "True", "{fault:?}");
    }
    stage.simulator.faults().clear();
    stage.refresh("claude", "in the end").await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire() {
    let stage = permitted().await;
    let role = Role::new(READER).lifetime(Duration::from_secs(4));
    stage.simulator.identities().add(role);
    stage.create("claude", as_role(READER)).await;
    stage.sound("claude").await;
    let keys = || stage.simulator.identities().keys(READER).len();
    assert_eq!(keys(), 1);
    let mut number = 0;
    eventually(async || {
        number += 1;
        stage.refresh("claude", &number.to_string()).await;
        if keys() > 3 {
            Ok(())
        } else {
            Err("the same keys")
        }
    })
    .await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    // No request was made with keys that were not good any more.
    assert!(!stage.operator.log().contains("InvalidCredentials"));
}

#[tokio::test]
async fn credentials_that_are_taken_back_are_fetched_anew() {
    let stage = permitted().await;
    stage.create("claude", as_role(READER)).await;
    stage.sound("claude").await;
    stage
        .simulator
        .faults()
        .add(FaultRule::new(Fault::ExpiredToken).times(1));
    stage.refresh("claude", "1").await;
    let resource = stage.sound("claude").await;
    let failed = REGIONS
        .iter()
        .filter(|r| code(&resource, r) == Some(ErrorCode::InvalidCredentials));
    assert_eq!(failed.count(), 1);
    stage.refresh("claude", "2").await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    assert_eq!(stage.simulator.identities().keys(READER).len(), 2);
}

#[tokio::test]
async fn answers_are_shared_by_those_of_the_same_role_only() {
    let stage = permitted().await;
    let strict = Role::new(READER).external_id("their-word");
    stage.simulator.identities().add(strict);
    let aws = json!({"roleArn": READER, "externalId": "their-word"});
    let spec = json!({"regions": REGIONS, "aws": aws});
    stage.create("one", spec.clone()).await;
    stage.sound("one").await;
    stage.create("same", spec).await;
    stage.sound("same").await;
    let fetched = 3 * REGIONS.len();
    let (sts, others) = asked(&stage);
    assert_eq!((sts.len(), others.len()), (1, fetched));

    // Who does not know the external id does not get at what is known either.
    stage.create("wrong", as_role(READER)).await;
    let resource = stage.sound("wrong").await;
    assert_eq!(condition(&resource, "Stalled")[1], "AccessDenied");
    assert_eq!(asked(&stage).1.len(), fetched);

    stage.create("other", as_role(OTHER)).await;
    stage.create("own", json!({"regions": REGIONS})).await;
    for name in ["other", "own"] {
        let resource = stage.sound(name).await;
        assert_eq!(condition(&resource, "Ready")[0], "True");
    }
    let (_, others) = asked(&stage);
    assert_eq!(others.len(), 3 * fetched);
    let role = |r: &RecordedRequest| r.session.as_ref().map(|s| s.role.clone());
    let roles: BTreeSet<Option<String>> = others.iter().map(role).collect();
    let expected = [None, Some(READER.to_owned()), Some(OTHER.to_owned())];
    assert_eq!(roles, BTreeSet::from(expected));
}

#[tokio::test]
async fn web_identity_of_the_service_account() {
    let own = "arn:aws:iam::123456789012:role/operator";
    let scene = Scene::of(catalog_of(&REGIONS)).await;
    let operator = Role::new(own).web_identity_token("a.web.token");
    scene
        .simulator
        .identities()
        .add(operator.lifetime(Duration::from_secs(4)));
    scene.simulator.identities().add(Role::new(READER));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a.web.token").unwrap();
    let environment = [
        format!("AWS_ROLE_ARN={own}"),
        format!("AWS_WEB_IDENTITY_TOKEN_FILE={}", token.display()),
        format!("AWS_ENDPOINT_URL_STS={}", scene.simulator.url()),
    ];
    let rule = rules(&scene.namespace.name)[0].clone();
    let stage = scene.play(&Cast {
        credentials: Credentials::Missing,
        kubeconfig: None,
        environment: &environment,
        arguments: &["--allow-role", &rule],
    });
    renewed(&stage, own, Operation::AssumeRoleWithWebIdentity).await;

    // A role is assumed from there.
    stage.create("role", as_role(READER)).await;
    stage.sound("role").await;
    let (sts, _) = asked(&stage);
    let assumed = sts
        .iter()
        .find(|r| r.operation == Operation::AssumeRole)
        .unwrap();
    let own_keys = stage.simulator.identities().keys(own);
    assert!(own_keys.contains(&assumed.identity), "{assumed:?}");

    // The kubelet has written a token that the provider does not know.
    std::fs::write(&token, "another.web.token").unwrap();
    let mut number = 0;
    let resource = eventually(async || {
        number += 1;
        let resource = stage.refresh("claude", &format!("denied {number}")).await;
        match code(&resource, "us-west-1") {
            Some(_) => Ok(resource),
            None => Err("the old token is good"),
        }
    })
    .await;
    let [stalled, reason, message] = condition(&resource, "Stalled");
    assert_eq!([stalled, reason], ["True", "InvalidCredentials"]);
    assert!(message.contains("AssumeRoleWithWebIdentity"), "{message}");
    assert!(message.contains("web identity token"), "{message}");
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert!(!stage.operator.log().contains("another.web.token"));
}

#[tokio::test]
async fn container_credentials_of_the_pod() {
    let own = "arn:aws:iam::123456789012:role/operator";
    let scene = Scene::of(catalog_of(&REGIONS)).await;
    let operator = Role::new(own).container_token("a-pod-token");
    scene
        .simulator
        .identities()
        .add(operator.lifetime(Duration::from_secs(4)));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-pod-token").unwrap();
    let url = scene.simulator.container_credentials_url();
    let environment = [
        format!("AWS_CONTAINER_CREDENTIALS_FULL_URI={url}"),
        format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}", token.display()),
    ];
    let stage = scene.play(&Cast {
        credentials: Credentials::Missing,
        kubeconfig: None,
        environment: &environment,
        arguments: &[],
    });
    renewed(&stage, own, Operation::ContainerCredentials).await;

    // The agent on the node is gone for a while.
    let broken = FaultRule::new(Fault::ConnectionReset).operation(Operation::ContainerCredentials);
    stage.simulator.faults().add(broken);
    let mut number = 0;
    let resource = eventually(async || {
        number += 1;
        let resource = stage.refresh("claude", &format!("gone {number}")).await;
        match code(&resource, "us-west-1") {
            Some(_) => Ok(resource),
            None => Err("the old credentials are good"),
        }
    })
    .await;
    assert_eq!(code(&resource, "us-west-1"), Some(ErrorCode::Unreachable));
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    assert_eq!(condition(&resource, "Ready")[0], "True");
}

/// A resource without a role is refreshed as this role, time after time, with new keys when the old ones are about to
/// expire.
async fn renewed(stage: &Stage, role: &str, operation: Operation) {
    stage.create("claude", json!({"regions": REGIONS})).await;
    stage.sound("claude").await;
    let keys = || stage.simulator.identities().keys(role).len();
    let mut number = 0;
    eventually(async || {
        number += 1;
        stage.refresh("claude", &number.to_string()).await;
        if keys() > 2 {
            Ok(())
        } else {
            Err("the same keys")
        }
    })
    .await;
    let resource = stage.sound("claude").await;
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    let (sts, others) = asked(stage);
    assert!(sts.iter().all(|r| r.operation == operation), "{sts:?}");
    let as_role = |r: &RecordedRequest| r.session.as_ref().is_some_and(|s| s.role == role);
    assert!(others.iter().all(as_role), "{others:?}");
    assert!(!stage.operator.log().contains("InvalidCredentials"));
}

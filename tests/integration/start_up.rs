//! An operator that lacks something says what.

use std::net::TcpListener;

use control_plane::ControlPlane;
use serde_json::json;

use crate::support::{
    Credentials, Fixture, Launch, Operator, OperatorOptions, apply, catalog_of, condition,
    eventually, kubectl,
};

/// What the operator needs in its namespace, and nothing more.
const ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator}
rules:
- {apiGroups: [bedrock.modelmap.dev], resources: [bedrockmodelmaps], verbs: [get, list, watch]}
- {apiGroups: [bedrock.modelmap.dev], resources: [bedrockmodelmaps/status], verbs: [update]}
- {apiGroups: [''], resources: [configmaps], verbs: [VERBS]}
EVENTS
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: USER}
";

const EVENTS: &str = "- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}";

#[tokio::test]
async fn missing_permissions_are_reported_until_granted() {
    let user = "operator-of-the-test";
    let catalog = catalog_of(&["us-west-1"]);
    let fixture = Fixture::as_user(catalog, &[], Credentials::Given, Some(user)).await;
    fixture
        .create("claude", json!({"regions": ["us-west-1"]}))
        .await;
    let line = ["cannot list resource", "bedrockmodelmaps", user, "grant"];
    fixture.operator.logged(&line).await;
    fixture
        .operator
        .logged(&["cannot list resource", "configmaps"])
        .await;
    assert!(fixture.operator.ended().is_none());

    let grant = async |verbs: &str, events: &str| {
        let role = ROLE.replace("VERBS", verbs).replace("EVENTS", events);
        let role = role.replace("USER", user);
        let arguments = ["apply", "-n", &fixture.namespace.name, "-f", "-"];
        fixture.cluster.run(&arguments, &role).await.unwrap();
    };
    // All but one that counts: the status names it.
    grant("get, list, watch, update, delete", "").await;
    let resource = fixture.sound("claude").await;
    let [ready, reason, message] = condition(&resource, "Ready");
    assert_eq!([ready, reason], ["False", "WriteFailed"]);
    let said = "cannot create resource \\\"configmaps\\\"".replace('\\', "");
    assert!(message.contains(&said), "{message}");

    // Without events everything else goes on.
    let lost = [
        "cannot write the Event WriteFailed",
        "cannot create resource",
        "events.k8s.io",
    ];
    fixture.operator.logged(&lost).await;

    grant("get, list, watch, create, update, delete", EVENTS).await;
    // RBAC takes a moment to be known everywhere.
    eventually(async || {
        let token = format!("{:?}", std::time::Instant::now());
        let resource = fixture.refresh("claude", &token).await;
        let [ready, _, message] = condition(&resource, "Ready").map(str::to_owned);
        if ready == "True" {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    fixture.sound("claude").await;
}

#[tokio::test]
async fn resources_created_before_start_are_all_reconciled() {
    let fixture = Fixture::with_regions(&["us-west-1"]).await;
    fixture.operator.kill();
    let names: Vec<String> = (0..20).map(|n| format!("claude-{n}")).collect();
    for name in &names {
        fixture
            .create(name, json!({"regions": ["us-west-1"]}))
            .await;
    }
    fixture.operator.restart();
    for name in &names {
        fixture.sound(name).await;
    }
    // They share one fetch.
    assert_eq!(fixture.simulator.total(), 3);
}

#[tokio::test]
async fn missing_crd_is_reported_until_installed() {
    let control_plane = ControlPlane::start().await.unwrap();
    let operator = Operator::start(&Launch {
        control_plane: &control_plane,
        kubeconfig: control_plane.kubeconfig().to_owned(),
        // Receives no request: the resource below names a role that is not allowed.
        aws: "http://127.0.0.1:9".to_owned(),
        credentials: Credentials::Given,
        environment: &[],
        runner: &[],
        namespace: "default",
        arguments: &[],
    });
    let line = [
        "bedrockmodelmaps.bedrock.modelmap.dev",
        "is not installed",
        "crd",
    ];
    operator.logged(&line).await;
    assert!(operator.ended().is_none());
    let (ready, said) = operator.http_get("/readyz").await;
    assert_eq!(ready, 503);
    assert!(said.contains("the list of BedrockModelMaps"), "{said}");
    assert_eq!(operator.http_get("/livez").await.0, 200);

    let run =
        async |arguments: &[&str], input: &str| kubectl(&control_plane, arguments, input).await;
    let crd = bedrock_model_map::api::crd_yaml().unwrap();
    let installed = run(&["create", "-f", "-"], &crd).await;
    assert!(installed.success, "{installed}");
    let resource = json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": "claude"},
        "spec": {"aws": {"roleArn": "arn:aws:iam::123456789012:role/reader"}},
    });
    apply(&control_plane, &resource).await;
    eventually(async || {
        let shown = run(&["get", "bmm", "claude", "-o", "wide"], "").await;
        let said = shown.stdout.contains("does not permit namespace default");
        if said { Ok(()) } else { Err(shown) }
    })
    .await;
    let ready = operator.http_get("/readyz").await;
    assert_eq!(ready, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn address_in_use_ends_operator() {
    let fixture = Fixture::with_regions(&[]).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let operator = fixture.second_operator(&OperatorOptions::new(&["--bind-address", &address]));
    let status = operator.end().await;
    assert_eq!(status.code(), Some(1));
    let log = operator.log();
    assert!(
        log.contains(&format!("cannot listen on {address}")),
        "{log}"
    );
}

//! Several replicas, of which only the leader writes.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::support::{
    Cluster, Credentials, Fixture, Proxy, Replica, catalog_of, catalog_without_first_model,
};

const REGION: &str = "us-west-1";
/// Long enough not to be lost on a busy machine, short enough to be waited for.
const DURATION: &str = "--lease-duration-seconds=6";
/// So that only a release hands over in time.
const ALMOST_FOREVER: &str = "--lease-duration-seconds=3600";
/// Short, so that the lease is observed often.
const IMPATIENT: &str = "--lease-duration-seconds=3";

/// Logged when the replica is elected.
const LEADS: &str = r#""message":"leader election won""#;

fn spec() -> Value {
    json!({"regions": [REGION]})
}

fn arguments<'a>(lease: &'a str, duration: &'a str) -> [&'a str; 4] {
    ["--leader-elect", "--leader-election-id", lease, duration]
}

/// A second replica that waits for the lease, and publishes one model less.
async fn standby(fixture: &Fixture, lease: &str, duration: &str) -> Replica {
    let catalog = catalog_without_first_model(REGION);
    let replica = fixture.replica(catalog, &arguments(lease, duration)).await;
    replica.operator.logged(&["standing by"]).await;
    replica
}

async fn leading(lease: &str, duration: &str) -> Fixture {
    Fixture::new(catalog_of(&[REGION]), &arguments(lease, duration)).await
}

/// Of the kubeconfig's namespace, where leases are by default.
async fn leases() -> Api<Lease> {
    Api::namespaced(Cluster::shared().await.client().await, "default")
}

async fn lease(name: &str) -> LeaseSpec {
    leases().await.get(name).await.unwrap().spec.unwrap()
}

#[tokio::test]
async fn killed_leader_is_replaced_by_standby() {
    let fixture = leading("killed", DURATION).await;
    fixture.create("claude", spec()).await;
    fixture.sound("claude").await;
    let other = standby(&fixture, "killed", DURATION).await;
    // Ready to take over is ready.
    assert_eq!(other.operator.http_get("/readyz").await.0, 200);
    let models = fixture.published_models("claude", REGION).await;

    fixture.refresh("claude", "of the first").await;
    assert_eq!(fixture.published_models("claude", REGION).await, models);
    assert_eq!(other.simulator.total(), 0);

    fixture.simulator.reset_counts();
    fixture.operator.kill();
    fixture.refresh("claude", "of the second").await;
    assert_eq!(fixture.published_models("claude", REGION).await, models - 1);
    assert_eq!(fixture.simulator.total(), 0);
    assert_eq!(lease("killed").await.lease_transitions, Some(2));
}

#[tokio::test]
async fn resumed_former_leader_writes_nothing() {
    // The first connections of the operator are those of its lease: while it stands by there are no others.
    let someone = Lease {
        spec: Some(LeaseSpec {
            holder_identity: Some("someone".to_owned()),
            lease_duration_seconds: Some(3600),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        }),
        ..Lease::default()
    };
    let mut named = someone.clone();
    named.metadata.name = Some("woken".to_owned());
    let leases = leases().await;
    leases.create(&PostParams::default(), &named).await.unwrap();
    let proxy = Proxy::to(Cluster::shared().await.control_plane).await;
    let arguments = ["--leader-elect", "--leader-election-id=woken", DURATION];
    let catalog = catalog_of(&[REGION]);
    let fixture = Fixture::through_proxy(&proxy, catalog, &arguments).await;
    fixture
        .operator
        .logged(&["standing by: someone holds the lease"])
        .await;
    let of_the_lease = proxy.accepted();
    leases
        .delete("woken", &DeleteParams::default())
        .await
        .unwrap();
    fixture.create("claude", spec()).await;
    fixture.sound("claude").await;
    let models = fixture.published_models("claude", REGION).await;
    let other = standby(&fixture, "woken", DURATION).await;

    assert!(fixture.operator.pause());
    fixture.refresh("claude", "of the second").await;
    assert_eq!(fixture.published_models("claude", REGION).await, models - 1);
    // A leader would repair this drift at once; no replica leads now.
    other.operator.kill();
    fixture.delete_config_map("claude-mapping").await;
    let (left, versions) = (
        fixture.get("claude").await,
        fixture.versions("claude").await,
    );

    // It gets events, but no response about its lease.
    proxy.hold_first(of_the_lease);
    fixture.operator.resume();
    let status = fixture.operator.end().await;
    assert_eq!(status.code(), Some(1));
    assert!(fixture.operator.log().contains("leadership lost"));
    assert_eq!(fixture.versions("claude").await, versions);
    let resource = fixture.get("claude").await;
    assert_eq!(resource.resource_version(), left.resource_version());
}

#[tokio::test]
async fn clean_stop_hands_over_lease_immediately() {
    let fixture = leading("handed-over", ALMOST_FOREVER).await;
    fixture.create("claude", spec()).await;
    fixture.sound("claude").await;
    let other = standby(&fixture, "handed-over", IMPATIENT).await;
    fixture.operator.terminate();
    other.operator.logged(&[LEADS, "handed-over"]).await;
    assert_eq!(fixture.operator.end().await.code(), Some(0));
    fixture.refresh("claude", "of the second").await;
    assert!(other.simulator.total() > 0);
}

#[tokio::test]
async fn stopped_standby_leaves_lease_unchanged() {
    let fixture = leading("left-alone", DURATION).await;
    fixture.operator.logged(&[LEADS]).await;
    let other = standby(&fixture, "left-alone", DURATION).await;
    other.operator.terminate();
    assert_eq!(other.operator.end().await.code(), Some(0));
    let holder = lease("left-alone").await.holder_identity;
    assert!(holder.is_some());
    fixture.create("claude", spec()).await;
    fixture.sound("claude").await;
}

#[tokio::test]
async fn leader_exits_when_lease_is_taken() {
    let fixture = leading("taken", DURATION).await;
    fixture.operator.logged(&[LEADS]).await;
    let patch = json!({"spec": {"holderIdentity": "someone"}});
    leases()
        .await
        .patch("taken", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    assert_eq!(fixture.operator.end().await.code(), Some(1));
    let log = fixture.operator.log();
    assert!(log.contains("someone acquired the lease"), "{log}");
}

#[tokio::test]
async fn leader_exits_when_renewal_fails() {
    let proxy = Proxy::to(Cluster::shared().await.control_plane).await;
    let arguments = ["--leader-elect", "--leader-election-id=cut-off", DURATION];
    let fixture = Fixture::through_proxy(&proxy, catalog_of(&[]), &arguments).await;
    fixture.operator.logged(&[LEADS]).await;
    proxy.hold_first(usize::MAX);
    assert_eq!(fixture.operator.end().await.code(), Some(1));
    let log = fixture.operator.log();
    assert!(log.contains("the lease could not be renewed for"), "{log}");
}

/// What the operator needs for its lease.
const ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: lease}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: lease}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: lease}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: candidate}
";

#[tokio::test]
async fn missing_lease_permission_is_reported() {
    let arguments = [
        "--leader-elect",
        "--leader-election-namespace=default",
        "--leader-election-id=forbidden",
        DURATION,
    ];
    let catalog = catalog_of(&[REGION]);
    let fixture =
        Fixture::as_user(catalog, &arguments, Credentials::Given, Some("candidate")).await;
    let line = [
        "cannot get resource",
        "leases",
        "candidate",
        "get, create and update leases",
    ];
    fixture.operator.logged(&line).await;
    let (ready, said) = fixture.operator.http_get("/readyz").await;
    assert_eq!((ready, said.contains("Lease")), (503, true), "{said}");
    let apply = ["apply", "-n", "default", "-f", "-"];
    fixture.cluster.run(&apply, ROLE).await.unwrap();
    fixture.operator.logged(&[LEADS]).await;
}

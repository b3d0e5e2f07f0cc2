//! Of several replicas one writes.

use bedrock_simulator::{Catalog, Simulator};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::support::{Cluster, Credentials, Launch, Operator, Proxy, Stage, catalog_of, file};

const REGION: &str = "us-west-1";
/// Long enough not to be lost on a busy machine, short enough to be waited for.
const DURATION: &str = "--lease-duration-seconds=6";
/// So that only a release hands over in time.
const ALMOST_FOREVER: &str = "--lease-duration-seconds=3600";
/// Waits no longer than the lease's holder says, and looks often.
const IMPATIENT: &str = "--lease-duration-seconds=3";

/// What it logs when it is elected.
const LEADS: &str = r#""message":"leads""#;

fn spec() -> Value {
    json!({"regions": [REGION]})
}

/// A replica, and a Bedrock of its own, by which one sees who asked and who published.
struct Replica {
    simulator: Simulator,
    operator: Operator,
}

impl Replica {
    async fn start(stage: &Stage, lease: &str, duration: &str, catalog: Catalog) -> Self {
        let simulator = Simulator::start(catalog).await.unwrap();
        let operator = Operator::start(&Launch {
            control_plane: stage.cluster.control_plane,
            kubeconfig: stage.cluster.control_plane.kubeconfig().to_owned(),
            aws: simulator.url(),
            credentials: Credentials::Given,
            environment: &[],
            namespace: &stage.namespace.name,
            arguments: &["--leader-elect", "--leader-election-id", lease, duration],
        });
        Self {
            simulator,
            operator,
        }
    }

    async fn standing_by(stage: &Stage, lease: &str, duration: &str, catalog: Catalog) -> Self {
        let replica = Self::start(stage, lease, duration, catalog).await;
        replica.operator.logged(&["stands by"]).await;
        replica
    }
}

/// The catalogue without the first model: what another replica publishes differs.
fn other_catalog() -> Catalog {
    let mut catalog = catalog_of(&[REGION]);
    let models = catalog.models(REGION)[1..].to_vec();
    catalog.set_models(REGION, models);
    catalog
}

async fn leading(lease: &str, duration: &str) -> Stage {
    let arguments = ["--leader-elect", "--leader-election-id", lease, duration];
    Stage::with(catalog_of(&[REGION]), &arguments).await
}

/// Of the kubeconfig's namespace, where leases are by default.
async fn leases() -> Api<Lease> {
    Api::namespaced(Cluster::shared().await.client().await, "default")
}

async fn lease(name: &str) -> LeaseSpec {
    leases().await.get(name).await.unwrap().spec.unwrap()
}

async fn published_models(stage: &Stage, name: &str) -> usize {
    let config_map = stage.config_map(&format!("{name}-{REGION}")).await;
    file(&config_map, "models.json").as_object().unwrap().len()
}

#[tokio::test]
async fn one_leads_and_the_other_takes_over_when_it_is_killed() {
    let stage = leading("killed", DURATION).await;
    stage.create("claude", spec()).await;
    stage.sound("claude").await;
    let other = Replica::standing_by(&stage, "killed", DURATION, other_catalog()).await;
    // Ready to take over is ready.
    assert_eq!(other.operator.http_get("/readyz").await.0, 200);
    let models = published_models(&stage, "claude").await;

    stage.refresh("claude", "of the first").await;
    assert_eq!(published_models(&stage, "claude").await, models);
    assert_eq!(other.simulator.total(), 0);

    stage.simulator.reset_counts();
    stage.operator.kill();
    stage.refresh("claude", "of the second").await;
    assert_eq!(published_models(&stage, "claude").await, models - 1);
    assert_eq!(stage.simulator.total(), 0);
    assert_eq!(lease("killed").await.lease_transitions, Some(2));
}

#[tokio::test]
async fn woken_leader_writes_nothing_more() {
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
    let stage = Stage::by_way_of(&proxy, catalog, &arguments).await;
    stage.operator.logged(&["stands by: someone leads"]).await;
    let of_the_lease = proxy.accepted();
    leases
        .delete("woken", &DeleteParams::default())
        .await
        .unwrap();
    stage.create("claude", spec()).await;
    stage.sound("claude").await;
    let models = published_models(&stage, "claude").await;
    let other = Replica::standing_by(&stage, "woken", DURATION, other_catalog()).await;

    assert!(stage.operator.pause());
    stage.refresh("claude", "of the second").await;
    assert_eq!(published_models(&stage, "claude").await, models - 1);
    // Something that whoever leads puts back at once, and now nobody does.
    other.operator.kill();
    stage.delete_config_map("claude-mapping").await;
    let (left, versions) = (stage.get("claude").await, stage.versions("claude").await);

    // It sees what happened, and cannot learn that it does not lead any more.
    proxy.hold_first(of_the_lease);
    stage.operator.resume();
    let status = stage.operator.end().await;
    assert_eq!(status.code(), Some(1));
    assert!(stage.operator.log().contains("leads no longer"));
    assert_eq!(stage.versions("claude").await, versions);
    let resource = stage.get("claude").await;
    assert_eq!(resource.resource_version(), left.resource_version());
}

#[tokio::test]
async fn clean_stop_hands_over_at_once() {
    let stage = leading("handed-over", ALMOST_FOREVER).await;
    stage.create("claude", spec()).await;
    stage.sound("claude").await;
    let other = Replica::standing_by(&stage, "handed-over", IMPATIENT, other_catalog()).await;
    stage.operator.terminate();
    other.operator.logged(&[LEADS, "handed-over"]).await;
    assert_eq!(stage.operator.end().await.code(), Some(0));
    stage.refresh("claude", "of the second").await;
    assert!(other.simulator.total() > 0);
}

#[tokio::test]
async fn stop_while_standing_by_leaves_the_lease_alone() {
    let stage = leading("left-alone", DURATION).await;
    stage.operator.logged(&[LEADS]).await;
    let other = Replica::standing_by(&stage, "left-alone", DURATION, other_catalog()).await;
    other.operator.terminate();
    assert_eq!(other.operator.end().await.code(), Some(0));
    let holder = lease("left-alone").await.holder_identity;
    assert!(holder.is_some());
    stage.create("claude", spec()).await;
    stage.sound("claude").await;
}

#[tokio::test]
async fn leader_whose_lease_is_taken_ends() {
    let stage = leading("taken", DURATION).await;
    stage.operator.logged(&[LEADS]).await;
    let patch = json!({"spec": {"holderIdentity": "someone"}});
    leases()
        .await
        .patch("taken", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    assert_eq!(stage.operator.end().await.code(), Some(1));
    let log = stage.operator.log();
    assert!(log.contains("someone has taken the lease"), "{log}");
}

#[tokio::test]
async fn leader_that_cannot_renew_ends() {
    let proxy = Proxy::to(Cluster::shared().await.control_plane).await;
    let arguments = ["--leader-elect", "--leader-election-id=cut-off", DURATION];
    let stage = Stage::by_way_of(&proxy, catalog_of(&[]), &arguments).await;
    stage.operator.logged(&[LEADS]).await;
    proxy.hold_first(usize::MAX);
    assert_eq!(stage.operator.end().await.code(), Some(1));
    let log = stage.operator.log();
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
async fn missing_right_on_leases_is_named() {
    let arguments = [
        "--leader-elect",
        "--leader-election-namespace=default",
        "--leader-election-id=forbidden",
        DURATION,
    ];
    let catalog = catalog_of(&[REGION]);
    let stage = Stage::as_user(catalog, &arguments, Credentials::Given, Some("candidate")).await;
    let line = [
        "cannot get resource",
        "leases",
        "candidate",
        "get, create and update of leases",
    ];
    stage.operator.logged(&line).await;
    let (ready, said) = stage.operator.http_get("/readyz").await;
    assert_eq!((ready, said.contains("Lease")), (503, true), "{said}");
    let apply = ["apply", "-n", "default", "-f", "-"];
    stage.cluster.run(&apply, ROLE).await.unwrap();
    stage.operator.logged(&[LEADS]).await;
}

//! Operators that each reconcile a part of the resources.

use std::time::Duration;

use bedrock_model_map::api::{BedrockModelMap, BedrockModelMapStatus};
use bedrock_simulator::{Fault, FaultRule};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::support::{
    Cluster, Credentials, Fixture, Namespace, OperatorOptions, catalog_of,
    catalog_without_first_model, condition, eventually,
};

const REGION: &str = "us-west-1";

/// What the operator needs in each of its namespaces.
const ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator}
rules:
- {apiGroups: [bedrock.modelmap.dev], resources: [bedrockmodelmaps], verbs: [get, list, watch]}
- {apiGroups: [bedrock.modelmap.dev], resources: [bedrockmodelmaps/status], verbs: [update]}
- {apiGroups: [''], resources: [configmaps], verbs: [get, list, watch, create, update, delete]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: operator-of-two}
";

async fn grant(namespace: &Namespace) {
    let arguments = ["apply", "-n", &namespace.name, "-f", "-"];
    let cluster = Cluster::shared().await;
    cluster.run(&arguments, ROLE).await.unwrap();
}

fn spec() -> Value {
    json!({"regions": [REGION]})
}

#[tokio::test]
async fn role_per_namespace_suffices_for_several_namespaces() {
    let cluster = Cluster::shared().await;
    let [second, other] = [cluster.namespace().await, cluster.namespace().await];
    let watch = ["--watch-namespace", &second.name];
    let catalog = catalog_of(&[REGION]);
    let user = Some("operator-of-two");
    let first = Fixture::as_user(catalog, &watch, Credentials::Given, user).await;
    grant(&first.namespace).await;
    grant(&second).await;
    for namespace in [&first.namespace, &second, &other] {
        let spec = serde_json::from_value(spec()).unwrap();
        let resource = BedrockModelMap::new("claude", spec);
        let created = namespace
            .api()
            .create(&PostParams::default(), &resource)
            .await;
        created.unwrap();
    }
    first.sound("claude").await;
    first.reconciled("claude-mapping").await;
    let config_maps = second.api::<ConfigMap>();
    let published = async || {
        eventually(
            async || match config_maps.get_opt("claude-mapping").await.unwrap() {
                Some(config_map) => Ok(config_map),
                None => Err("not published"),
            },
        )
        .await
    };
    published().await;
    config_maps
        .delete("claude-mapping", &DeleteParams::default())
        .await
        .unwrap();
    published().await;
    let ready = first.operator.http_get("/readyz").await;
    assert_eq!(ready, (200, "ok\n".to_owned()));
    // One answer does for both.
    assert_eq!(first.simulator.total(), 3);
    let elsewhere: BedrockModelMap = other.api().get("claude").await.unwrap();
    assert!(is_unseen(&elsewhere));
}

/// Whether no operator has written the status: the API server gives a new resource the generation -1
/// alone, which is read as none.
fn is_unseen(resource: &BedrockModelMap) -> bool {
    let status = resource.status.clone().unwrap_or_default();
    status == BedrockModelMapStatus::default()
}

async fn label(fixture: &Fixture, name: &str, shard: &str) {
    let patch = json!({"metadata": {"labels": {"shard": shard}}});
    fixture.patch(name, patch).await;
}

#[tokio::test]
async fn shards_reconcile_only_their_resources() {
    let selector = ["--watch-label-selector", "shard in (one)"];
    let fixture = Fixture::new(catalog_of(&[REGION]), &selector).await;
    let catalog = catalog_without_first_model(REGION);
    let two = fixture
        .replica(catalog, &["--watch-label-selector=shard=two"])
        .await;
    for (name, shard) in [("mine", "one"), ("other", "two"), ("nobodys", "none")] {
        fixture.create(name, spec()).await;
        label(&fixture, name, shard).await;
    }
    fixture.sound("mine").await;
    fixture.settled("other").await;
    let all = fixture.published_models("mine", REGION).await;
    assert_eq!(fixture.published_models("other", REGION).await, all - 1);
    assert_eq!([fixture.simulator.total(), two.simulator.total()], [3, 3]);

    // Nobody repairs drift of a stopped shard.
    two.operator.kill();
    fixture.delete_config_map("other-mapping").await;
    fixture.reconciled("mine-mapping").await;
    assert!(!fixture.has_config_map("other-mapping").await);
    assert!(is_unseen(&fixture.get("nobodys").await));

    // A resource that moves keeps its ConfigMaps, and the other operator reconciles it.
    let published = fixture.versions("mine").await;
    label(&fixture, "mine", "two").await;
    fixture.request_refresh("mine", "of the other").await;
    two.operator.restart();
    fixture.settled("mine").await;
    assert_eq!(fixture.published_models("mine", REGION).await, all - 1);
    assert!(published.keys().eq(fixture.versions("mine").await.keys()));
    assert_eq!(fixture.simulator.total(), 3);
    fixture.reconciled("other-mapping").await;
    fixture.reconciled("mine-mapping").await;

    // One that leaves all shards keeps it too.
    label(&fixture, "mine", "none").await;
    fixture.reconciled("other-mapping").await;
    let left = fixture.versions("mine").await;
    fixture.delete_config_map("mine-mapping").await;
    fixture.reconciled("other-mapping").await;
    let mut expected = left.clone();
    expected.remove("mine-mapping");
    assert_eq!(fixture.versions("mine").await, expected);
    assert_eq!(condition(&fixture.get("mine").await, "Ready")[0], "True");
}

#[tokio::test]
async fn resource_that_leaves_shard_during_reconciliation_is_not_written() {
    let selector = ["--watch-label-selector=shard=one"];
    let fixture = Fixture::new(catalog_of(&[REGION]), &selector).await;
    // Long enough for the watch to tell that it leaves.
    let slow = FaultRule::new(Fault::latency(Duration::from_secs(4)));
    fixture.simulator.faults().add(slow);
    let mut leaving = BedrockModelMap::new("leaving", serde_json::from_value(spec()).unwrap());
    leaving.metadata.labels = Some([("shard".to_owned(), "one".to_owned())].into());
    let api = fixture.namespace.api();
    api.create(&PostParams::default(), &leaving).await.unwrap();
    eventually(async || {
        (fixture.simulator.total() > 0)
            .then_some(())
            .ok_or("no request")
    })
    .await;
    label(&fixture, "leaving", "two").await;
    let over = async || {
        let (_, metrics) = fixture.operator.http_get("/metrics").await;
        let over = metrics.contains("bedrock_model_map_reconciles_active 0");
        over.then_some(()).ok_or("still reconciling")
    };
    eventually(over).await;
    assert_eq!(
        fixture.simulator.total(),
        3,
        "the region was not queried to the end"
    );
    assert!(fixture.config_maps("leaving").await.is_empty());
    let status = fixture.status("leaving").await;
    assert!(status.regions.is_empty(), "{status:#?}");
}

#[tokio::test]
async fn shards_with_same_lease_log_warning() {
    let elect = ["--leader-elect", "--leader-election-id=of-two-shards"];
    let of_one = [&elect[..], &["--watch-label-selector=shard=one"]].concat();
    let fixture = Fixture::new(catalog_of(&[]), &of_one).await;
    fixture
        .operator
        .logged(&[r#""message":"leader election won""#])
        .await;
    let of_two = [&elect[..], &["--watch-label-selector=shard=two"]].concat();
    let two = fixture.second_operator(&OperatorOptions::new(&of_two));
    let said = ["WARN", "shard=one", "shard=two", "--leader-election-id"];
    two.logged(&said).await;
}

#[tokio::test]
async fn malformed_label_selector_ends_operator() {
    let arguments = ["--watch-label-selector", "shard in one"];
    let fixture = Fixture::new(catalog_of(&[]), &arguments).await;
    assert_eq!(fixture.operator.end().await.code(), Some(1));
    let log = fixture.operator.log();
    assert!(log.contains("--watch-label-selector"), "{log}");
    assert!(log.contains("invalid --watch-label-selector"), "{log}");
}

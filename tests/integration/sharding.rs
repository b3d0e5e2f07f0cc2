//! Operators that look after different resources.

use std::time::Duration;

use bedrock_model_map::api::BedrockModelMap;
use bedrock_simulator::{Catalog, Fault, FaultRule, Simulator};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::support::{
    Cluster, Credentials, Launch, Namespace, Operator, Stage, catalog_of, condition, eventually,
    file,
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
async fn a_role_in_each_of_several_namespaces_suffices() {
    let cluster = Cluster::shared().await;
    let [second, other] = [cluster.namespace().await, cluster.namespace().await];
    let watch = ["--watch-namespace", &second.name];
    let catalog = catalog_of(&[REGION]);
    let user = Some("operator-of-two");
    let first = Stage::as_user(catalog, &watch, Credentials::Given, user).await;
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
    first.looked_at("claude-mapping").await;
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
    assert_eq!(elsewhere.status, None);
}

/// A second shard beside that of the stage.
async fn shard(stage: &Stage, selector: &str, catalog: Catalog) -> (Simulator, Operator) {
    let simulator = Simulator::start(catalog).await.unwrap();
    let operator = Operator::start(&Launch {
        control_plane: stage.cluster.control_plane,
        kubeconfig: stage.cluster.control_plane.kubeconfig().to_owned(),
        aws: simulator.url(),
        credentials: Credentials::Given,
        environment: &[],
        namespace: &stage.namespace.name,
        arguments: &["--watch-label-selector", selector],
    });
    (simulator, operator)
}

async fn label(stage: &Stage, name: &str, shard: &str) {
    let patch = json!({"metadata": {"labels": {"shard": shard}}});
    stage.patch(name, patch).await;
}

async fn models(stage: &Stage, name: &str) -> usize {
    let config_map = stage.config_map(&format!("{name}-{REGION}")).await;
    file(&config_map, "models.json").as_object().unwrap().len()
}

#[tokio::test]
async fn shards_leave_each_others_resources_alone() {
    let selector = ["--watch-label-selector", "shard in (one)"];
    let stage = Stage::with(catalog_of(&[REGION]), &selector).await;
    let mut fewer = catalog_of(&[REGION]);
    let without_the_first = fewer.models(REGION)[1..].to_vec();
    fewer.set_models(REGION, without_the_first);
    let (of_two, two) = shard(&stage, "shard=two", fewer).await;
    for (name, shard) in [("mine", "one"), ("other", "two"), ("nobodys", "none")] {
        stage.create(name, spec()).await;
        label(&stage, name, shard).await;
    }
    stage.sound("mine").await;
    stage.settled("other").await;
    let all = models(&stage, "mine").await;
    assert_eq!(models(&stage, "other").await, all - 1);
    assert_eq!([stage.simulator.total(), of_two.total()], [3, 3]);

    // What the other shard does not put back, nobody does.
    two.kill();
    stage.delete_config_map("other-mapping").await;
    stage.looked_at("mine-mapping").await;
    assert!(!stage.has_config_map("other-mapping").await);
    assert_eq!(stage.get("nobodys").await.status, None);

    // A resource that moves keeps what it has published, and is looked after by the other one.
    let published = stage.versions("mine").await;
    label(&stage, "mine", "two").await;
    stage.request_refresh("mine", "of the other").await;
    two.start_anew();
    stage.settled("mine").await;
    assert_eq!(models(&stage, "mine").await, all - 1);
    assert!(published.keys().eq(stage.versions("mine").await.keys()));
    assert_eq!(stage.simulator.total(), 3);
    stage.looked_at("other-mapping").await;
    stage.looked_at("mine-mapping").await;

    // One that leaves all shards keeps it too.
    label(&stage, "mine", "none").await;
    stage.looked_at("other-mapping").await;
    let left = stage.versions("mine").await;
    stage.delete_config_map("mine-mapping").await;
    stage.looked_at("other-mapping").await;
    let mut expected = left.clone();
    expected.remove("mine-mapping");
    assert_eq!(stage.versions("mine").await, expected);
    assert_eq!(condition(&stage.get("mine").await, "Ready")[0], "True");
}

#[tokio::test]
async fn resource_that_leaves_during_a_look_is_written_no_more() {
    let selector = ["--watch-label-selector=shard=one"];
    let stage = Stage::with(catalog_of(&[REGION]), &selector).await;
    // Long enough for the watch to tell that it leaves.
    let slow = FaultRule::new(Fault::latency(Duration::from_secs(4)));
    stage.simulator.faults().add(slow);
    let mut leaving = BedrockModelMap::new("leaving", serde_json::from_value(spec()).unwrap());
    leaving.metadata.labels = Some([("shard".to_owned(), "one".to_owned())].into());
    let api = stage.namespace.api();
    api.create(&PostParams::default(), &leaving).await.unwrap();
    eventually(async || {
        (stage.simulator.total() > 0)
            .then_some(())
            .ok_or("not asked")
    })
    .await;
    label(&stage, "leaving", "two").await;
    let over = async || {
        let (_, metrics) = stage.operator.http_get("/metrics").await;
        let over = metrics.contains("bedrock_model_map_reconciles_active 0");
        over.then_some(()).ok_or("it looks still")
    };
    eventually(over).await;
    assert_eq!(
        stage.simulator.total(),
        3,
        "the region was not asked to the end"
    );
    assert!(stage.config_maps("leaving").await.is_empty());
    let status = stage.status("leaving").await;
    assert!(status.regions.is_empty(), "{status:#?}");
}

#[tokio::test]
async fn shards_with_one_lease_are_told() {
    let elect = ["--leader-elect", "--leader-election-id=of-two-shards"];
    let of_one = [&elect[..], &["--watch-label-selector=shard=one"]].concat();
    let stage = Stage::with(catalog_of(&[]), &of_one).await;
    stage.operator.logged(&[r#""message":"leads""#]).await;
    let of_two = [&elect[..], &["--watch-label-selector=shard=two"]].concat();
    let two = Operator::start(&Launch {
        control_plane: stage.cluster.control_plane,
        kubeconfig: stage.cluster.control_plane.kubeconfig().to_owned(),
        aws: stage.simulator.url(),
        credentials: Credentials::Given,
        namespace: &stage.namespace.name,
        arguments: &of_two,
        environment: &[],
    });
    let said = ["WARN", "shard=one", "shard=two", "--leader-election-id"];
    two.logged(&said).await;
}

#[tokio::test]
async fn selector_that_cannot_be_read_ends_the_operator() {
    let arguments = ["--watch-label-selector", "shard in one"];
    let stage = Stage::with(catalog_of(&[]), &arguments).await;
    assert_eq!(stage.operator.end().await.code(), Some(1));
    let log = stage.operator.log();
    assert!(log.contains("--watch-label-selector"), "{log}");
    assert!(log.contains("cannot be read"), "{log}");
}

//! Cluster maps work with the rights that the chart gives for them, and need each of them.

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::manifests::{chart_in, objects};
use crate::rights::{CONCURRENT, Fixture, REGIONS, rights, with_definitions, without};

/// What the chart installs for all namespaces. The label `test` keeps several such releases apart.
fn release(namespace: &str) -> Vec<Value> {
    let name = format!("fullnameOverride={namespace}");
    let selector = format!("watchLabelSelector=test={namespace}");
    let others = "crds.install=false,admissionPolicy.enabled=false,rbac.aggregateToUserRoles=false";
    let arguments = ["--set", &name, "--set", &selector, "--set", others];
    objects(&chart_in(namespace, &arguments).unwrap())
}

/// A cluster map of the namespace of the release, with its name.
struct ClusterMap<'a>(Fixture<'a>);

impl ClusterMap<'_> {
    /// All that a cluster map leads to, each part of which needs a right.
    async fn whole_work(&self) {
        let name = &self.0.namespace;
        let map = json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "ClusterBedrockModelMap",
            "metadata": {"name": name, "labels": {"test": name}},
            "spec": {
                "namespaceSelector": {"matchLabels": {"test": name}},
                "template": {
                    "metadata": {"labels": {"test": name}},
                    "spec": {"regions": &REGIONS[1..]},
                },
            },
        });
        self.0.cluster.apply(&map.to_string()).await;
        let label = format!("test={name}");
        self.kubectl(&["label", "namespace", name, &label]).await;
        self.until("a Ready child", async || self.ready().await == json!("1/1"))
            .await;

        let patch = json!({"spec": {"suspend": true}}).to_string();
        let patch = ["patch", "bmm", name, "--type=merge", "-p", &patch];
        self.kubectl(&[&patch[..], &["-n", name]].concat()).await;
        self.until("a repaired child", async || {
            let child = self.0.cluster.get("bmm", name, name).await.unwrap();
            child["spec"]["suspend"] != json!(true)
        })
        .await;

        self.kubectl(&["label", "namespace", name, "test-"]).await;
        self.until("a deleted child", async || {
            self.0.cluster.get("bmm", name, name).await.is_none()
        })
        .await;
        self.until("a status", async || self.ready().await == json!("0/0"))
            .await;
    }

    async fn ready(&self) -> Value {
        let map = self.0.cluster.get("cbmm", "", &self.0.namespace).await;
        map.unwrap_or_default()["status"]["namespaces"]["readyOfMatched"].clone()
    }

    async fn kubectl(&self, arguments: &[&str]) {
        self.0.cluster.kubectl(arguments).await;
    }

    async fn until(&self, awaited: &str, done: impl AsyncFn() -> bool) {
        self.0.until(awaited, done).await;
    }

    /// What the operator says, in its log and in the status.
    async fn said(&self) -> String {
        let map = self.0.cluster.get("cbmm", "", &self.0.namespace).await;
        format!("{}{}", self.0.operator.log(), map.unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_map_permissions_are_minimal() {
    let cluster = &with_definitions().await;
    let intact = release("maps-intact");
    let map = ClusterMap(Fixture::new(cluster, "maps-intact", &intact).await);
    map.whole_work().await;
    let said = map.said().await;
    assert!(!said.contains("cannot"), "{said}");
    drop(map);

    let is_of_cluster_maps = |object: &&Value| {
        let name = object["metadata"]["name"].as_str();
        name == Some("maps-intact-cluster-maps")
    };
    let rights = rights(intact.iter().filter(is_of_cluster_maps));
    assert!(rights.len() >= 8, "{rights:?}");
    futures::stream::iter(rights.iter().enumerate())
        .for_each_concurrent(CONCURRENT, async |(n, right)| {
            let namespace = format!("maps-without-{n}");
            let objects = without(right, &release(&namespace));
            let map = ClusterMap(Fixture::new(cluster, &namespace, &objects).await);
            let lacking = right.to_string();
            let complains = map.until(&lacking, async || map.said().await.contains(&lacking));
            tokio::pin!(complains);
            tokio::select! {
                () = &mut complains => {}
                () = map.whole_work() => complains.await,
            }
        })
        .await;
}

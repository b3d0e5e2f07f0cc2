//! The operator works with the rights that the chart gives it, and needs each of them.

use std::fmt;

use bedrock_model_map::api::BedrockModelMap;
use bedrock_simulator::Simulator;
use control_plane::ControlPlane;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Operator, bedrock, eventually};
use crate::manifests::{NAME, chart_in, objects, only};

/// Small ones.
pub const REGIONS: [&str; 2] = ["ap-southeast-7", "us-west-1"];
/// A model of the second.
const MODEL: &str = "anthropic.claude-sonnet-5-5";
/// Operators at once.
pub const CONCURRENT: usize = 4;

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    verb: String,
    resource: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} resource \\\"{}\\\"", self.verb, self.resource)
    }
}

fn is_role(object: &Value) -> bool {
    object["kind"] == "Role" || object["kind"] == "ClusterRole"
}

/// All rights that the roles among these objects give.
pub fn rights<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Vec<Right> {
    let each = objects
        .into_iter()
        .filter(|object| is_role(object))
        .flat_map(|role| role["rules"].as_array().unwrap())
        .flat_map(|rule| {
            let resources = rule["resources"].as_array().unwrap();
            let verbs = rule["verbs"].as_array().unwrap();
            resources.iter().flat_map(move |resource| {
                verbs.iter().map(move |verb| Right {
                    verb: verb.as_str().unwrap().to_owned(),
                    resource: resource.as_str().unwrap().to_owned(),
                })
            })
        });
    each.collect()
}

/// The same objects, in which no role gives this right.
pub fn without(right: &Right, objects: &[Value]) -> Vec<Value> {
    let mut objects = objects.to_vec();
    let mut removed = 0;
    for role in objects.iter_mut().filter(|object| is_role(object)) {
        let rules = role["rules"].as_array_mut().unwrap();
        for rule in rules.iter_mut() {
            let resources = rule["resources"].as_array().unwrap();
            if resources.contains(&json!(right.resource)) {
                assert_eq!(resources.len(), 1, "a rule of several resources");
                let verbs = rule["verbs"].as_array_mut().unwrap();
                let before = verbs.len();
                verbs.retain(|verb| verb != &json!(right.verb));
                removed += before - verbs.len();
            }
        }
        rules.retain(|rule| rule["verbs"] != json!([]));
    }
    assert_eq!(removed, 1, "{right:?}");
    objects
}

/// What the chart installs into a namespace that it watches alone.
fn namespaced(namespace: &str) -> Vec<Value> {
    let watched = format!("watchNamespaces={{{namespace}}}");
    let arguments = [
        "--set",
        &watched,
        "--set",
        "crds.install=false",
        "--set",
        "leaderElection.leaseDurationSeconds=6",
    ];
    objects(&chart_in(namespace, &arguments).unwrap())
}

/// An operator in a namespace of its own, with what it may do there, and its Bedrock.
pub struct Fixture<'a> {
    pub cluster: &'a Cluster<'a>,
    pub namespace: String,
    simulator: Simulator,
    pub operator: Operator,
}

impl<'a> Fixture<'a> {
    pub async fn new(cluster: &'a Cluster<'a>, namespace: &str, objects: &[Value]) -> Self {
        cluster.kubectl(&["create", "namespace", namespace]).await;
        let granted = objects
            .iter()
            .filter(|object| object["kind"] != "Deployment");
        let granted: Vec<String> = granted.map(Value::to_string).collect();
        cluster.apply(&granted.join("\n---\n")).await;
        let simulator = bedrock(&REGIONS).await;
        let operator = cluster.operator(objects, &simulator).await;
        Self {
            cluster,
            namespace: namespace.to_owned(),
            simulator,
            operator,
        }
    }

    /// The operator's whole work, each part of which needs a right.
    async fn whole_work(&self) {
        let resource = json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": "claude", "namespace": self.namespace},
            "spec": {"regions": REGIONS},
        });
        self.cluster.apply(&resource.to_string()).await;
        self.until("published", async || {
            let status = self.resource().await.status.unwrap_or_default();
            let mut conditions = status.conditions.iter();
            conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
        })
        .await;
        self.until("an Event", async || {
            let events = ["get", "events.events.k8s.io", "-n", &self.namespace];
            self.cluster.kubectl(&events).await.contains("Published")
        })
        .await;

        self.simulator.edit_catalog(|catalog| {
            catalog.remove_model(REGIONS[1], MODEL);
        });
        let token = "bedrock.modelmap.dev/requestedAt=1";
        let annotate = ["annotate", "bmm", "claude", token, "-n", &self.namespace];
        self.cluster.kubectl(&annotate).await;
        let config_map = format!("claude-{}", REGIONS[1]);
        self.until("a changed ConfigMap", async || {
            let config_map = self
                .cluster
                .get("configmap", &self.namespace, &config_map)
                .await
                .unwrap();
            !config_map["data"]["models.json"]
                .as_str()
                .unwrap()
                .contains(MODEL)
        })
        .await;

        let patch = json!({"spec": {"regions": &REGIONS[..1]}}).to_string();
        let patch = [
            "patch",
            "bmm",
            "claude",
            "--type=merge",
            "--patch",
            &patch,
            "-n",
            &self.namespace,
        ];
        self.cluster.kubectl(&patch).await;
        self.until("a deleted ConfigMap", async || {
            let config_map = self.cluster.get("configmap", &self.namespace, &config_map);
            config_map.await.is_none()
        })
        .await;

        let lease = self.renewed().await;
        self.until("a renewed Lease", async || self.renewed().await != lease)
            .await;
    }

    async fn resource(&self) -> BedrockModelMap {
        let resource = self.cluster.get("bmm", &self.namespace, "claude").await;
        serde_json::from_value(resource.unwrap()).unwrap()
    }

    /// When the leader last renewed its lease.
    async fn renewed(&self) -> Option<Value> {
        let lease = self.cluster.get("lease", &self.namespace, NAME).await?;
        Some(lease["spec"]["renewTime"].clone())
    }

    pub async fn until(&self, awaited: &str, done: impl AsyncFn() -> bool) {
        eventually(awaited, done).await.unwrap_or_else(|late| {
            let log = self.operator.log();
            panic!("{}: {late}; the operator's log:\n{log}", self.namespace)
        });
    }

    /// What the operator says, in its log and in the status.
    async fn said(&self) -> String {
        let resource = self.cluster.get("bmm", &self.namespace, "claude").await;
        format!("{}{}", self.operator.log(), resource.unwrap_or_default())
    }
}

pub async fn with_definitions() -> Cluster<'static> {
    let cluster = Cluster::of(ControlPlane::shared().await);
    let definition = bedrock_model_map::api::crd_yaml().unwrap();
    cluster.apply(&definition).await;
    let established = [
        "wait",
        "--for=condition=Established",
        "crd/bedrockmodelmaps.bedrock.modelmap.dev",
        "crd/clusterbedrockmodelmaps.bedrock.modelmap.dev",
    ];
    cluster.kubectl(&established).await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_permissions_are_minimal() {
    let cluster = &with_definitions().await;

    let intact = namespaced("intact");
    let fixture = Fixture::new(cluster, "intact", &intact).await;
    fixture.whole_work().await;
    let said = fixture.said().await;
    assert!(!said.contains("cannot"), "{said}");
    drop(fixture);

    let rights = rights(&intact);
    assert!(rights.len() > 10, "{rights:?}");
    futures::stream::iter(rights.iter().enumerate())
        .for_each_concurrent(CONCURRENT, async |(n, right)| {
            let namespace = format!("without-{n}");
            let objects = without(right, &namespaced(&namespace));
            let fixture = Fixture::new(cluster, &namespace, &objects).await;
            // The work goes as far as it does without the right, and the operator says what it lacks.
            let lacking = right.to_string();
            let complains =
                fixture.until(&lacking, async || fixture.said().await.contains(&lacking));
            tokio::pin!(complains);
            tokio::select! {
                () = &mut complains => {}
                () = fixture.whole_work() => complains.await,
            }
        })
        .await;
}

#[tokio::test]
async fn trace_log_contains_no_secret() {
    let cluster = &with_definitions().await;
    let mut objects = namespaced("talkative");
    let filter = "--log-filter=trace";
    for object in &mut objects {
        if object["kind"] == "Deployment" {
            let container = &mut object["spec"]["template"]["spec"]["containers"][0];
            for argument in container["args"].as_array_mut().unwrap() {
                if argument.as_str().unwrap().starts_with("--log-filter=") {
                    *argument = json!(filter);
                }
            }
        }
    }
    let fixture = Fixture::new(cluster, "talkative", &objects).await;
    fixture.whole_work().await;
    let log = fixture.operator.log();
    assert!(log.contains("TRACE"), "{log}");
    for secret in fixture.operator.secrets() {
        assert!(!log.contains(secret), "logged: {secret}");
    }
}

#[test]
fn cluster_and_namespaced_permissions_are_equal() {
    let everywhere = objects(&chart_in(NAME, &[]).unwrap());
    let everywhere = everywhere
        .iter()
        .find(|object| object["kind"] == "ClusterRole" && object["metadata"]["name"] == NAME)
        .unwrap();
    let in_one = namespaced("team-a");
    let in_one = in_one
        .iter()
        .find(|object| object["kind"] == "Role" && object["metadata"]["name"] == NAME)
        .unwrap();
    assert_eq!(everywhere["rules"], in_one["rules"]);
    let without_cluster_maps = ["--set", "clusterMaps.enabled=false"];
    let binding = objects(&chart_in(NAME, &without_cluster_maps).unwrap());
    assert_eq!(
        only(&binding, "ClusterRoleBinding")["roleRef"]["name"],
        NAME
    );
}

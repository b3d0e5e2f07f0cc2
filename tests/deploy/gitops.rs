//! Resources as GitOps tools judge them: by kstatus, Flux' library, and by the Lua of `docs/gitops.md`.

use std::fs;

use bedrock_simulator::{Fault, FaultRule};
use control_plane::ControlPlane;
use serde_json::{Value, json};

use crate::cluster::{Cluster, bedrock, eventually};
use crate::manifests::{NAME, chart, objects};
use crate::markdown::documents;
use crate::tools::{ROOT, run, tool};

/// What `tests/deploy/modules/gitops` says of a resource.
fn judged(arguments: &[&str], resource: &Value) -> String {
    let said = run(&tool("gitops"), arguments, &resource.to_string()).unwrap();
    said.trim().to_owned()
}

/// A Lua script of `docs/gitops.md`, by a part of it, as a file in this folder.
fn script(folder: &std::path::Path, part: &str) -> String {
    let mut documents = documents().into_iter();
    let document = documents.find(|document| document.name == "docs/gitops.md");
    let blocks = document.unwrap().blocks.into_iter();
    let mut scripts = blocks.filter(|block| block.language == "lua");
    let block = scripts.find(|block| block.text.contains(part)).unwrap();
    let path = folder.join(format!("{}.lua", part.replace('/', "-")));
    fs::write(&path, block.text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn map(name: &str, region: &str, seen: &str, more: &Value) -> String {
    let mut map = json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"seen": seen}},
        "spec": {"regions": [region], "output": {"configMapPrefix": name}},
    });
    let more = more.as_object().unwrap().clone();
    map["spec"].as_object_mut().unwrap().extend(more);
    map.to_string()
}

/// A resource in each state, how it is declared, and how kstatus and Argo CD judge it.
fn states() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let role = json!({"aws": {"roleArn": "arn:aws:iam::123456789012:role/foreign"}});
    let suspended = json!({"suspend": true});
    let (healthy, hanging, none) = ("us-east-1", "eu-central-1", json!({}));
    let of = |name: &'static str, region, seen, more, kstatus, argo| {
        (name, map(name, region, seen, more), kstatus, argo)
    };
    vec![
        of("unseen", healthy, "no", &none, "InProgress", "Progressing"),
        of(
            "refreshing",
            hanging,
            "yes",
            &none,
            "InProgress",
            "Progressing",
        ),
        of("published", healthy, "yes", &none, "Current", "Healthy"),
        of("refused", healthy, "yes", &role, "Failed", "Degraded"),
        of("conflicting", healthy, "yes", &none, "Failed", "Degraded"),
        // The operator writes nothing to it, the observed generation included.
        of(
            "suspended",
            healthy,
            "yes",
            &suspended,
            "InProgress",
            "Suspended",
        ),
    ]
}

#[tokio::test]
async fn gitops_tools_judge_each_state() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    cluster.kubectl(&["create", "namespace", NAME]).await;
    let rendered = chart(&["--set", "watchLabelSelector=seen=yes"]).unwrap();
    cluster.apply(&rendered).await;
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    cluster.kubectl(&established).await;
    let foreign = "conflicting-us-east-1";
    let command = ["create", "configmap", foreign, "-n", "default"];
    cluster.kubectl(&command).await;
    let simulator = bedrock(&["us-east-1", "eu-central-1"]).await;
    let hanging = FaultRule::new(Fault::Hang).region("eu-central-1");
    simulator.faults().add(hanging);
    let health = script(control_plane.folder(), "health.status");
    let _operator = cluster.operator(&objects(&rendered), &simulator).await;

    for (name, declared, kstatus, argo) in states() {
        cluster.apply(&declared).await;
        // `refreshing` remains so while AWS does not answer, `unseen` for ever.
        eventually(&format!("{kstatus} and {argo} of {name}"), async || {
            let resource = cluster.get("bmm", "default", name).await.unwrap();
            let is_announced = name != "refreshing" || resource["status"]["conditions"].is_array();
            let judged_health: Value =
                serde_json::from_str(&judged(&["health", &health], &resource)).unwrap();
            is_announced
                && judged(&["kstatus"], &resource) == kstatus
                && judged_health["status"] == argo
        })
        .await
        .unwrap();
    }

    // The action of Argo CD sets an annotation that the operator acknowledges.
    let action = script(control_plane.folder(), "requestedAt");
    let resource = cluster.get("bmm", "default", "published").await.unwrap();
    let changed = judged(&["action", &action], &resource);
    let changed: Value = serde_json::from_str(&changed).unwrap();
    let token = &changed["metadata"]["annotations"]["bedrock.modelmap.dev/requestedAt"];
    let annotation = format!(
        "bedrock.modelmap.dev/requestedAt={}",
        token.as_str().unwrap()
    );
    let annotate = ["annotate", "-n", "default", "bmm", "published", &annotation];
    cluster.kubectl(&annotate).await;
    eventually("acknowledgement", async || {
        let resource = cluster.get("bmm", "default", "published").await.unwrap();
        resource["status"]["lastHandledRefreshRequest"] == *token
            && judged(&["kstatus"], &resource) == "Current"
    })
    .await
    .unwrap();
}

/// Whether an object has all fields of another, with the same values.
fn has_all(object: &Value, wanted: &Value) -> bool {
    match (object, wanted) {
        (Value::Object(object), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            let field = object.get(name);
            field.is_some_and(|field| has_all(field, wanted))
        }),
        _ => object == wanted,
    }
}

/// What Git has is what the API server stores, so that no tool finds a difference.
#[tokio::test]
async fn samples_apply_again_without_difference() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    let definitions = fs::read_to_string(format!("{ROOT}/crds/bedrockmodelmaps.yaml")).unwrap();
    cluster.apply(&definitions).await;
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    cluster.kubectl(&established).await;
    let samples: Vec<_> = fs::read_dir(format!("{ROOT}/config/samples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("kustomization.yaml"))
        .collect();
    assert!(samples.len() > 5, "{samples:?}");
    for sample in samples {
        let text = fs::read_to_string(&sample).unwrap();
        let mut stored = Vec::new();
        for _ in 0..3 {
            cluster.apply(&text).await;
            let mut now = Vec::new();
            for wanted in objects(&text) {
                let kind = wanted["kind"].as_str().unwrap();
                let name = wanted["metadata"]["name"].as_str().unwrap();
                let namespace = wanted["metadata"]["namespace"].as_str();
                let found = cluster
                    .get(kind, namespace.unwrap_or("default"), name)
                    .await
                    .unwrap();
                assert!(has_all(&found, &wanted), "{}: {found}", sample.display());
                now.push(found);
            }
            stored.push(now);
        }
        assert!(!stored[0].is_empty());
        assert_eq!(stored[1], stored[2], "{}", sample.display());
        // The first update stores the status that the definition has as default, which no reader sees.
        let of_content = |objects: &[Value]| {
            let mut objects = objects.to_vec();
            for object in &mut objects {
                object["metadata"]["resourceVersion"].take();
            }
            objects
        };
        let [first, second] = [&stored[0], &stored[1]].map(|objects| of_content(objects));
        assert_eq!(first, second, "{}", sample.display());
    }
}

/// `helm template` as GitOps tools and pipelines run it: without a cluster, for the oldest version of Kubernetes.
#[test]
fn chart_renders_offline_for_the_oldest_kubernetes() {
    let file = fs::read_to_string(format!("{ROOT}/charts/bedrock-model-map/Chart.yaml")).unwrap();
    let (_, oldest) = file.split_once("kubeVersion: \">=").unwrap();
    let (oldest, _) = oldest.split_once("-0\"").unwrap();
    let rendered = |version: &str| chart(&["--kube-version", version]);
    assert!(!objects(&rendered(oldest).unwrap()).is_empty());
    let refused = rendered("1.30.0").unwrap_err();
    assert!(refused.contains(oldest), "{refused}");
}

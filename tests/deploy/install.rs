//! The chart and the Kustomize bases on a real API server.

use std::fs;

use control_plane::ControlPlane;
use serde_json::{Value, json};

use crate::cluster::{Cluster, bedrock, eventually};
use crate::manifests::{NAME, chart, kustomize, objects, only};
use crate::shell::Shell;
use crate::tools::{CHART, CRD_CHART, ROOT, tool};

/// A namespace in which only Pods of Pod Security "restricted" are created.
async fn restricted_namespace(cluster: &Cluster<'_>, name: &str) {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    cluster.apply(&namespace.to_string()).await;
}

/// A Pod as the Deployment among these objects would make it.
fn pod(objects: &[Value]) -> Value {
    let deployment = only(objects, "Deployment");
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("operator");
    pod["metadata"]["namespace"] = deployment["metadata"]["namespace"].clone();
    pod
}

#[tokio::test]
async fn api_server_accepts_every_object() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    for namespace in [NAME, "team-a", "team-b"] {
        restricted_namespace(&cluster, namespace).await;
    }
    for kind in ["podmonitors", "prometheusrules"] {
        let definition = tool(&format!("crds/monitoring.coreos.com_{kind}.yaml"));
        cluster
            .apply(&fs::read_to_string(definition).unwrap())
            .await;
        let name = format!("crd/{kind}.monitoring.coreos.com");
        cluster
            .kubectl(&["wait", "--for=condition=Established", &name])
            .await;
    }
    for case in ["default", "namespaced", "everything"] {
        let values = format!("{ROOT}/tests/deploy/values/{case}.yaml");
        let rendered = chart(&["--values", &values]).unwrap();
        cluster
            .dry_run(&rendered)
            .await
            .unwrap_or_else(|refused| panic!("{case}: {refused}"));
    }
    // The namespace is there already; otherwise the objects in it would be refused.
    cluster.kubectl(&["delete", "namespace", "team-b"]).await;
    for folder in ["crd", "namespaced", "prometheus"] {
        cluster
            .dry_run(&kustomize(folder))
            .await
            .unwrap_or_else(|refused| panic!("{folder}: {refused}"));
    }

    // An unknown field is an error indeed.
    let objects = objects(&chart(&[]).unwrap());
    let mut deployment = only(&objects, "Deployment").clone();
    deployment["spec"]["template"]["spec"]["readOnly"] = json!(true);
    let refused = cluster.dry_run(&deployment.to_string()).await.unwrap_err();
    assert!(refused.contains("unknown field"), "{refused}");

    // Only a Pod is judged by Pod Security, and only if its service account is there.
    cluster
        .apply(&only(&objects, "ServiceAccount").to_string())
        .await;
    let mut pod = pod(&objects);
    cluster.dry_run(&pod.to_string()).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = cluster.dry_run(&pod.to_string()).await.unwrap_err();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

#[tokio::test]
async fn user_role_writes_resources_but_neither_status_nor_cluster_maps() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    restricted_namespace(&cluster, NAME).await;
    cluster.apply(&chart(&[]).unwrap()).await;
    for role in ["view", "edit", "admin", "cluster-admin"] {
        let (name, user) = (format!("each-{role}"), format!("--user={role}"));
        let bind = ["create", "clusterrolebinding", &name, &user];
        let role = format!("--clusterrole={role}");
        cluster.kubectl(&[&bind[..], &[&role]].concat()).await;
    }
    let may = async |user: &str, verb: &str, resource: &str| {
        let user = format!("--as={user}");
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let part = format!("--subresource={part}");
        let ask = [
            "auth", "can-i", verb, resource, &part, "-n", "default", &user,
        ];
        // It ends with an error where the answer is no.
        cluster.try_kubectl(&ask).await.is_ok()
    };
    // Kubernetes takes a moment to gather what its roles include.
    for user in ["edit", "admin"] {
        eventually(user, async || may(user, "create", "bedrockmodelmaps").await)
            .await
            .unwrap();
    }
    eventually("view", async || {
        may("view", "get", "bedrockmodelmaps").await
    })
    .await
    .unwrap();
    for (user, verb, resource, expected) in [
        ("edit", "update", "bedrockmodelmaps", true),
        ("edit", "delete", "bedrockmodelmaps", true),
        ("edit", "get", "bedrockmodelmaps", true),
        ("edit", "update", "bedrockmodelmaps/status", false),
        ("edit", "patch", "bedrockmodelmaps/status", false),
        ("view", "list", "bedrockmodelmaps", true),
        ("view", "update", "bedrockmodelmaps", false),
        ("view", "create", "bedrockmodelmaps", false),
        ("cluster-admin", "create", "clusterbedrockmodelmaps", true),
    ] {
        let allowed = may(user, verb, resource).await;
        assert_eq!(allowed, expected, "{user}: {verb} {resource}");
    }
    // One who writes them writes into all namespaces.
    for user in ["view", "edit", "admin"] {
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            let allowed = may(user, verb, "clusterbedrockmodelmaps").await;
            assert!(!allowed, "{user}: {verb}");
        }
        let allowed = may(user, "update", "clusterbedrockmodelmaps/status").await;
        assert!(!allowed, "{user}: status");
    }
}

/// What must outlive the release: the definition, the resource and its `ConfigMaps`, by what distinguishes a new object or a
/// changed one.
async fn what_stays(cluster: &Cluster<'_>) -> Vec<String> {
    let names = [
        ("crd", "", "bedrockmodelmaps.bedrock.modelmap.dev"),
        ("bmm", "default", "models"),
        ("configmap", "default", "models-us-east-1"),
        ("configmap", "default", "models-eu-central-1"),
        ("configmap", "default", "models-mapping"),
    ];
    let mut found = Vec::new();
    for (kind, namespace, name) in names {
        let object = cluster.get(kind, namespace, name).await;
        let metadata = &object.unwrap_or_else(|| panic!("no {kind} {name}"))["metadata"];
        // Helm writes to the definition.
        let version = if kind == "configmap" {
            metadata["resourceVersion"].to_string()
        } else {
            String::new()
        };
        found.push(format!("{kind} {name} {} {version}", metadata["uid"]));
    }
    found
}

/// The definitions in a release of their own, and two releases of the operator in two namespaces that share the resources
/// by a label.
#[tokio::test]
async fn two_releases_share_one_cluster() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    cluster.helm(&["install", "definitions", CRD_CHART]);
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    cluster.kubectl(&established).await;
    let simulator = bedrock(&["us-east-1"]).await;
    let mut operators = Vec::new();
    for (namespace, selector) in [("blue", "shard=blue"), ("green", "shard!=blue")] {
        restricted_namespace(&cluster, namespace).await;
        let name = format!("{namespace}-bedrock-model-map");
        let values = format!("crds.install=false,watchLabelSelector={selector}");
        let install = ["install", namespace, CHART, "--namespace", namespace];
        cluster.helm(&[&install[..], &["--set", &values]].concat());
        let deployment = cluster.get("deployment", namespace, &name).await.unwrap();
        operators.push(cluster.operator(&[deployment], &simulator).await);
    }
    for (name, labels) in [
        ("of-blue", json!({"shard": "blue"})),
        ("of-green", json!({})),
    ] {
        let map = json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": name, "namespace": "default", "labels": labels},
            "spec": {"regions": ["us-east-1"]},
        });
        cluster.apply(&map.to_string()).await;
    }
    let ready = ["wait", "--for=condition=Ready", "bmm", "--all"];
    cluster
        .kubectl(&[&ready[..], &["-n", "default", "--timeout=2m"]].concat())
        .await;
    // Each leads by a Lease of its own.
    for (operator, namespace) in operators.iter().zip(["blue", "green"]) {
        let lease = format!("{namespace}/{namespace}-bedrock-model-map");
        let log = operator.log();
        assert!(log.contains(&lease), "{lease}: {log}");
    }

    // The definitions outlive their release, and with them everything.
    cluster.helm(&["uninstall", "definitions"]);
    for name in ["of-blue", "of-green"] {
        assert!(cluster.get("bmm", "default", name).await.is_some());
    }
}

/// The commands in the chart's notes that lead to the first map.
fn first_map(notes: &str) -> String {
    let (_, second) = notes.split_once("2. The first map:").unwrap();
    let (commands, _) = second.split_once("\nIf it does not become ready").unwrap();
    commands.replace("\n   ", "\n")
}

#[tokio::test]
async fn release_installs_upgrades_and_uninstalls() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    restricted_namespace(&cluster, NAME).await;
    let release = ["install", NAME, CHART, "--namespace", NAME];
    let notes = cluster.helm(&release);
    let established = [
        "wait",
        "--for=condition=Established",
        "crd/bedrockmodelmaps.bedrock.modelmap.dev",
    ];
    cluster.kubectl(&established).await;

    // As the Pod would: under the release's own rights, with its arguments.
    let simulator = bedrock(&["us-east-1", "eu-central-1"]).await;
    let operator = cluster
        .operator(&objects(&chart(&[]).unwrap()), &simulator)
        .await;
    let listed = Shell::new(&control_plane, &simulator)
        .run(&first_map(&notes))
        .await;
    let listed = listed.unwrap();
    assert!(listed.contains("models-eu-central-1"), "{listed}");
    let log = operator.log();
    assert!(!log.contains("cannot"), "{log}");
    let published = what_stays(&cluster).await;

    let change = [
        "upgrade",
        NAME,
        CHART,
        "--namespace",
        NAME,
        "--set",
        "concurrentRegions=32",
    ];
    cluster.helm(&change);
    let deployment = cluster.get("deployment", NAME, NAME).await.unwrap();
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(arguments.contains("--concurrent-regions=32"), "{arguments}");
    assert_eq!(what_stays(&cluster).await, published);

    cluster.helm(&["uninstall", NAME, "--namespace", NAME]);
    for (kind, namespace) in [
        ("deployment", NAME),
        ("serviceaccount", NAME),
        ("role", NAME),
        ("networkpolicy", NAME),
        ("clusterrole", ""),
        ("clusterrolebinding", ""),
    ] {
        let left = cluster.get(kind, namespace, NAME).await;
        assert!(left.is_none(), "{kind} is left");
    }
    assert_eq!(what_stays(&cluster).await, published);

    // It takes up again what it left.
    cluster.helm(&release);
    assert_eq!(what_stays(&cluster).await, published);
}

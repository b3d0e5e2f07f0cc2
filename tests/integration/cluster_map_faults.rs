//! Cluster maps where others race with the operator, a definition differs, or a rollout stops.

use bedrock_model_map::api::{BedrockModelMap, ClusterBedrockModelMapStatus};
use bedrock_simulator::Operation;
use control_plane::ControlPlane;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::support::{
    CLUSTER_MAPS, ClusterMap, Credentials, Fixture, Launch, MAP_REGION, Operator, OperatorOptions,
    apply, catalog_of, eventually, kubectl, state, template,
};

/// A `BedrockModelMap` that a user writes: with the label of a child, and owned by nobody.
fn foreign(map: &ClusterMap) -> BedrockModelMap {
    let spec = json!({"regions": [MAP_REGION], "suspend": true});
    let mut foreign = BedrockModelMap::new(&map.name, serde_json::from_value(spec).unwrap());
    let label = ("bedrock.modelmap.dev/cluster-map", map.name.as_str());
    let label = (label.0.to_owned(), label.1.to_owned());
    foreign.metadata.labels = Some([label].into());
    foreign
}

fn is_child(object: &BedrockModelMap) -> bool {
    !object.owner_references().is_empty()
}

fn conflicting(status: &ClusterBedrockModelMapStatus) -> usize {
    let namespaces = status.namespaces.as_ref();
    namespaces.map_or(0, |n| usize::try_from(n.conflicting).unwrap())
}

#[tokio::test]
async fn object_that_takes_name_in_race_is_never_adopted_nor_deleted() {
    const NAMESPACES: usize = 12;
    let map = &ClusterMap::of(NAMESPACES, &[]).await;
    for namespace in &map.namespaces {
        map.select(namespace, "no").await;
    }
    map.create(template()).await;
    map.ready("0/0").await;
    // The user creates an object while the operator, whose watch shows none, creates its own.
    let mut taken = Vec::new();
    for namespace in &map.namespaces {
        let api = namespace.api::<BedrockModelMap>();
        let (parameters, object) = (PostParams::default(), foreign(map));
        let (created, ()) = tokio::join!(
            api.create(&parameters, &object),
            map.select(namespace, "yes")
        );
        taken.push(created.ok());
    }
    let lost = taken.iter().flatten().count();
    let status = map.until(|status| conflicting(status) == lost).await;
    assert_eq!(status.namespaces.unwrap().matched, 12);
    for (namespace, foreign) in taken.iter().enumerate() {
        let object = map.until_child(namespace, |_| true).await;
        match foreign {
            Some(foreign) => assert_eq!(&object, foreign),
            None => assert!(is_child(&object), "{object:#?}"),
        }
    }
    // The operator deletes its children, while the user puts an object into the place of each.
    let mut placed = Vec::new();
    for (number, namespace) in map.namespaces.iter().enumerate() {
        if taken[number].is_some() {
            continue;
        }
        let api = namespace.api::<BedrockModelMap>();
        let replace = async {
            let _ = api.delete(&map.name, &DeleteParams::default()).await;
            let created = api.create(&PostParams::default(), &foreign(map)).await;
            placed.extend(created.ok().map(|object| (number, object)));
        };
        tokio::join!(replace, map.select(namespace, "no"));
    }
    map.until(|status| status.namespaces.as_ref().unwrap().matched == i64::try_from(lost).unwrap())
        .await;
    for (number, object) in placed {
        assert_eq!(map.child(number).await, Some(object));
    }
}

#[tokio::test]
async fn missing_definition_of_cluster_maps_is_reported_once_until_installed() {
    let control_plane = ControlPlane::start().await.unwrap();
    let run =
        async |arguments: &[&str], input: &str| kubectl(&control_plane, arguments, input).await;
    // The definitions of an earlier version: that of BedrockModelMaps alone.
    let both = bedrock_model_map::api::crd_yaml().unwrap();
    let (of_model_maps, _) = both.split_once("\n---\n").unwrap();
    let installed = run(&["create", "-f", "-"], of_model_maps).await;
    assert!(installed.success, "{installed}");
    let operator = Operator::start(&Launch {
        control_plane: &control_plane,
        kubeconfig: control_plane.kubeconfig().to_owned(),
        // Receives no request: the resources below name a role that is not allowed.
        aws: "http://127.0.0.1:9".to_owned(),
        credentials: Credentials::Given,
        environment: &[],
        runner: &[],
        namespace: "default",
        arguments: &[CLUSTER_MAPS],
    });
    let missing =
        "cannot watch clusterbedrockmodelmaps.bedrock.modelmap.dev: the CustomResourceDefinition";
    operator.logged(&[missing, "install it"]).await;
    let shows = async |namespace: &str, name: &str| {
        eventually(async || {
            let get = ["get", "bmm", name, "-n", namespace, "-o", "wide"];
            let shown = run(&get, "").await;
            let is_refused = shown.stdout.contains("does not permit namespace");
            if is_refused { Ok(()) } else { Err(shown) }
        })
        .await;
    };
    let labels = json!({"test": "default"});
    let spec = json!({"aws": {"roleArn": "arn:aws:iam::123456789012:role/reader"}});
    let object = json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": "claude", "namespace": "default", "labels": &labels},
        "spec": &spec,
    });
    apply(&control_plane, &object).await;
    shows("default", "claude").await;
    assert_eq!(operator.http_get("/readyz").await.0, 200);
    assert_eq!(operator.log().matches(missing).count(), 1);

    let installed = run(&["apply", "-f", "-"], &both).await;
    assert!(installed.success, "{installed}");
    let object = json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "ClusterBedrockModelMap",
        "metadata": {"name": "everywhere", "labels": &labels},
        "spec": {
            "namespaceSelector": {},
            "template": {"metadata": {"labels": &labels}, "spec": &spec},
        },
    });
    apply(&control_plane, &object).await;
    shows("default", "everywhere").await;
    assert_eq!(operator.log().matches(missing).count(), 1);
}

/// A newer definition of cluster maps: one more value of an enum, and one more field.
const NEWER_ENUM: &str =
    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/rollout/enum/-";
const NEWER_FIELD: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/wave";

#[tokio::test]
async fn cluster_map_of_newer_definition_is_left_as_it_is_while_unreadable() {
    let map = ClusterMap::of(1, &[]).await;
    map.create(template()).await;
    map.ready("1/1").await;
    let cluster = map.fixture.cluster;
    let patch = json!([
        {"op": "add", "path": NEWER_ENUM, "value": "Staged"},
        {"op": "add", "path": NEWER_FIELD, "value": {"type": "string"}},
    ]);
    let name = "clusterbedrockmodelmaps.bedrock.modelmap.dev";
    let patch = patch.to_string();
    let patch = ["patch", "crd", name, "--type=json", "-p", &patch];
    cluster.run(&patch, "").await.unwrap();
    // Until the API server has the definition, it refuses the value and drops the field.
    let edit = async |spec: Value, stored: &str| {
        let patch = json!({"spec": spec}).to_string();
        let path = "jsonpath={.spec.rollout} {.spec.wave}";
        let patch = [
            "patch",
            "cbmm",
            &map.name,
            "--type=merge",
            "-p",
            &patch,
            "-o",
            path,
        ];
        eventually(async || match cluster.run(&patch, "").await {
            Ok(seen) if seen == stored => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
    };
    // An unknown field changes nothing.
    let before = map.child(0).await.unwrap();
    edit(json!({"wave": "first"}), "Guarded first").await;
    map.ready("1/1").await;
    assert_eq!(map.child(0).await.unwrap().spec, before.spec);

    let newer = json!({"rollout": "Staged", "template": {"spec": {"refreshInterval": "2h"}}});
    edit(newer, "Staged first").await;
    let said = ["cannot be read", "Staged", &map.name];
    map.fixture.operator.logged(&said).await;
    // A map that comes later has been reconciled.
    let second = format!("{}-second", map.name);
    map.create_named(&second, template()).await;
    eventually(async || {
        let child = map.namespaces[0].api::<BedrockModelMap>();
        let child = child.get_opt(&second).await.unwrap();
        child.map(|_| ()).ok_or("no child of the second map")
    })
    .await;
    let child = map.child(0).await.unwrap();
    assert_eq!([child.uid(), None], [before.uid(), None]);
    assert_eq!(child.spec, before.spec);

    edit(json!({"rollout": "Guarded"}), "Guarded first").await;
    map.until_child(0, |child| child.spec != before.spec).await;
    map.ready("1/1").await;
}

#[tokio::test]
async fn operator_without_cluster_maps_refreshes_children_and_repairs_none() {
    let fixture = Fixture::new(catalog_of(&[MAP_REGION]), &[CLUSTER_MAPS]).await;
    let mut map = ClusterMap::with(fixture, 0).await;
    map.select(&map.fixture.namespace, "yes").await;
    map.create(template()).await;
    map.ready("1/1").await;
    // As one of an earlier version, which does not know the kind.
    let earlier = OperatorOptions::new(&[]);
    map.fixture.replace_operator(&earlier);
    let edit = json!({"spec": {"output": {"labels": {"edited": "yes"}}}});
    map.fixture.patch(&map.name, edit).await;
    let template = json!({"spec": {"template": {"spec": {"refreshInterval": "2h"}}}});
    map.patch(template).await;
    let child = map.fixture.refresh(&map.name, "once").await;
    let status = child.status.unwrap();
    assert_eq!(status.last_handled_refresh_request.as_deref(), Some("once"));
    assert_eq!(child.spec.output.labels.len(), 1);

    map.fixture
        .replace_operator(&OperatorOptions::new(&[CLUSTER_MAPS]));
    let child = map
        .fixture
        .until(&map.name, |child| child.spec.output.labels.is_empty());
    let child = child.await;
    assert_eq!(json!(child.spec)["refreshInterval"], "2h");
}

#[tokio::test]
async fn halted_rollout_leaves_others_as_they_are_until_template_is_corrected() {
    let map = ClusterMap::of(3, &[]).await;
    map.create(template()).await;
    map.ready("3/3").await;
    // No namespace may assume a role.
    let role = json!({"roleArn": "arn:aws:iam::123456789012:role/reader"});
    map.patch(json!({"spec": {"template": {"spec": {"aws": role}}}}))
        .await;
    let is_halted = |status: &ClusterBedrockModelMapStatus| {
        state(status, "Stalled") == Some(["True", "RolloutHalted"])
    };
    map.until(is_halted).await;
    let mut first = None;
    for namespace in 0..3 {
        let child = map.child(namespace).await.unwrap();
        if child.spec.aws.is_some() {
            assert_eq!(first.replace(namespace), None);
        }
    }
    let first = first.unwrap();
    let others: Vec<usize> = (0..3).filter(|n| *n != first).collect();
    // One with the new template is repaired; one with the earlier template, which nobody knows, waits.
    let suspended = json!({"spec": {"suspend": true}});
    map.patch_child(others[0], suspended.clone()).await;
    map.patch_child(first, suspended).await;
    map.until_child(first, |child| !child.spec.suspend).await;
    assert!(map.child(others[0]).await.unwrap().spec.suspend);
    // A forced refresh waits with the template.
    let token = json!({"bedrock.modelmap.dev/requestedAt": "once"});
    map.patch(json!({"metadata": {"annotations": token}})).await;
    map.until(is_halted).await;
    assert!(map.child(others[1]).await.unwrap().spec.aws.is_none());

    map.patch(json!({"spec": {"template": {"spec": {"aws": null}}}}))
        .await;
    map.ready("3/3").await;
    for namespace in 0..3 {
        assert!(!map.child(namespace).await.unwrap().spec.suspend);
    }
    let is_handled = |status: &ClusterBedrockModelMapStatus| {
        status.last_handled_refresh_request.as_deref() == Some("once")
    };
    map.until(is_handled).await;
}

#[tokio::test]
async fn children_share_list_of_account_regions() {
    let map = ClusterMap::of(4, &[]).await;
    map.create(json!({"spec": {}})).await;
    map.ready("4/4").await;
    let listed = |map: &ClusterMap| {
        let simulator = &map.fixture.simulator;
        simulator.count("us-east-1", Operation::ListRegions)
    };
    assert_eq!(listed(&map), 1);
    let token = json!({"bedrock.modelmap.dev/requestedAt": "once"});
    map.patch(json!({"metadata": {"annotations": token}})).await;
    map.until(|status| status.last_handled_refresh_request.as_deref() == Some("once"))
        .await;
    assert!((2..=5).contains(&listed(&map)), "{}", listed(&map));
}

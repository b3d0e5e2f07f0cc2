//! `ClusterBedrockModelMaps`: one `BedrockModelMap` in each namespace that a selector matches.

use std::collections::BTreeMap;

use bedrock_model_map::api::{
    BedrockModelMap, ClusterBedrockModelMap, ClusterBedrockModelMapStatus,
};
use bedrock_simulator::Role;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace as NamespaceObject};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::support::{
    CLUSTER_MAPS, ClusterMap, Credentials, Fixture, FixtureBuilder, MAP_REGION, OperatorOptions,
    SLOW, catalog_of, condition, eventually, eventually_within, state, template,
};

#[tokio::test]
async fn namespaces_that_match_have_child_until_they_cease_to() {
    let map = ClusterMap::of(3, &[]).await;
    map.select(&map.namespaces[2], "no").await;
    map.create(template()).await;
    let status = map.ready("2/2").await;
    assert_eq!(state(&status, "Ready"), Some(["True", "AllReady"]));
    assert_eq!(state(&status, "Stalled"), None);
    let child = map.child(0).await.unwrap();
    assert_eq!(child.labels()["bedrock.modelmap.dev/cluster-map"], map.name);
    assert_eq!(child.labels()["team"], "platform");
    let owner = &child.owner_references()[0];
    assert_eq!(
        [owner.kind.as_str(), owner.name.as_str()],
        ["ClusterBedrockModelMap", map.name.as_str()]
    );
    // Answers are shared: ListFoundationModels, and ListInferenceProfiles of two types.
    assert_eq!(map.fixture.simulator.total(), 3);
    assert!(map.child(2).await.is_none());

    // One more namespace costs one child, and no other one is written.
    let before = map.child(0).await.unwrap().resource_version();
    map.select(&map.namespaces[2], "yes").await;
    map.ready("3/3").await;
    assert_eq!(map.child(0).await.unwrap().resource_version(), before);

    map.select(&map.namespaces[0], "no").await;
    map.ready("2/2").await;
    eventually(async || match map.child(0).await {
        None => Ok(()),
        Some(_) => Err("the child stays"),
    })
    .await;
    eventually_within(SLOW, async || {
        let config_maps = map.namespaces[0].api::<ConfigMap>();
        let labels = kube::api::ListParams::default().labels("bedrock.modelmap.dev/name");
        let left = config_maps.list(&labels).await.unwrap().items.len();
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} ConfigMaps are left"))
        }
    })
    .await;

    // A terminating namespace blocks nothing.
    let api = Api::<NamespaceObject>::all(map.client.clone());
    let name = &map.namespaces[1].name;
    api.delete(name, &DeleteParams::default()).await.unwrap();
    map.ready("1/1").await;

    map.api()
        .delete(&map.name, &DeleteParams::default())
        .await
        .unwrap();
    eventually_within(SLOW, async || match map.child(2).await {
        None => Ok(()),
        Some(_) => Err("the child of the deleted cluster map stays"),
    })
    .await;
}

#[tokio::test]
async fn foreign_map_of_that_name_is_conflict_and_untouched() {
    let map = ClusterMap::of(2, &[]).await;
    let spec = serde_json::from_value(json!({"regions": [MAP_REGION], "suspend": true})).unwrap();
    let mut foreign = BedrockModelMap::new(&map.name, spec);
    // Labelled like a child, owned by nobody.
    let label = (
        "bedrock.modelmap.dev/cluster-map".to_owned(),
        map.name.clone(),
    );
    foreign.metadata.labels = Some(BTreeMap::from([label]));
    let api = map.namespaces[0].api::<BedrockModelMap>();
    let foreign = api.create(&PostParams::default(), &foreign).await.unwrap();
    // Without a label: the watch of children does not show it.
    let spec = serde_json::from_value(json!({"regions": [MAP_REGION], "suspend": true})).unwrap();
    let hidden = BedrockModelMap::new(&map.name, spec);
    let hidden_api = map.namespaces[1].api::<BedrockModelMap>();
    let hidden = hidden_api
        .create(&PostParams::default(), &hidden)
        .await
        .unwrap();

    map.create(template()).await;
    let conflicting = |count: i64| {
        move |status: &ClusterBedrockModelMapStatus| {
            status
                .namespaces
                .as_ref()
                .is_some_and(|n| n.conflicting == count)
        }
    };
    let status = map.until(conflicting(2)).await;
    assert_eq!(
        state(&status, "Stalled"),
        Some(["True", "NamespaceConflict"])
    );
    assert_eq!(status.problems.len(), 2);
    assert_eq!(status.problems[0].reason, "Conflict");
    let events = ["get", "events.events.k8s.io", "-n", "default"];
    eventually(async || {
        let events = map.fixture.cluster.run(&events, "").await.unwrap();
        let is_said = events.contains("NamespaceConflict") && events.contains(&map.name);
        if is_said { Ok(()) } else { Err(events) }
    })
    .await;
    map.patch(json!({"spec": {"template": {"spec": {"refreshInterval": "2h"}}}}))
        .await;
    map.until(conflicting(2)).await;
    assert_eq!(api.get(&map.name).await.unwrap(), foreign);
    assert_eq!(hidden_api.get(&map.name).await.unwrap(), hidden);

    // Where it goes, the child follows; at once where the watch shows it.
    api.delete(&map.name, &DeleteParams::default())
        .await
        .unwrap();
    map.until(conflicting(1)).await;
    hidden_api
        .delete(&map.name, &DeleteParams::default())
        .await
        .unwrap();
    map.ready("2/2").await;
}

#[tokio::test]
async fn edited_child_is_put_back() {
    let map = ClusterMap::of(1, &[]).await;
    map.create(template()).await;
    map.ready("1/1").await;
    let uid = map.child(0).await.unwrap().uid();
    let is_intact = |child: &BedrockModelMap| {
        let labels = child.labels();
        !child.spec.suspend
            && labels.get("team").is_some_and(|team| team == "platform")
            && labels.contains_key("bedrock.modelmap.dev/cluster-map")
    };
    let forged = json!({"bedrock.modelmap.dev/template-sha256": "forged"});
    let edits = [
        json!({"spec": {"suspend": true}}),
        json!({"metadata": {"labels": {"team": "tenant"}}}),
        json!({"metadata": {"labels": {"bedrock.modelmap.dev/cluster-map": null}}}),
        json!({"metadata": {"annotations": forged}, "spec": {"suspend": true}}),
    ];
    for edit in edits {
        map.patch_child(0, edit).await;
        map.until_child(0, is_intact).await;
    }
    // What others add stays.
    map.patch_child(0, json!({"metadata": {"labels": {"cost-center": "1"}}}))
        .await;
    map.patch_child(0, json!({"spec": {"suspend": true}})).await;
    let child = map.until_child(0, is_intact).await;
    assert_eq!(child.labels()["cost-center"], "1");
    assert_eq!(child.uid(), uid);
    // A deleted child comes again.
    let api = map.namespaces[0].api::<BedrockModelMap>();
    api.delete(&map.name, &DeleteParams::default())
        .await
        .unwrap();
    map.until_child(0, |child| child.uid() != uid).await;
    map.ready("1/1").await;
}

#[tokio::test]
async fn child_without_owner_reference_is_no_longer_ours() {
    let map = ClusterMap::of(2, &[]).await;
    map.create(template()).await;
    map.ready("2/2").await;
    map.patch_child(
        0,
        json!({"metadata": {"ownerReferences": null}, "spec": {"suspend": true}}),
    )
    .await;
    let status = map
        .until(|status| {
            status
                .namespaces
                .as_ref()
                .is_some_and(|n| n.conflicting == 1)
        })
        .await;
    assert_eq!(
        state(&status, "Stalled"),
        Some(["True", "NamespaceConflict"])
    );
    assert!(map.child(0).await.unwrap().spec.suspend);
}

#[tokio::test]
async fn requested_refresh_and_suspension_reach_all_children() {
    let map = ClusterMap::of(2, &[]).await;
    map.create(template()).await;
    map.ready("2/2").await;
    map.fixture.simulator.reset_counts();
    let token = json!({"bedrock.modelmap.dev/requestedAt": "once"});
    map.patch(json!({"metadata": {"annotations": token}})).await;
    map.until(|status| status.last_handled_refresh_request.as_deref() == Some("once"))
        .await;
    assert!(map.fixture.simulator.total() >= 3);
    for namespace in 0..2 {
        let child = map.child(namespace).await.unwrap();
        let status = child.status.unwrap();
        assert_eq!(status.last_handled_refresh_request.as_deref(), Some("once"));
    }
    map.patch(json!({"spec": {"template": {"spec": {"suspend": true}}}}))
        .await;
    for namespace in 0..2 {
        map.until_child(namespace, |child| child.spec.suspend).await;
    }
}

#[tokio::test]
async fn template_edit_that_stalls_first_namespace_goes_no_further() {
    let map = ClusterMap::of(3, &[]).await;
    map.create(template()).await;
    map.ready("3/3").await;
    // No namespace may assume a role.
    let role = "arn:aws:iam::123456789012:role/reader";
    map.patch(json!({"spec": {"template": {"spec": {"aws": {"roleArn": role}}}}}))
        .await;
    let status = map
        .until(|status| state(status, "Stalled") == Some(["True", "RolloutHalted"]))
        .await;
    assert_eq!(state(&status, "Ready"), Some(["False", "RolloutHalted"]));
    assert_eq!(status.problems.len(), 1);
    assert_eq!(status.problems[0].reason, "RoleNotAllowed");
    let has_role = async |namespace| {
        let child = map.child(namespace).await.unwrap();
        child.spec.aws.is_some()
    };
    let changed = [has_role(0).await, has_role(1).await, has_role(2).await];
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);
    // The switch goes on all the same.
    map.patch(json!({"spec": {"rollout": "Immediate"}})).await;
    for namespace in 0..3 {
        map.until_child(namespace, |child| child.spec.aws.is_some())
            .await;
    }
    // A corrected template passes.
    map.patch(json!({"spec": {"rollout": "Guarded", "template": {"spec": {"aws": null}}}}))
        .await;
    map.ready("3/3").await;
}

#[tokio::test]
async fn namespace_that_refuses_does_not_block_others() {
    let map = ClusterMap::of(2, &[]).await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": map.namespaces[0].name},
        "spec": {"hard": {"count/bedrockmodelmaps.bedrock.modelmap.dev": "0"}},
    });
    let cluster = map.fixture.cluster;
    cluster
        .run(&["apply", "-f", "-"], &quota.to_string())
        .await
        .unwrap();
    // The control plane has no quota controller, which would copy the limits.
    let hard = json!({"count/bedrockmodelmaps.bedrock.modelmap.dev": "0"});
    let counted = json!({"status": {"hard": hard, "used": hard}}).to_string();
    let namespace = map.namespaces[0].name.clone();
    let patch = [
        "patch",
        "resourcequota",
        "none",
        "-n",
        &namespace,
        "--subresource=status",
    ];
    let patch = [&patch[..], &["--type=merge", "-p", &counted]].concat();
    cluster.run(&patch, "").await.unwrap();
    map.create(template()).await;
    let status = map.ready("1/2").await;
    assert_eq!(state(&status, "Degraded"), Some(["True", "WriteFailed"]));
    assert_eq!(status.problems[0].namespace, map.namespaces[0].name);
    assert!(status.problems[0].message.contains("quota"), "{status:#?}");
    let quota = [
        "delete",
        "resourcequota",
        "none",
        "-n",
        &map.namespaces[0].name,
    ];
    cluster.run(&quota, "").await.unwrap();
    map.ready("2/2").await;
}

#[tokio::test]
async fn role_is_checked_for_each_namespace() {
    let role = "arn:aws:iam::123456789012:role/reader";
    let fixture = {
        let builder = FixtureBuilder::new(catalog_of(&[MAP_REGION])).await;
        let allowed = builder.namespace.name.clone();
        let rule = format!("--allow-role={allowed}={role}");
        let arguments = [CLUSTER_MAPS, &rule];
        let fixture = builder.start_operator(&OperatorOptions::new(&arguments));
        fixture.simulator.identities().add(Role::new(role));
        fixture
    };
    let map = ClusterMap::with(fixture, 1).await;
    map.select(&map.fixture.namespace, "yes").await;
    map.create(json!({"spec": {"regions": [MAP_REGION], "aws": {"roleArn": role}}}))
        .await;
    let status = map.ready("1/2").await;
    assert_eq!(status.problems.len(), 1);
    assert_eq!(status.problems[0].namespace, map.namespaces[0].name);
    assert_eq!(status.problems[0].reason, "RoleNotAllowed");
    let allowed = map.fixture.get(&map.name).await;
    assert_eq!(condition(&allowed, "Ready")[0], "True");
}

#[tokio::test]
async fn cluster_maps_need_all_namespaces() {
    let arguments = [CLUSTER_MAPS, "--watch-namespace=team-a"];
    let fixture = Fixture::as_user(catalog_of(&[]), &arguments, Credentials::Given, None).await;
    assert_eq!(fixture.operator.end().await.code(), Some(1));
    let log = fixture.operator.log();
    assert!(log.contains("--cluster-maps cannot be combined"), "{log}");
}

#[tokio::test]
async fn shard_keeps_cluster_maps_with_its_labels_only() {
    let map = ClusterMap::of(1, &[]).await;
    let spec = json!({"namespaceSelector": {"matchLabels": {&map.name: "yes"}}, "template": {}});
    let spec = serde_json::from_value(spec).unwrap();
    let other = ClusterBedrockModelMap::new(&format!("{}-other", map.name), spec);
    let parameters = PostParams::default();
    map.api().create(&parameters, &other).await.unwrap();
    map.create(template()).await;
    map.ready("1/1").await;
    let other = map.api().get(&other.name_any()).await.unwrap();
    let status = other.status.unwrap_or_default();
    assert_eq!(status, ClusterBedrockModelMapStatus::default());
    let api = map.namespaces[0].api::<BedrockModelMap>();
    assert!(
        api.get_opt(&other.metadata.name.unwrap())
            .await
            .unwrap()
            .is_none()
    );
}

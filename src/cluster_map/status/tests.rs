use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::cluster_map::rollout::{Namespace, plan};

fn map() -> ClusterBedrockModelMap {
    serde_json::from_value(json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "ClusterBedrockModelMap",
        "metadata": {
            "name": "claude", "uid": "ours", "generation": 3,
            "annotations": {"bedrock.modelmap.dev/requestedAt": "t"},
        },
        "spec": {"namespaceSelector": {}, "template": {}},
    }))
    .unwrap()
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": format!("{kind}Reason"), "message": "why", "lastTransitionTime": "2026-11-23T00:00:00Z"})
}

/// The status for children with these conditions, by namespace.
fn status_of(
    children: &[(&str, Value)],
    failed: &[(&str, WriteProblem)],
) -> ClusterBedrockModelMapStatus {
    let map = map();
    let desired = DesiredChild::new(&map, "bedrock.modelmap.dev/v1alpha1".to_owned()).unwrap();
    let namespaces: Vec<Namespace> = children
        .iter()
        .map(|(name, _)| Namespace {
            name: (*name).to_owned(),
            labels: BTreeMap::new(),
            is_terminating: false,
        })
        .collect();
    let existing = children
        .iter()
        .filter(|(_, conditions)| !conditions.is_null());
    let labelled: Vec<Arc<BedrockModelMap>> = existing
        .map(|(name, conditions)| {
            let mut child = desired.create(name);
            child.metadata.generation = Some(1);
            let status = json!({"observedGeneration": 1, "conditions": conditions, "lastHandledRefreshRequest": "t"});
            child.status = serde_json::from_value(status).unwrap();
            Arc::new(child)
        })
        .collect();
    let plan = plan(&map, &desired, &namespaces, &labelled);
    let failed = failed.iter().cloned();
    let failed = failed
        .map(|(name, problem)| (name.to_owned(), problem))
        .collect();
    status(&map, &desired, &plan, &failed, Timestamp::UNIX_EPOCH)
}

fn conditions_of(status: &ClusterBedrockModelMapStatus) -> Vec<String> {
    let conditions = status.conditions.iter();
    conditions
        .map(|c| format!("{}={} {}", c.type_, c.status, c.reason))
        .collect()
}

#[test]
fn status_counts_namespaces() {
    let ready = || json!([condition("Ready", "True"), condition("Degraded", "False")]);
    let degraded = || json!([condition("Ready", "True"), condition("Degraded", "True")]);
    let stalled = || json!([condition("Ready", "False"), condition("Stalled", "True")]);
    let cases = [
        (
            vec![],
            vec![],
            "0/0",
            vec!["Ready=True NoNamespaces", "Degraded=False NoneDegraded"],
        ),
        (
            vec![("a", ready()), ("b", ready())],
            vec![],
            "2/2",
            vec!["Ready=True AllReady", "Degraded=False NoneDegraded"],
        ),
        (
            vec![("a", ready()), ("b", Value::Null)],
            vec![],
            "1/2",
            vec![
                "Ready=False NamespacesNotReady",
                "Reconciling=True InProgress",
                "Degraded=False NoneDegraded",
            ],
        ),
        (
            vec![("a", degraded())],
            vec![],
            "1/1",
            vec!["Ready=True AllReady", "Degraded=True NamespacesDegraded"],
        ),
        (
            vec![("a", ready()), ("b", stalled())],
            vec![],
            "1/2",
            vec![
                "Ready=False NamespacesStalled",
                "Stalled=True NamespacesStalled",
                "Degraded=False NoneDegraded",
            ],
        ),
        (
            vec![("a", ready()), ("b", Value::Null)],
            vec![("b", WriteProblem::Conflict)],
            "1/2",
            vec![
                "Ready=False NamespaceConflict",
                "Stalled=True NamespaceConflict",
                "Degraded=False NoneDegraded",
            ],
        ),
        (
            vec![("a", ready()), ("b", Value::Null)],
            vec![("b", WriteProblem::Failed("quota".to_owned()))],
            "1/2",
            vec![
                "Ready=False NamespacesNotReady",
                "Degraded=True WriteFailed",
            ],
        ),
    ];
    for (children, failed, counts, conditions) in cases {
        let status = status_of(&children, &failed);
        let of = status.namespaces.clone().unwrap();
        assert_eq!(of.ready_of_matched, counts, "{children:?}");
        assert_eq!(conditions_of(&status), conditions, "{children:?}");
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.last_handled_refresh_request.as_deref(), Some("t"));
    }
}

#[test]
fn problems_are_named_up_to_20() {
    let names: Vec<String> = (10..50).map(|n| format!("n{n}")).collect();
    let children: Vec<(&str, Value)> = names.iter().map(|n| (n.as_str(), Value::Null)).collect();
    let failed: Vec<(&str, WriteProblem)> = names
        .iter()
        .map(|n| (n.as_str(), WriteProblem::Conflict))
        .collect();
    let status = status_of(&children, &failed);
    assert_eq!(status.problems.len(), 20);
    assert_eq!(status.problems[0].namespace, "n10");
    assert_eq!(status.problems[0].reason, CONFLICT);
    assert_eq!(status.namespaces.unwrap().conflicting, 40);
}

#[test]
fn events_follow_transitions() {
    let ready = || json!([condition("Ready", "True")]);
    let fine = status_of(&[("a", ready())], &[]);
    let conflict = status_of(&[("a", Value::Null)], &[("a", WriteProblem::Conflict)]);
    let reasons = |before: &ClusterBedrockModelMapStatus, after: &ClusterBedrockModelMapStatus| {
        let events = events(before, after).into_iter();
        events.map(|event| event.reason).collect::<Vec<_>>()
    };
    let none = ClusterBedrockModelMapStatus::default();
    assert_eq!(reasons(&none, &fine), ["AllReady"]);
    assert_eq!(reasons(&fine, &fine), [""; 0]);
    assert_eq!(reasons(&fine, &conflict), ["NamespaceConflict"]);
    assert_eq!(reasons(&conflict, &fine), ["AllReady"]);
}

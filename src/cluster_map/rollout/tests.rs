use serde_json::{Value, json};

use super::*;

const STATES: [&str; 5] = ["pending", "ready", "stalled", "not-ready", "none"];

fn map(spec: &Value) -> ClusterBedrockModelMap {
    serde_json::from_value(json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "ClusterBedrockModelMap",
        "metadata": {"name": "claude", "uid": "ours"},
        "spec": spec,
    }))
    .unwrap()
}

fn spec(region: &str, rollout: &str) -> Value {
    json!({
        "namespaceSelector": {"matchLabels": {"bedrock": "yes"}},
        "rollout": rollout,
        "template": {"spec": {"regions": [region]}},
    })
}

fn desired(map: &ClusterBedrockModelMap) -> DesiredChild<'_> {
    DesiredChild::new(map, "bedrock.modelmap.dev/v1alpha1".to_owned()).unwrap()
}

fn namespace(name: &str, value: &str) -> Namespace {
    Namespace {
        name: name.to_owned(),
        labels: [("bedrock".to_owned(), value.to_owned())].into(),
        is_terminating: value == "terminating",
    }
}

fn child(map: &ClusterBedrockModelMap, namespace: &str, state: &str) -> Arc<BedrockModelMap> {
    assert!(STATES.contains(&state));
    let mut child = desired(map).create(namespace);
    child.metadata.generation = Some(2);
    let observed = if state == "pending" { 1 } else { 2 };
    let conditions = match state {
        "ready" => json!([condition("Ready", "True")]),
        "stalled" => json!([condition("Ready", "False"), condition("Stalled", "True")]),
        _ => json!([condition("Ready", "False")]),
    };
    let status = json!({"observedGeneration": observed, "conditions": conditions});
    child.status = serde_json::from_value(status).unwrap();
    Arc::new(child)
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-11-23T00:00:00Z"})
}

fn names(children: &[Arc<BedrockModelMap>]) -> Vec<&str> {
    let mut names: Vec<&str> = children
        .iter()
        .filter_map(|c| c.metadata.namespace.as_deref())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn namespaces_come_match_cease_to_match_and_terminate() {
    let map = map(&spec("us-east-1", "Guarded"));
    let mut foreign = BedrockModelMap::clone(&child(&map, "foreign", "ready"));
    foreign.metadata.owner_references = None;
    let mut deleted = BedrockModelMap::clone(&child(&map, "deleted", "ready"));
    deleted.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-11-23T00:00:00Z")).unwrap();
    let mut other_name = BedrockModelMap::clone(&child(&map, "new", "ready"));
    other_name.metadata.name = Some("other".to_owned());
    let labelled = [
        child(&map, "kept", "ready"),
        child(&map, "left", "ready"),
        child(&map, "terminating", "ready"),
        Arc::new(foreign),
        Arc::new(deleted),
        Arc::new(other_name),
    ];
    let mut terminating = namespace("terminating", "yes");
    terminating.is_terminating = true;
    let mut terminating_new = namespace("terminating-new", "yes");
    terminating_new.is_terminating = true;
    let namespaces = [
        namespace("kept", "yes"),
        namespace("left", "no"),
        namespace("deleted", "no"),
        namespace("foreign", "yes"),
        namespace("new", "yes"),
        namespace("kube-system", "yes"),
        terminating,
        terminating_new,
    ];
    let plan = plan(&map, &desired(&map), &namespaces, &labelled);
    assert_eq!(plan.create, ["new"]);
    assert_eq!(names(&plan.replace), [""; 0]);
    assert_eq!(names(&plan.delete), ["left"]);
    assert!(matches!(plan.children["foreign"], Child::Foreign));
    let matched: Vec<&str> = plan.children.keys().map(String::as_str).collect();
    assert_eq!(matched, ["foreign", "kept", "new"]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn changed_template_reaches_one_namespace_first() {
    let before = map(&spec("us-east-1", "Guarded"));
    let after = map(&spec("us-east-2", "Guarded"));
    let immediate = map(&spec("us-east-2", "Immediate"));
    let mut suspended = map(&spec("us-east-2", "Guarded"));
    suspended.spec.template.spec.suspend = true;
    let old = |namespace: &str, state: &str| (namespace.to_owned(), false, state.to_owned());
    let new = |namespace: &str, state: &str| (namespace.to_owned(), true, state.to_owned());
    let in_progress = RolloutState::InProgress;
    let halted = RolloutState::Halted {
        namespace: "a".to_owned(),
    };
    let many: Vec<_> = (10..30).map(|n| old(&format!("n{n}"), "ready")).collect();
    let many_with = |first: (String, bool, String)| [vec![first], many.clone()].concat();
    let cases = [
        (
            &after,
            vec![old("a", "ready"), old("b", "ready")],
            vec!["a"],
            in_progress.clone(),
        ),
        // One that was Ready shows what the template does.
        (
            &after,
            vec![old("a", "stalled"), old("b", "ready")],
            vec!["b"],
            in_progress.clone(),
        ),
        (
            &after,
            vec![new("a", "pending"), old("b", "ready")],
            vec![],
            in_progress.clone(),
        ),
        (
            &after,
            vec![new("a", "stalled"), old("b", "ready")],
            vec![],
            halted,
        ),
        (
            &after,
            vec![new("a", "ready"), old("b", "ready")],
            vec!["b"],
            in_progress.clone(),
        ),
        // A failure of AWS is no reason of the template.
        (
            &after,
            vec![new("a", "not-ready"), old("b", "ready")],
            vec!["b"],
            in_progress.clone(),
        ),
        // The template is good: the role is refused in one namespace only.
        (
            &after,
            vec![new("a", "stalled"), new("b", "ready"), old("c", "ready")],
            vec!["c"],
            in_progress.clone(),
        ),
        (
            &immediate,
            vec![new("a", "stalled"), old("b", "ready"), old("c", "ready")],
            vec!["b", "c"],
            in_progress.clone(),
        ),
        (
            &suspended,
            vec![old("a", "ready"), old("b", "ready")],
            vec!["a", "b"],
            in_progress.clone(),
        ),
        (
            &after,
            vec![new("a", "stalled"), new("b", "ready")],
            vec![],
            RolloutState::Complete,
        ),
        (
            &after,
            many_with(new("a", "ready")),
            (10..20)
                .map(|n| {
                    [
                        "n10", "n11", "n12", "n13", "n14", "n15", "n16", "n17", "n18", "n19",
                    ][n - 10]
                })
                .collect(),
            in_progress.clone(),
        ),
        (
            &after,
            [
                vec![new("a", "ready")],
                (0..9).map(|n| new(&format!("p{n}"), "pending")).collect(),
                many.clone(),
            ]
            .concat(),
            vec!["n10"],
            in_progress,
        ),
    ];
    for (index, (map, children, replaced, state)) in cases.into_iter().enumerate() {
        let namespaces: Vec<Namespace> = children
            .iter()
            .map(|(name, ..)| namespace(name, "yes"))
            .collect();
        let labelled: Vec<_> = children
            .iter()
            .map(|(name, is_new, state)| child(if *is_new { map } else { &before }, name, state))
            .collect();
        let plan = plan(map, &desired(map), &namespaces, &labelled);
        assert_eq!(names(&plan.replace), replaced, "case {index}");
        assert_eq!(plan.rollout, state, "case {index}");
    }
}

#[test]
fn drift_is_repaired_while_rollout_is_halted() {
    let before = map(&spec("us-east-1", "Guarded"));
    let after = map(&spec("us-east-2", "Guarded"));
    let mut drifted = BedrockModelMap::clone(&child(&after, "a", "stalled"));
    drifted.spec.suspend = true;
    let labelled = [Arc::new(drifted), child(&before, "b", "ready")];
    let namespaces = [namespace("a", "yes"), namespace("b", "yes")];
    let plan = plan(&after, &desired(&after), &namespaces, &labelled);
    assert_eq!(names(&plan.replace), ["a"]);
}

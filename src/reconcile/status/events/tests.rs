use serde_json::{Value, json};

use super::*;
use crate::api::RegionSource::{Account, Spec};

fn fresh() -> Value {
    json!({"state": "Fresh", "configMap": "c", "models": 10})
}

fn stale(code: &str) -> Value {
    json!({"state": "Stale", "configMap": "c", "models": 10, "error": failure(code)})
}

/// Not published: `Failed`, `Unsupported` or `Disabled`.
fn absent(state: &str, code: &str) -> Value {
    json!({"state": state, "error": failure(code)})
}

fn failure(code: &str) -> Value {
    json!({"code": code, "message": format!("why {code}")})
}

/// A status with regions `a`, `b` and so on.
fn status(regions: &[Value]) -> BedrockModelMapStatus {
    let names = ('a'..='z').map(String::from);
    let regions: serde_json::Map<_, _> = names.zip(regions.iter().cloned()).collect();
    let summary = json!({"regionsFresh": "1/2", "models": 10, "profiles": 4});
    let status = json!({"observedGeneration": 1, "regions": regions, "summary": summary});
    serde_json::from_value(status).unwrap()
}

fn with(status: &BedrockModelMapStatus, more: &Value) -> BedrockModelMapStatus {
    let mut value = serde_json::to_value(status).unwrap();
    for (key, more) in more.as_object().unwrap() {
        value[key] = more.clone();
    }
    serde_json::from_value(value).unwrap()
}

fn stalled_for(reason: &str) -> Value {
    json!({"conditions": [{"type": "Stalled", "status": "True", "reason": reason,
        "message": format!("why {reason}"), "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
}

fn mapping_error(code: &str) -> Value {
    json!({"mapping": {"configMap": "c-mapping", "error": failure(code)}})
}

/// Such as `Warning RegionDegraded: a: why Timeout`.
fn lines(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| format!("{:?} {}: {}", event.severity, event.reason, event.note);
    events.iter().map(line).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row for each transition")]
fn each_transition_causes_one_event() {
    let good = || status(&[fresh(), fresh()]);
    let one = |region: Value| status(&[fresh(), region]);
    let none = BedrockModelMapStatus::default;
    let refused = || with(&good(), &stalled_for("RoleNotAllowed"));
    let published =
        "Normal Published: 10 models and 4 inference profiles published, 1/2 regions fresh";
    // (case, before, after, what is lines)
    let cases: Vec<(
        &str,
        BedrockModelMapStatus,
        BedrockModelMapStatus,
        Vec<&str>,
    )> = vec![
        ("first published", none(), good(), vec![published]),
        (
            "first published, one fails",
            none(),
            one(absent("Failed", "Timeout")),
            vec![published, "Warning RegionDegraded: b: why Timeout"],
        ),
        (
            "nothing is published",
            none(),
            status(&[json!({"state": "Empty"})]),
            vec![],
        ),
        ("nothing new", good(), good(), vec![]),
        (
            "a region fails",
            good(),
            one(stale("Timeout")),
            vec!["Warning RegionDegraded: b: why Timeout"],
        ),
        (
            "it still fails",
            one(stale("Timeout")),
            one(stale("Timeout")),
            vec![],
        ),
        (
            "it fails in another way",
            one(stale("Timeout")),
            one(stale("AccessDenied")),
            vec![],
        ),
        (
            "in a way of its own",
            one(stale("Timeout")),
            one(stale("TargetConflict")),
            vec!["Warning TargetConflict: b: why TargetConflict"],
        ),
        (
            "it answers again",
            one(stale("Timeout")),
            good(),
            vec!["Normal RegionRecovered: b is up to date again"],
        ),
        (
            "or the spec no longer names it",
            one(stale("Timeout")),
            status(&[fresh()]),
            vec![],
        ),
        (
            "an answer is held",
            good(),
            one(stale("ShrinkHeld")),
            vec!["Warning ShrinkHeld: b: why ShrinkHeld"],
        ),
        (
            "and believed",
            one(stale("ShrinkHeld")),
            one(json!({"state": "Empty"})),
            vec!["Normal RegionRecovered: b is up to date again"],
        ),
        (
            "several for different reasons",
            status(&[fresh(), fresh(), fresh()]),
            status(&[
                stale("Timeout"),
                stale("PayloadTooLarge"),
                stale("Throttled"),
            ]),
            vec![
                "Warning PayloadTooLarge: b: why PayloadTooLarge",
                "Warning RegionDegraded: 2 fail (a, c); a: why Timeout",
            ],
        ),
        (
            "the merged mapping",
            good(),
            with(&good(), &mapping_error("PayloadTooLarge")),
            vec!["Warning PayloadTooLarge: the merged mapping: why PayloadTooLarge"],
        ),
        (
            "the merged mapping again",
            with(&good(), &mapping_error("WriteFailed")),
            good(),
            vec!["Normal RegionRecovered: the merged mapping is up to date again"],
        ),
        (
            "a role is not permitted",
            good(),
            refused(),
            vec!["Warning RoleNotAllowed: why RoleNotAllowed"],
        ),
        ("it still is not", refused(), refused(), vec![]),
        (
            "stalled is lines beside what it does not say",
            good(),
            with(&one(stale("AccessDenied")), &stalled_for("AccessDenied")),
            vec![
                "Warning RegionDegraded: b: why AccessDenied",
                "Warning AccessDenied: why AccessDenied",
            ],
        ),
        (
            "stalled is no news where a refresh under way has taken the condition back",
            status(&[stale("AccessDenied")]),
            with(
                &status(&[stale("AccessDenied")]),
                &stalled_for("AccessDenied"),
            ),
            vec![],
        ),
        (
            "and not beside what says the same",
            good(),
            with(
                &one(stale("TargetConflict")),
                &stalled_for("TargetConflict"),
            ),
            vec!["Warning TargetConflict: b: why TargetConflict"],
        ),
    ];
    for (case, before, after, expected) in cases {
        let events = events(&before, &after, &Changes::default(), Spec);
        assert_eq!(lines(&events), expected, "{case}");
    }
}

#[test]
fn denied_region_warns_once_for_either_source() {
    let denied = || absent("Denied", "DeniedByPolicy");
    let (before, after) = (status(&[fresh(), fresh()]), status(&[denied(), fresh()]));
    for source in [Spec, Account] {
        let lines = |a, b| lines(&events(a, b, &Changes::default(), source));
        assert_eq!(
            lines(&before, &after),
            ["Warning RegionDenied: a: why DeniedByPolicy"]
        );
        assert!(lines(&after, &after).is_empty());
        assert_eq!(
            lines(&after, &before),
            ["Normal RegionRecovered: a is up to date again"]
        );
    }
}

#[test]
fn ambiguous_name_and_unmatched_glob_warn_once() {
    let with = |names: &[&str], globs: &[&str]| {
        let mut status = status(&[fresh(), fresh()]);
        for region in status.regions.values_mut() {
            region.ambiguous_profile_names = names.iter().map(|n| (*n).to_owned()).collect();
        }
        let account = json!({"consecutiveFailures": 0, "unmatchedExcludes": globs});
        status.account_regions = serde_json::from_value(account).unwrap();
        status
    };
    let lines = |a, b| lines(&events(a, b, &Changes::default(), Account));
    let (before, after) = (with(&[], &["x"]), with(&["team\u{7}-a"], &["x", "app-*"]));
    assert_eq!(
        lines(&before, &after),
        [
            "Warning ApplicationProfileAmbiguous: several application inference profiles have the name team\u{fffd}-a in a, team\u{fffd}-a in b; of those with the fewest destination regions, the first by ARN is chosen: give each profile a name of its own",
            "Warning ExcludeRegionsUnmatched: app-* in spec.excludeRegions matches no region that is enabled for the account: check the spelling",
        ]
    );
    assert!(lines(&after, &after).is_empty());
    assert!(lines(&after, &before).is_empty());
}

#[test]
fn absent_region_warns_only_if_named_in_spec() {
    let (before, after) = (
        status(&[fresh(), fresh()]),
        status(&[
            absent("Disabled", "RegionDisabled"),
            absent("Unsupported", "NameNotResolved"),
        ]),
    );
    let lines = |source| lines(&events(&before, &after, &Changes::default(), source));
    assert_eq!(
        lines(Spec),
        ["Warning RegionDegraded: 2 fail (a, b); a: why RegionDisabled"]
    );
    assert!(lines(Account).is_empty());
}

#[test]
fn many_regions_cause_one_event_each_way() {
    let all = |region: fn() -> Value| status(&vec![region(); 26]);
    let (good, bad) = (all(fresh), all(|| stale("Timeout")));
    let none = Changes::default();
    assert_eq!(
        lines(&events(&good, &bad, &none, Spec)),
        ["Warning RegionDegraded: 26 fail (a, b, c, d, e and 21 more); a: why Timeout"]
    );
    assert_eq!(
        lines(&events(&bad, &good, &none, Spec)),
        ["Normal RegionRecovered: 26 are up to date again (a, b, c, d, e and 21 more)"]
    );
}

fn changes(items: Value) -> Changes {
    serde_json::from_value(items).unwrap()
}

#[test]
fn each_kind_of_change_causes_one_event() {
    let r = json!(["us-east-1"]);
    let (active, legacy) = (json!({"status": "ACTIVE"}), json!({"status": "LEGACY"}));
    let changes = changes(json!([
        {"change": "RegionRemoved", "regions": r},
        {"change": "ModelRemoved", "model": "m", "regions": r},
        {"change": "ModelRemoved", "model": "n", "regions": r},
        {"change": "LifecycleChanged", "model": "o", "before": active, "after": legacy, "regions": r},
        {"change": "InvokeWithChanged", "model": "o", "before": "o", "after": "us.o", "regions": r},
        {"change": "ProfileRemoved", "profile": "eu.o", "regions": r},
        {"change": "RegionAdded", "regions": r},
        {"change": "ModelAdded", "model": "q", "regions": r},
        {"change": "ProfileAdded", "profile": "us.o", "regions": r},
    ]));
    let good = status(&[fresh()]);
    let expected = [
        "Warning RegionRemoved: no model is published any more in us-east-1",
        "Warning ModelRemoved: m removed in us-east-1; n removed in us-east-1",
        "Warning ModelLifecycleChanged: o is LEGACY, was ACTIVE, in us-east-1",
        "Normal InvocationChanged: o is invoked with us.o, was o, in us-east-1",
        "Normal InferenceProfileRemoved: inference profile eu.o removed in us-east-1",
        "Normal RegionAdded: models are published in us-east-1",
        "Normal ModelAdded: q added in us-east-1",
        "Normal InferenceProfileAdded: inference profile us.o added in us-east-1",
    ];
    assert_eq!(lines(&events(&good, &good, &changes, Spec)), expected);
    // What a user's change of the spec brings is no warning.
    let new_spec = with(&status(&[fresh()]), &json!({"observedGeneration": 2}));
    let events_of_new_spec = events(&good, &new_spec, &changes, Spec);
    assert!(
        events_of_new_spec
            .iter()
            .all(|event| event.severity == Severity::Normal)
    );
    // When all is new, the first event says it.
    let first = events(&BedrockModelMapStatus::default(), &good, &changes, Spec);
    assert_eq!(first.len(), 1);
}

#[test]
fn improvements_are_normal_events() {
    let r = json!(["us-east-1"]);
    let (active, legacy) = (json!({"status": "ACTIVE"}), json!({"status": "LEGACY"}));
    let warns = |change: Value| {
        let good = status(&[fresh()]);
        events(&good, &good, &changes(json!([change])), Spec)[0].severity == Severity::Warning
    };
    assert!(!warns(
        json!({"change": "LifecycleChanged", "model": "m", "before": legacy, "after": active, "regions": r})
    ));
    assert!(warns(
        json!({"change": "InvokeWithChanged", "model": "m", "before": "m", "regions": r})
    ));
}

#[test]
fn note_is_truncated() {
    let mut bad = status(&[stale("Timeout")]);
    let error = bad.regions.get_mut("a").unwrap().error.as_mut().unwrap();
    error.message = "ä".repeat(5000);
    let none = Changes::default();
    let events = events(&status(&[fresh()]), &bad, &none, Spec);
    assert!(events[0].note.len() <= MAX_NOTE_BYTES);
    assert!(events[0].note.ends_with("ä…"));
}

#[test]
fn note_is_printable() {
    let event = Event::warning("ModelsChanged", "evil\x1b[2J\u{9b}\u{202e} is new");
    assert_eq!(event.note, "evil\u{fffd}[2J\u{fffd}\u{fffd} is new");
}

#[test]
fn contention_causes_one_event() {
    let good = status(&[fresh()]);
    let contended = |message: &str| {
        with(
            &good,
            &json!({"conditions": [{"type": "Degraded", "status": "True", "reason": "Contended",
                "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}),
        )
    };
    let (one, two) = (contended("c-a"), contended("c-a, c-b"));
    let cases = [
        (&good, &one, vec!["Warning Contended: c-a"]),
        (&one, &two, vec![]),
        (&two, &good, vec![]),
    ];
    for (before, after, expected) in cases {
        let found = events(before, after, &Changes::default(), Spec);
        assert_eq!(lines(&found), expected);
    }
}

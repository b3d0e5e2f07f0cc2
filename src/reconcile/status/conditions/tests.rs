use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;
use crate::api::ErrorCode;
use crate::api::RegionSource::{Account, Spec};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn fresh() -> Value {
    json!({"state": "Fresh", "configMap": "c", "models": 10, "profiles": 4, "associations": 6,
           "requiringProfile": 3})
}

fn empty() -> Value {
    json!({"state": "Empty"})
}

fn stale(code: &str) -> Value {
    json!({"state": "Stale", "configMap": "c", "models": 10, "profiles": 4, "associations": 6,
           "requiringProfile": 3, "consecutiveFailures": 1, "error": failure(code)})
}

/// Not published: `Failed`, `Unsupported` or `Disabled`.
fn absent(state: &str, code: &str) -> Value {
    json!({"state": state, "consecutiveFailures": 1, "error": failure(code)})
}

fn failure(code: &str) -> Value {
    json!({"code": code, "message": format!("why {code}")})
}

/// A status with regions `a`, `b` and so on.
fn status(regions: impl IntoIterator<Item = Value>) -> BedrockModelMapStatus {
    let names = ('a'..='z').map(String::from);
    let regions: serde_json::Map<_, _> = names.zip(regions).collect();
    serde_json::from_value(json!({"observedGeneration": 3, "regions": regions})).unwrap()
}

fn with_account_error(mut status: BedrockModelMapStatus, code: &str) -> BedrockModelMapStatus {
    let account = json!({"consecutiveFailures": 1, "error": failure(code)});
    status.account_regions = serde_json::from_value(account).unwrap();
    status
}

fn with_mapping_error(mut status: BedrockModelMapStatus, code: &str) -> BedrockModelMapStatus {
    let mapping = json!({"configMap": "claude-mapping", "error": failure(code)});
    status.mapping = serde_json::from_value(mapping).unwrap();
    status
}

/// Such as `Ready=True Published; Degraded=False AllRegionsAnswer`.
fn short(conditions: &[Condition]) -> String {
    let each: Vec<_> = conditions
        .iter()
        .map(|c| format!("{}={} {}", c.type_, c.status, c.reason))
        .collect();
    each.join("; ")
}

fn message<'a>(conditions: &'a [Condition], kind: &str) -> &'a str {
    let condition = conditions.iter().find(|c| c.type_ == kind);
    &condition.unwrap_or_else(|| panic!("no {kind}")).message
}

fn after(status: &BedrockModelMapStatus, source: RegionSource) -> Vec<Condition> {
    let mut status = status.clone();
    status.summary = Some(summary(&status.regions, source));
    after_refresh(&status, source, &[], Some(3), at(0))
}

const PUBLISHED: &str = "Ready=True Published; ";
const ALL_ANSWER: &str = "Degraded=False AllRegionsAnswer";
const SOME_FAIL: &str = "Degraded=True RegionsFailing";

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row for each rule")]
fn region_states_to_conditions() {
    let two_fresh_and = |other: Value| status([fresh(), other, fresh()]);
    let all = |region: fn(&str) -> Value, code: &str| status([region(code), region(code)]);
    let failed: fn(&str) -> Value = |code| absent("Failed", code);
    // (case, status, regions named by the user, conditions)
    let cases = vec![
        (
            "all fresh",
            two_fresh_and(fresh()),
            Spec,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
        (
            "some empty",
            two_fresh_and(empty()),
            Spec,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
        (
            "all empty",
            status([empty(), empty()]),
            Spec,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
        (
            "some stale",
            two_fresh_and(stale("Timeout")),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "all stale",
            all(stale, "Timeout"),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "held",
            two_fresh_and(stale("ShrinkHeld")),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "one never answered",
            two_fresh_and(absent("Failed", "Timeout")),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "none ever answered",
            all(failed, "Timeout"),
            Spec,
            format!("Ready=False Timeout; {SOME_FAIL}"),
        ),
        (
            "none ever answered, for want of a permission",
            all(failed, "AccessDenied"),
            Spec,
            format!("Ready=False AccessDenied; Stalled=True AccessDenied; {SOME_FAIL}"),
        ),
        (
            "access denied in one of three",
            two_fresh_and(absent("Failed", "AccessDenied")),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "access denied everywhere since",
            all(stale, "AccessDenied"),
            Spec,
            format!("{PUBLISHED}Stalled=True AccessDenied; {SOME_FAIL}"),
        ),
        (
            "credentials that nobody accepts, from the start",
            all(failed, "InvalidCredentials"),
            Account,
            format!("Ready=False InvalidCredentials; Stalled=True InvalidCredentials; {SOME_FAIL}"),
        ),
        (
            "credentials that nobody accepts any more",
            all(stale, "InvalidCredentials"),
            Account,
            format!("{PUBLISHED}Stalled=True InvalidCredentials; {SOME_FAIL}"),
        ),
        (
            "credentials that nobody accepts, and one region times out",
            status([
                absent("Failed", "Timeout"),
                absent("Failed", "InvalidCredentials"),
            ]),
            Spec,
            format!("Ready=False InvalidCredentials; Stalled=True InvalidCredentials; {SOME_FAIL}"),
        ),
        (
            "somebody else's ConfigMap in one region, never published",
            two_fresh_and(absent("Failed", "TargetConflict")),
            Spec,
            format!("Ready=False TargetConflict; Stalled=True TargetConflict; {SOME_FAIL}"),
        ),
        (
            "somebody else's ConfigMap in one region, published before",
            two_fresh_and(stale("TargetConflict")),
            Spec,
            format!("Ready=False TargetConflict; Stalled=True TargetConflict; {SOME_FAIL}"),
        ),
        (
            "one region too large",
            two_fresh_and(stale("PayloadTooLarge")),
            Spec,
            format!("Ready=False PayloadTooLarge; Stalled=True PayloadTooLarge; {SOME_FAIL}"),
        ),
        (
            "one region not written",
            two_fresh_and(stale("WriteFailed")),
            Spec,
            format!("Ready=False WriteFailed; {SOME_FAIL}"),
        ),
        (
            "one region not written, another one somebody else's",
            status([stale("WriteFailed"), stale("TargetConflict"), fresh()]),
            Spec,
            format!("Ready=False TargetConflict; Stalled=True TargetConflict; {SOME_FAIL}"),
        ),
        (
            "one region not written, the mapping too large",
            with_mapping_error(two_fresh_and(stale("WriteFailed")), "PayloadTooLarge"),
            Spec,
            format!("Ready=False PayloadTooLarge; Stalled=True PayloadTooLarge; {SOME_FAIL}"),
        ),
        (
            "the mapping too large",
            with_mapping_error(two_fresh_and(fresh()), "PayloadTooLarge"),
            Spec,
            format!("Ready=False PayloadTooLarge; Stalled=True PayloadTooLarge; {ALL_ANSWER}"),
        ),
        (
            "the mapping not written",
            with_mapping_error(two_fresh_and(fresh()), "WriteFailed"),
            Spec,
            format!("Ready=False WriteFailed; {ALL_ANSWER}"),
        ),
        (
            "the account does not tell its regions, known ones answer",
            with_account_error(two_fresh_and(fresh()), "AccessDenied"),
            Account,
            format!("{PUBLISHED}Stalled=True AccessDenied; {ALL_ANSWER}"),
        ),
        (
            "the account cannot be reached, known ones answer",
            with_account_error(two_fresh_and(fresh()), "Timeout"),
            Account,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
        (
            "the account does not tell its regions, none is known",
            with_account_error(status([]), "AccessDenied"),
            Account,
            format!("Ready=False AccessDenied; Stalled=True AccessDenied; {ALL_ANSWER}"),
        ),
        (
            "the account cannot be reached, none is known",
            with_account_error(status([]), "Timeout"),
            Account,
            format!("Ready=False Timeout; {ALL_ANSWER}"),
        ),
        (
            "the account cannot be reached, known ones have no model",
            with_account_error(status([empty()]), "Timeout"),
            Account,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
        (
            "the partition has no list of regions",
            with_account_error(status([]), "RegionsUnavailable"),
            Account,
            format!(
                "Ready=False RegionsUnavailable; Stalled=True RegionsUnavailable; {ALL_ANSWER}"
            ),
        ),
        (
            "the account cannot be reached, and the regions refuse",
            with_account_error(all(failed, "AccessDenied"), "Timeout"),
            Account,
            format!("Ready=False AccessDenied; Stalled=True AccessDenied; {SOME_FAIL}"),
        ),
        (
            "no endpoint, named by the user",
            two_fresh_and(absent("Unsupported", "NameNotResolved")),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "no endpoint, not named by the user",
            two_fresh_and(absent("Unsupported", "NameNotResolved")),
            Account,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
        (
            "not enabled, named by the user",
            two_fresh_and(absent("Disabled", "RegionDisabled")),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "not enabled, not named by the user",
            two_fresh_and(absent("Disabled", "RegionDisabled")),
            Account,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
        (
            "denied, named by the user",
            two_fresh_and(absent("Denied", "DeniedByPolicy")),
            Spec,
            format!("{PUBLISHED}{SOME_FAIL}"),
        ),
        (
            "denied, not named by the user",
            two_fresh_and(absent("Denied", "AccessDenied")),
            Account,
            format!("{PUBLISHED}{ALL_ANSWER}"),
        ),
    ];
    for (case, status, source, expected) in cases {
        assert_eq!(short(&after(&status, source)), expected, "{case}");
    }
}

#[test]
fn ready_counts_published_models() {
    let conditions = after(&status([fresh(), stale("Timeout")]), Spec);
    assert_eq!(
        message(&conditions, READY),
        "1/2 regions fresh, 20 models and 8 inference profiles published"
    );
}

#[test]
fn problem_names_its_subject() {
    let region = status([fresh(), stale("TargetConflict")]);
    let mapping = with_mapping_error(status([fresh()]), "PayloadTooLarge");
    let account = with_account_error(status([]), "AccessDenied");
    for (status, expected) in [
        (region, "b: why TargetConflict"),
        (mapping, "the merged mapping: why PayloadTooLarge"),
        (account, "the account's regions: why AccessDenied"),
    ] {
        let conditions = after(&status, Spec);
        assert_eq!(message(&conditions, READY), expected);
        assert_eq!(message(&conditions, STALLED), expected);
    }
}

#[test]
fn degraded_names_five_regions_and_counts_the_rest() {
    let failing = |n: usize| {
        let failing = (0..n).map(|_| stale("Timeout"));
        status(failing.chain([absent("Unsupported", "NameNotResolved"), fresh()]))
    };
    let five = "a (Stale, Timeout), b (Stale, Timeout), c (Stale, Timeout), d (Stale, Timeout), e (Stale, Timeout)";
    // (failing, message, while one more region does not exist and the spec does not name it)
    let cases = [
        (0, "every region responds".to_owned()),
        (1, "1 of 2 regions fail: a (Stale, Timeout)".to_owned()),
        (5, format!("5 of 6 regions fail: {five}")),
        (6, format!("6 of 7 regions fail: {five} and 1 more")),
        (23, format!("23 of 24 regions fail: {five} and 18 more")),
    ];
    for (n, expected) in cases {
        assert_eq!(message(&after(&failing(n), Account), DEGRADED), expected);
    }
    assert_eq!(
        message(&after(&failing(1), Spec), DEGRADED),
        "2 of 3 regions fail: a (Stale, Timeout), b (Unsupported, NameNotResolved)"
    );
}

#[test]
fn degraded_says_which_regions_are_denied_and_why() {
    let denied = || absent("Denied", "DeniedByPolicy");
    let status = status([fresh(), denied(), denied()]);
    assert_eq!(
        message(&after(&status, Account), DEGRADED),
        "every region responds; AWS denies b, c: why DeniedByPolicy"
    );
    assert_eq!(
        message(&after(&status, Spec), DEGRADED),
        "2 of 3 regions fail: b (Denied, DeniedByPolicy), c (Denied, DeniedByPolicy); AWS denies b, c: why DeniedByPolicy"
    );
}

#[test]
fn summary_totals() {
    let regions = [
        fresh(),
        empty(),
        stale("Timeout"),
        absent("Failed", "Timeout"),
        absent("Unsupported", "NameNotResolved"),
        absent("Disabled", "RegionDisabled"),
    ];
    let regions = status(regions).regions;
    let named = Summary {
        regions: 6,
        regions_fresh: "2/6".into(),
        fresh: 2,
        stale: 1,
        failed: 3,
        models: 20,
        profiles: 8,
        associations: 12,
        requiring_profile: 6,
        invocable: None,
        aliases: None,
        aliases_unresolved: None,
    };
    assert_eq!(summary(&regions, Spec), named);
    let omitted = Summary {
        regions: 4,
        regions_fresh: "2/4".into(),
        failed: 1,
        ..named
    };
    assert_eq!(summary(&regions, Account), omitted);
    let none = summary(&BTreeMap::new(), Account);
    assert_eq!((none.regions, none.regions_fresh.as_str()), (0, "0/0"));
}

#[test]
fn invocable_total_is_absent_until_every_published_region_states_it() {
    let region = |invocable: Option<i64>| json!({"state": "Fresh", "configMap": "m", "invocable": invocable});
    let total = |regions: Vec<Value>| summary(&status(regions).regions, Spec).invocable;
    let unpublished = json!({"state": "Failed"});
    let known = vec![region(Some(3)), region(Some(0)), unpublished];
    assert_eq!(total(known), Some(3));
    assert_eq!(total(vec![region(Some(3)), region(None)]), None);
}

fn times(conditions: &[Condition]) -> Vec<(&str, Time)> {
    let each = conditions.iter();
    each.map(|c| (c.type_.as_str(), c.last_transition_time.clone()))
        .collect()
}

#[test]
fn transition_time_changes_with_status_only() {
    let mut state = status([fresh(), fresh()]);
    state.conditions = after_refresh(&state, Spec, &[], Some(3), at(0));
    let time = |seconds| Time(at(seconds));
    assert_eq!(
        times(&state.conditions),
        [(READY, time(0)), (DEGRADED, time(0))]
    );

    // Another message and another generation, but no other status.
    state.summary = Some(summary(&state.regions, Spec));
    let same = after_refresh(&state, Spec, &[], Some(4), at(60));
    assert_ne!(same[0].message, state.conditions[0].message);
    assert!(same.iter().all(|c| c.observed_generation == Some(4)));
    assert_eq!(times(&same), [(READY, time(0)), (DEGRADED, time(0))]);

    state.regions = status([fresh(), stale("Timeout")]).regions;
    let degraded = after_refresh(&state, Spec, &[], Some(4), at(120));
    assert_eq!(times(&degraded), [(READY, time(0)), (DEGRADED, time(120))]);

    state.conditions = degraded;
    state.regions = status([fresh(), stale("TargetConflict")]).regions;
    let stalled = after_refresh(&state, Spec, &[], Some(4), at(180));
    assert_eq!(
        times(&stalled),
        [
            (READY, time(180)),
            (STALLED, time(180)),
            (DEGRADED, time(120))
        ]
    );

    state.conditions = stalled;
    state.regions = status([fresh(), fresh()]).regions;
    let recovered = after_refresh(&state, Spec, &[], Some(4), at(240));
    assert_eq!(
        times(&recovered),
        [(READY, time(240)), (DEGRADED, time(240))]
    );
}

#[test]
fn announced_refresh_keeps_valid_conditions() {
    let mut state = status([fresh(), stale("TargetConflict")]);
    state.conditions = after(&state, Spec);
    assert_eq!(
        short(&state.conditions),
        "Ready=False TargetConflict; Stalled=True TargetConflict; Degraded=True RegionsFailing"
    );

    let forced = while_refreshing(&state, "RefreshRequested", "m", false, Some(3), at(60));
    assert_eq!(
        short(&forced),
        "Reconciling=True RefreshRequested; Ready=False TargetConflict; Degraded=True RegionsFailing"
    );
    assert_eq!(message(&forced, RECONCILING), "m");
    let time = |seconds| Time(at(seconds));
    assert_eq!(
        times(&forced),
        [
            (RECONCILING, time(60)),
            (READY, time(0)),
            (DEGRADED, time(0))
        ]
    );

    let changed = while_refreshing(&state, "NewGeneration", "m", true, Some(4), at(60));
    assert_eq!(
        short(&changed),
        "Ready=Unknown Refreshing; Reconciling=True NewGeneration; Degraded=True RegionsFailing"
    );
    let generations: Vec<_> = changed.iter().map(|c| c.observed_generation).collect();
    assert_eq!(generations, [Some(4), Some(4), Some(3)]);

    // Cut short and announced again.
    state.conditions = changed;
    let again = while_refreshing(&state, "NewGeneration", "m", true, Some(4), at(120));
    assert_eq!(times(&again), times(&state.conditions));

    let ended = after(&state, Spec);
    assert!(!ended.iter().any(|c| c.type_ == RECONCILING));
}

#[test]
fn first_refresh_is_announced_on_empty_status() {
    let state = BedrockModelMapStatus::default();
    let conditions = while_refreshing(&state, "FirstRefresh", "m", true, Some(1), at(0));
    assert_eq!(
        short(&conditions),
        "Ready=Unknown Refreshing; Reconciling=True FirstRefresh"
    );
}

#[test]
fn refused_spec_stalls() {
    let mut state = status([fresh()]);
    let error = AttemptError::new(ErrorCode::RoleNotAllowed, "not yours");
    for region in state.regions.values_mut() {
        *region = crate::reconcile::status::region::stale(region, error.clone(), at(60));
    }
    let conditions = refused(&state, &error, RegionSource::Spec, Some(4), at(60));
    assert_eq!(
        short(&conditions),
        "Ready=False RoleNotAllowed; Stalled=True RoleNotAllowed; Degraded=True RegionsFailing"
    );
    assert_eq!(message(&conditions, READY), "not yours");
    assert_eq!(message(&conditions, STALLED), "not yours");
    assert!(conditions.iter().all(|c| c.observed_generation == Some(4)));

    let never_tried = refused(
        &BedrockModelMapStatus::default(),
        &error,
        RegionSource::Spec,
        Some(1),
        at(0),
    );
    assert_eq!(
        short(&never_tried),
        "Ready=False RoleNotAllowed; Stalled=True RoleNotAllowed; Degraded=Unknown NotAsked"
    );
}

#[test]
fn unknown_state_has_answered_only_with_config_map() {
    let paused = |config_map: &Value| json!({"state": "Paused", "configMap": config_map});
    assert!(nothing_answered(&status([paused(&Value::Null)])));
    assert!(!nothing_answered(&status([paused(&json!("c"))])));
}

#[test]
fn refusal_differs_from_other_stall_reasons() {
    let mut state = status([fresh()]);
    assert!(!was_refused(&state));
    for (code, expected) in [
        (ErrorCode::RoleNotAllowed, true),
        (ErrorCode::InvalidSpec, true),
        (ErrorCode::AccessDenied, false),
    ] {
        let error = AttemptError::new(code, "why");
        state.conditions = refused(&state, &error, RegionSource::Spec, Some(4), at(60));
        assert_eq!(was_refused(&state), expected, "{code:?}");
    }
}

#[test]
fn contended_config_maps_degrade_resource_and_name_the_writer() {
    let contended = |name: &str, writer: Option<&str>| Contention {
        config_map: name.to_owned(),
        writer: writer.map(str::to_owned),
    };
    let edited = contended("c-a", Some("kubectl-edit"));
    let deleted = contended("c-b", None);
    let good = status([fresh()]);
    let bad = status([fresh(), stale("Timeout")]);
    // (status, contended, condition, parts of its message)
    let cases = [
        (
            &good,
            vec![],
            "False AllRegionsAnswer",
            vec!["every region"],
        ),
        (
            &good,
            vec![edited.clone()],
            "True Contended",
            vec!["c-a (field manager kubectl-edit)"],
        ),
        (
            &good,
            vec![deleted.clone()],
            "True Contended",
            vec!["c-b (unknown field manager)"],
        ),
        (
            &bad,
            vec![edited, deleted],
            "True Contended",
            vec!["c-a", "c-b", "b (Stale, Timeout)"],
        ),
        (
            &bad,
            vec![],
            "True RegionsFailing",
            vec!["b (Stale, Timeout)"],
        ),
    ];
    for (status, contended, expected, parts) in cases {
        let conditions = after_refresh(status, Spec, &contended, Some(3), at(0));
        let degraded = conditions.iter().find(|c| c.type_ == DEGRADED).unwrap();
        assert_eq!(format!("{} {}", degraded.status, degraded.reason), expected);
        for part in parts {
            assert!(degraded.message.contains(part), "{}", degraded.message);
        }
    }
}

#[test]
fn contention_without_refresh_changes_condition_degraded_only() {
    let mut state = status([fresh()]);
    state.conditions = after_refresh(&state, Spec, &[], Some(3), at(0));
    let contended = [Contention {
        config_map: "c-a".to_owned(),
        writer: None,
    }];
    let before = state.conditions.clone();
    state.conditions = with_contention(&state, Spec, &contended, at(60));
    assert_eq!(
        short(&state.conditions),
        "Ready=True Published; Degraded=True Contended"
    );
    let since = &state.conditions[1].last_transition_time;
    assert_eq!(since.0, at(60));
    // A further repair changes nothing.
    assert_eq!(
        with_contention(&state, Spec, &contended, at(90)),
        state.conditions
    );
    let after = with_contention(&state, Spec, &[], at(120));
    assert_eq!(short(&after), short(&before));
}

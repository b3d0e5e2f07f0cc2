use serde_json::json;

use super::*;
use crate::api::{InferenceProfilesSpec, ModelsSpec};
use crate::bedrock::catalog::Snapshot;
use crate::bedrock::model::ModelSummary;
use crate::bedrock::policy::InvocationPolicy;
use crate::bedrock::profile::ProfileSummary;
use crate::bedrock::selection::Selection;
use PublishAction::{Keep, Publish, Remove};
use RegionState::{Denied, Disabled, Empty, Failed, Fresh, Stale, Unsupported};

const NAME: &str = "claude-us-east-1";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "as the fields of a status have it"
)]
fn time(seconds: i64) -> Option<Time> {
    Some(Time(at(seconds)))
}

/// The content of a response and its time.
type Answer = (RegionContent, Timestamp);

fn after_response(
    previous: Option<&RegionStatus>,
    (content, taken_at): &Answer,
    config_map: &str,
    query: QueryContext,
) -> (RegionStatus, PublishAction) {
    let facts = content.facts("us-east-1", &InvocationPolicy::default());
    super::after_response(previous, content, &facts, *taken_at, config_map, query)
}

/// A failed attempt on a region that the spec names.
fn failed(
    previous: Option<&RegionStatus>,
    error: AttemptError,
    peers: PeerEvidence,
    now: Timestamp,
) -> (RegionStatus, PublishAction) {
    super::failed(previous, error, peers, RegionSource::Spec, now)
}

/// A response with so many models, taken at this time.
fn answer(models: usize, taken_at: i64) -> Answer {
    answer_named("model", models, taken_at)
}

fn answer_named(name: &str, models: usize, taken_at: i64) -> Answer {
    let models = (0..models).map(|n| {
        let item = json!({"modelId": format!("{name}-{n}")});
        ModelSummary::from_response(n, item).unwrap()
    });
    let snapshot = Snapshot {
        models: models.collect(),
        profiles: Vec::new(),
        taken_at: at(taken_at),
    };
    answer_of(&snapshot)
}

fn answer_of(snapshot: &Snapshot) -> Answer {
    let everything = Selection::new(&ModelsSpec::default(), &InferenceProfilesSpec::default());
    let catalog = crate::bedrock::association::associate(snapshot, &everything);
    (
        RegionContent::from_catalog(catalog).unwrap(),
        snapshot.taken_at,
    )
}

/// A query for the spec of the first generation.
fn query(guard_shrinking: bool, at: Timestamp) -> QueryContext {
    QueryContext {
        generation: Some(1),
        guard_shrinking,
        at,
    }
}

/// Fresh since `seconds`, with so many models.
fn fresh(models: usize, seconds: i64) -> RegionStatus {
    let (status, publication) = after_response(
        None,
        &answer(models, seconds),
        NAME,
        query(false, at(seconds)),
    );
    assert_eq!((status.state, publication), (Fresh, Publish));
    status
}

fn in_state(state: RegionState) -> RegionStatus {
    match state {
        Fresh => fresh(10, -3600),
        Stale => {
            failed(
                Some(&fresh(10, -3600)),
                AttemptError::new(ErrorCode::Timeout, "t"),
                PeerEvidence::ANSWER,
                at(-60),
            )
            .0
        }
        Empty => after_response(None, &answer(0, -3600), NAME, query(false, at(-3600))).0,
        Failed => {
            failed(
                None,
                AttemptError::new(ErrorCode::Timeout, "t"),
                PeerEvidence::ANSWER,
                at(-60),
            )
            .0
        }
        Unsupported => {
            failed(
                None,
                AttemptError::new(ErrorCode::NameNotResolved, "n"),
                PeerEvidence::ANSWER,
                at(-60),
            )
            .0
        }
        Disabled => {
            failed(
                None,
                AttemptError::new(ErrorCode::RegionDisabled, "d"),
                PeerEvidence::ANSWER,
                at(-60),
            )
            .0
        }
        Denied => {
            failed(
                None,
                AttemptError::new(ErrorCode::DeniedByPolicy, "d"),
                PeerEvidence::ANSWER,
                at(-60),
            )
            .0
        }
    }
}

#[test]
fn fixtures_have_their_states() {
    for state in RegionState::ALL {
        assert_eq!(in_state(state).state, state);
    }
}

#[test]
fn response_makes_any_region_fresh_or_empty() {
    // (before, models now, state, ConfigMap)
    let cases = [
        (None, 3, Fresh, Publish),
        (Some(Fresh), 9, Fresh, Publish),
        (Some(Stale), 9, Fresh, Publish),
        (Some(Empty), 3, Fresh, Publish),
        (Some(Failed), 3, Fresh, Publish),
        (Some(Unsupported), 3, Fresh, Publish),
        (Some(Disabled), 3, Fresh, Publish),
        (Some(Denied), 3, Fresh, Publish),
        (None, 0, Empty, Remove),
        (Some(Empty), 0, Empty, Remove),
        (Some(Failed), 0, Empty, Remove),
        (Some(Unsupported), 0, Empty, Remove),
        (Some(Disabled), 0, Empty, Remove),
    ];
    for (before, models, state, publication) in cases {
        let before = before.map(in_state);
        let case = format!(
            "{:?} then {models} models",
            before.as_ref().map(|b| b.state)
        );
        let (status, done) = after_response(
            before.as_ref(),
            &answer(models, -5),
            NAME,
            query(true, at(0)),
        );
        assert_eq!((status.state, done), (state, publication), "{case}");
        assert_eq!(status.consecutive_failures, 0, "{case}");
        assert_eq!(status.error, None, "{case}");
        assert_eq!(status.stale_since, None, "{case}");
        assert_eq!(status.last_success_time, time(-5), "{case}");
        assert_eq!(status.last_attempt_time, time(0), "{case}");
        assert_eq!(status.models, i64::try_from(models).unwrap(), "{case}");
        let published = models > 0;
        assert_eq!(status.config_map.is_some(), published, "{case}");
        assert_eq!(status.sha256.is_some(), published, "{case}");
        assert_eq!(status.discovered_at.is_some(), published, "{case}");
        assert_eq!(status.bytes > 0, published, "{case}");
    }
}

#[test]
fn fresh_region_records_all_published_content() {
    let profile = |id: &str, arn: &str| {
        let item = json!({"inferenceProfileId": id, "type": "SYSTEM_DEFINED", "status": "ACTIVE",
                          "models": [{"modelArn": arn}]});
        ProfileSummary::from_response(0, item).unwrap()
    };
    let model = |id: &str, inference: &str| {
        let item = json!({"modelId": id, "inferenceTypesSupported": [inference]});
        ModelSummary::from_response(0, item).unwrap()
    };
    let snapshot = Snapshot {
        models: vec![model("a", "INFERENCE_PROFILE"), model("b", "ON_DEMAND")],
        profiles: vec![
            profile("us.a", "x/a"),
            profile("us.b", "x/b"),
            profile("global.a", "x/a"),
            profile("us.gone", "x/gone"),
        ],
        taken_at: "2026-11-23T10:11:12.987654321Z".parse().unwrap(),
    };
    let answer = answer_of(&snapshot);
    let now = "2026-11-23T10:11:14.5Z".parse().unwrap();
    let (status, _) = after_response(None, &answer, NAME, query(true, now));
    assert_eq!(
        serde_json::to_value(&status).unwrap(),
        json!({
            "state": "Fresh",
            "configMap": "claude-us-east-1",
            "sha256": answer.0.sha256,
            "bytes": answer.0.models_json.len(),
            "invocable": 2,
            "models": 2,
            "profiles": 3,
            "associations": 3,
            "requiringProfile": 1,
            "orphanProfiles": 1,
            "observedGeneration": 1,
            "discoveredAt": "2026-11-23T10:11:12Z",
            "lastSuccessTime": "2026-11-23T10:11:12Z",
            "lastAttemptTime": "2026-11-23T10:11:14Z",
            "consecutiveFailures": 0,
        })
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn failure_follows_state_table() {
    const NO_OTHER: PeerEvidence = PeerEvidence::NONE;
    const RESOLVE: PeerEvidence = PeerEvidence {
        resolve: true,
        ..PeerEvidence::NONE
    };
    use ErrorCode::{NameNotResolved, RegionDisabled, Timeout};
    // (before, error, what is known of the others, state, ConfigMap, failures in a row)
    let cases = [
        (None, Timeout, PeerEvidence::ANSWER, Failed, Remove, 1),
        (None, Timeout, NO_OTHER, Failed, Remove, 1),
        (Some(Fresh), Timeout, PeerEvidence::ANSWER, Stale, Keep, 1),
        (Some(Stale), Timeout, PeerEvidence::ANSWER, Stale, Keep, 2),
        (
            Some(Empty),
            Timeout,
            PeerEvidence::ANSWER,
            Failed,
            Remove,
            1,
        ),
        (
            Some(Failed),
            Timeout,
            PeerEvidence::ANSWER,
            Failed,
            Remove,
            2,
        ),
        (
            Some(Unsupported),
            Timeout,
            PeerEvidence::ANSWER,
            Failed,
            Remove,
            1,
        ),
        (
            Some(Disabled),
            Timeout,
            PeerEvidence::ANSWER,
            Failed,
            Remove,
            1,
        ),
        // No endpoint of that name.
        (
            None,
            NameNotResolved,
            PeerEvidence::ANSWER,
            Unsupported,
            Remove,
            0,
        ),
        (None, NameNotResolved, RESOLVE, Unsupported, Remove, 0),
        (None, NameNotResolved, NO_OTHER, Failed, Remove, 1),
        (Some(Fresh), NameNotResolved, RESOLVE, Stale, Keep, 1),
        (Some(Stale), NameNotResolved, RESOLVE, Stale, Keep, 2),
        (
            Some(Empty),
            NameNotResolved,
            RESOLVE,
            Unsupported,
            Remove,
            0,
        ),
        (
            Some(Failed),
            NameNotResolved,
            RESOLVE,
            Unsupported,
            Remove,
            0,
        ),
        (
            Some(Unsupported),
            NameNotResolved,
            RESOLVE,
            Unsupported,
            Remove,
            0,
        ),
        (
            Some(Unsupported),
            NameNotResolved,
            NO_OTHER,
            Failed,
            Remove,
            1,
        ),
        // Not enabled for the account.
        (
            None,
            RegionDisabled,
            PeerEvidence::ANSWER,
            Disabled,
            Remove,
            0,
        ),
        (None, RegionDisabled, RESOLVE, Failed, Remove, 1),
        (None, RegionDisabled, NO_OTHER, Failed, Remove, 1),
        (
            Some(Fresh),
            RegionDisabled,
            PeerEvidence::ANSWER,
            Stale,
            Keep,
            1,
        ),
        (Some(Fresh), RegionDisabled, NO_OTHER, Stale, Keep, 1),
        (
            Some(Failed),
            RegionDisabled,
            PeerEvidence::ANSWER,
            Disabled,
            Remove,
            0,
        ),
        (
            Some(Disabled),
            RegionDisabled,
            PeerEvidence::ANSWER,
            Disabled,
            Remove,
            0,
        ),
        (Some(Disabled), RegionDisabled, RESOLVE, Failed, Remove, 1),
    ];
    for (before, code, others, state, publication, failures) in cases {
        let case = format!("{before:?} then {code:?}, {others:?}");
        let before = before.map(in_state);
        let failure = AttemptError::new(code, "why");
        let (status, done) = failed(before.as_ref(), failure.clone(), others, at(0));
        assert_eq!((status.state, done), (state, publication), "{case}");
        assert_eq!(status.consecutive_failures, failures, "{case}");
        assert_eq!(status.error, Some(failure), "{case}");
        assert_eq!(status.last_attempt_time, time(0), "{case}");
        assert_eq!(status.config_map.is_some(), done == Keep, "{case}");
    }
}

#[test]
fn denial_follows_policy_and_source_of_regions() {
    use ErrorCode::{AccessDenied, DeniedByPolicy, Timeout};
    use RegionSource::{Account, Spec};
    const NO_OTHER: PeerEvidence = PeerEvidence::NONE;
    const DENIED_TOO: PeerEvidence = PeerEvidence {
        grant_actions: false,
        ..PeerEvidence::ANSWER
    };
    const GRANTED: PeerEvidence = PeerEvidence::ANSWER;
    // (before, error, what is known of the others, source of the regions, state, ConfigMap, failures)
    let cases = [
        (None, DeniedByPolicy, GRANTED, Account, Denied, Remove, 0),
        (None, DeniedByPolicy, GRANTED, Spec, Denied, Remove, 0),
        (None, DeniedByPolicy, NO_OTHER, Spec, Denied, Remove, 0),
        (None, AccessDenied, GRANTED, Account, Denied, Remove, 0),
        (None, AccessDenied, GRANTED, Spec, Failed, Remove, 1),
        // Every region denies: not a matter of regions.
        (None, DeniedByPolicy, DENIED_TOO, Account, Failed, Remove, 1),
        (None, AccessDenied, DENIED_TOO, Account, Failed, Remove, 1),
        (
            Some(Fresh),
            DeniedByPolicy,
            DENIED_TOO,
            Account,
            Stale,
            Keep,
            1,
        ),
        // The last good data stays.
        (
            Some(Fresh),
            DeniedByPolicy,
            GRANTED,
            Account,
            Denied,
            Keep,
            0,
        ),
        (Some(Fresh), DeniedByPolicy, NO_OTHER, Spec, Denied, Keep, 0),
        (Some(Stale), AccessDenied, GRANTED, Account, Denied, Keep, 0),
        (Some(Stale), AccessDenied, GRANTED, Spec, Stale, Keep, 2),
        // Another failure of a Denied region.
        (Some(Denied), Timeout, GRANTED, Account, Failed, Remove, 1),
        (
            Some(Denied),
            DeniedByPolicy,
            GRANTED,
            Account,
            Denied,
            Remove,
            0,
        ),
        (
            Some(Failed),
            AccessDenied,
            GRANTED,
            Account,
            Denied,
            Remove,
            0,
        ),
    ];
    for (before, code, others, source, state, publication, failures) in cases {
        let case = format!("{before:?} then {code:?}, {others:?}, {source:?}");
        let before = before.map(in_state);
        let failure = AttemptError::new(code, "why");
        let (status, done) = super::failed(before.as_ref(), failure.clone(), others, source, at(0));
        assert_eq!((status.state, done), (state, publication), "{case}");
        assert_eq!(status.consecutive_failures, failures, "{case}");
        let error = status.error.unwrap();
        let says_exclude = error.message.ends_with("exclude the region");
        assert_eq!(
            says_exclude,
            code == AccessDenied && state == Denied,
            "{case}"
        );
        assert_eq!(error.code, code, "{case}");
        assert!(error.message.starts_with("why"), "{case}");
        assert_eq!(status.stale_since.is_some(), done == Keep, "{case}");
        assert_eq!(status.config_map.is_some(), done == Keep, "{case}");
    }
}

#[test]
fn stale_region_keeps_content_and_time_of_first_failure() {
    let mut before = fresh(10, -3600);
    before.mapping = Some(BTreeMapOfIds::from([("m".into(), vec!["p".into()])]));
    let fail = |before: &RegionStatus, seconds| {
        let failure = AttemptError::new(ErrorCode::Throttled, "slow down");
        failed(Some(before), failure, PeerEvidence::ANSWER, at(seconds)).0
    };
    let once = fail(&before, 0);
    let twice = fail(&once, 30);
    let thrice = fail(&twice, 90);
    let expected = RegionStatus {
        state: Stale,
        stale_since: time(0),
        last_attempt_time: time(90),
        consecutive_failures: 3,
        error: Some(AttemptError::new(ErrorCode::Throttled, "slow down")),
        ..before
    };
    assert_eq!(thrice, expected);
}

type BTreeMapOfIds = std::collections::BTreeMap<String, Vec<String>>;

#[test]
fn unpublished_region_records_no_content() {
    let failure = AttemptError {
        retry_after_seconds: Some(7),
        ..AttemptError::new(ErrorCode::Throttled, "slow down")
    };
    let (status, _) = failed(
        Some(&in_state(Failed)),
        failure,
        PeerEvidence::ANSWER,
        at(0),
    );
    assert_eq!(
        serde_json::to_value(&status).unwrap(),
        json!({
            "state": "Failed", "bytes": 0, "models": 0, "profiles": 0, "associations": 0,
            "requiringProfile": 0, "orphanProfiles": 0, "consecutiveFailures": 2,
            "lastAttemptTime": at(0).to_string(),
            "error": {"code": "Throttled", "message": "slow down", "retryAfterSeconds": 7},
        })
    );
}

#[test]
fn recovery_clears_the_failure() {
    let stale = in_state(Stale);
    assert!(stale.stale_since.is_some());
    let (status, publication) =
        after_response(Some(&stale), &answer(10, 0), NAME, query(true, at(0)));
    assert_eq!(publication, Publish);
    let never_failed = RegionStatus {
        discovered_at: time(-3600),
        ..fresh(10, 0)
    };
    assert_eq!(status, never_failed);
}

#[test]
fn failure_count_saturates() {
    // (failures before, failures now)
    for (before, now) in [(0, 1), (41, 42), (i64::MAX, i64::MAX), (-5, 1)] {
        for state in [Stale, Failed] {
            let before = RegionStatus {
                consecutive_failures: before,
                ..in_state(state)
            };
            let failure = AttemptError::new(ErrorCode::Timeout, "t");
            let (status, _) = failed(Some(&before), failure, PeerEvidence::ANSWER, at(0));
            assert_eq!(status.consecutive_failures, now, "{state:?}");
        }
    }
}

#[test]
fn sudden_loss_of_models_is_held() {
    // (case, models before, models now, held)
    let cases = [
        ("to none", 10, 0, true),
        ("of a single model", 1, 0, true),
        ("to less than half", 10, 4, true),
        ("to half", 10, 5, false),
        ("to half of an odd number, rounded down", 9, 4, true),
        ("to half of an odd number, rounded up", 9, 5, false),
        ("of some", 10, 9, false),
        ("none at all", 10, 10, false),
        ("the contrary", 10, 30, false),
    ];
    for (case, before, now, held) in cases {
        let previous = fresh(before, -3600);
        let (status, publication) =
            after_response(Some(&previous), &answer(now, 0), NAME, query(true, at(0)));
        if !held {
            assert_ne!(publication, Keep, "{case}");
            assert_eq!(status.error, None, "{case}");
            continue;
        }
        assert_eq!((status.state, publication), (Stale, Keep), "{case}");
        assert_eq!(status.models, previous.models, "{case}");
        assert_eq!(status.sha256, previous.sha256, "{case}");
        assert_eq!(status.last_success_time, time(-3600), "{case}");
        assert_eq!(status.stale_since, time(0), "{case}");
        let error = status.error.unwrap();
        assert_eq!(error.code, ErrorCode::ShrinkHeld, "{case}");
        let counts = format!("the region returned {now} models, previously {before};");
        assert!(
            error.message.starts_with(&counts),
            "{case}: {}",
            error.message
        );
    }
}

#[test]
fn held_response_is_published_after_confirmation() {
    let previous = fresh(10, -3600);
    for models in [0, 3] {
        let (held, _) = after_response(
            Some(&previous),
            &answer(models, 0),
            NAME,
            query(true, at(0)),
        );
        let (taken, publication) =
            after_response(Some(&held), &answer(models, 30), NAME, query(true, at(30)));
        let expected = if models == 0 {
            (Empty, Remove)
        } else {
            (Fresh, Publish)
        };
        assert_eq!((taken.state, publication), expected);
        assert_eq!(taken.error, None);
        assert_eq!(taken.stale_since, None);
    }
}

#[test]
fn held_response_is_dropped_if_models_return() {
    let previous = fresh(10, -3600);
    let (held, _) = after_response(Some(&previous), &answer(3, 0), NAME, query(true, at(0)));
    let (whole, publication) =
        after_response(Some(&held), &answer(10, 30), NAME, query(true, at(30)));
    assert_eq!((whole.state, publication), (Fresh, Publish));
    assert_eq!(whole.sha256, previous.sha256);
    assert_eq!(whole.discovered_at, time(-3600));
}

#[test]
fn other_shrunk_response_does_not_confirm() {
    let previous = fresh(10, -3600);
    let (held, _) = after_response(Some(&previous), &answer(3, 0), NAME, query(true, at(0)));
    let other = |models| after_response(Some(&held), &models, NAME, query(true, at(30)));
    let (again, publication) = other(answer(2, 30));
    assert_eq!((again.state, publication), (Stale, Keep));
    assert_eq!(again.consecutive_failures, 2);
    // As many as were held, but not the same.
    assert_eq!(other(answer_named("other", 3, 30)).1, Keep);
    let (taken, publication) =
        after_response(Some(&again), &answer(2, 90), NAME, query(true, at(90)));
    assert_eq!((taken.state, publication), (Fresh, Publish));
    assert_eq!(taken.held_answer, None);
}

#[test]
fn failure_neither_confirms_nor_drops_held_response() {
    let (held, _) = after_response(
        Some(&fresh(10, -3600)),
        &answer(3, 0),
        NAME,
        query(true, at(0)),
    );
    let failure = AttemptError::new(ErrorCode::Timeout, "t");
    let (failing, publication) = failed(Some(&held), failure, PeerEvidence::ANSWER, at(30));
    assert_eq!((failing.state, publication), (Stale, Keep));
    assert_eq!(failing.stale_since, time(0));
    let (taken, publication) =
        after_response(Some(&failing), &answer(3, 90), NAME, query(true, at(90)));
    assert_eq!((taken.state, publication), (Fresh, Publish));
}

#[test]
fn response_to_changed_spec_is_not_held() {
    let previous = fresh(10, -3600);
    let failure = AttemptError::new(ErrorCode::Timeout, "t");
    let (failing, _) = failed(Some(&previous), failure, PeerEvidence::ANSWER, at(0));
    let second_generation = QueryContext {
        generation: Some(2),
        ..query(true, at(30))
    };
    let (narrowed, publication) =
        after_response(Some(&failing), &answer(3, 30), NAME, second_generation);
    assert_eq!((narrowed.state, publication), (Fresh, Publish));
    assert_eq!(narrowed.observed_generation, Some(2));
}

#[test]
fn found_content_is_recorded_like_a_response() {
    let answer = answer(10, -3600);
    let described = fresh(10, -3600);
    let since = described.discovered_at.as_ref().map(|time| time.0);
    let found = from_published(NAME, &answer.0, since);
    let expected = RegionStatus {
        state: Stale,
        // The status does not say when it was confirmed, and for which spec.
        observed_generation: None,
        last_success_time: None,
        last_attempt_time: None,
        invocable: None,
        not_invocable: BTreeMap::new(),
        ..described
    };
    assert_eq!(found, expected);
}

#[test]
fn models_with_and_without_id_are_counted_by_reason() {
    let model = |n: &str, types: serde_json::Value| {
        let item = json!({"modelId": n, "inferenceTypesSupported": types});
        ModelSummary::from_response(0, item).unwrap()
    };
    let (content, _) = answer_of(&Snapshot {
        models: vec![
            model("a", json!(["ON_DEMAND"])),
            model("b", json!(["PROVISIONED"])),
            model("c", json!(["PROVISIONED"])),
            model("d", json!([])),
        ],
        profiles: Vec::new(),
        taken_at: at(0),
    });
    let mut status = RegionStatus {
        not_invocable: BTreeMap::from([("Legacy".to_owned(), 9)]),
        ..fresh(4, 0)
    };
    record_invocation(
        &mut status,
        &content.facts("us-east-1", &InvocationPolicy::default()),
    );
    assert_eq!(status.invocable, Some(1));
    let reasons = [("NoRoute", 1), ("ProvisionedOnly", 2)];
    assert_eq!(
        status.not_invocable,
        BTreeMap::from(reasons.map(|(reason, models)| (reason.to_owned(), models)))
    );
}

#[test]
fn guard_covers_stale_and_skips_unpublished_regions() {
    let shrunk = |before| {
        after_response(
            Some(&in_state(before)),
            &answer(1, 0),
            NAME,
            query(true, at(0)),
        )
        .1
    };
    assert_eq!(shrunk(Stale), Keep);
    for state in [Empty, Failed, Unsupported, Disabled, Denied] {
        assert_eq!(shrunk(state), Publish, "{state:?}");
    }
}

#[test]
fn nothing_is_held_without_guard() {
    let previous = fresh(10, -3600);
    for (models, expected) in [(0, (Empty, Remove)), (1, (Fresh, Publish))] {
        let (status, publication) = after_response(
            Some(&previous),
            &answer(models, 0),
            NAME,
            query(false, at(0)),
        );
        assert_eq!((status.state, publication), expected);
    }
}

#[test]
fn discovery_time_follows_content() {
    let before = fresh(10, -3600);
    let discovered = |previous: &RegionStatus, answer: &Answer| {
        let (status, _) = after_response(Some(previous), answer, NAME, query(false, at(60)));
        status.discovered_at
    };
    assert_eq!(discovered(&before, &answer(10, 50)), time(-3600), "same");
    assert_eq!(
        discovered(&before, &answer_named("other", 10, 50)),
        time(50),
        "as many, but others"
    );
    assert_eq!(discovered(&before, &answer(11, 50)), time(50), "one more");
    let failure = AttemptError::new(ErrorCode::Timeout, "t");
    let (stale, _) = failed(Some(&before), failure, PeerEvidence::ANSWER, at(0));
    assert_eq!(
        discovered(&stale, &answer(10, 50)),
        time(-3600),
        "same after a failure"
    );
    let (empty, _) = after_response(Some(&before), &answer(0, 0), NAME, query(false, at(0)));
    assert_eq!(
        discovered(&empty, &answer(10, 50)),
        time(50),
        "same after it was gone"
    );
    let undated = RegionStatus {
        discovered_at: None,
        ..before
    };
    assert_eq!(
        discovered(&undated, &answer(10, 50)),
        time(50),
        "same, without a date"
    );
}

#[test]
fn shared_snapshot_keeps_its_own_time() {
    let (status, _) = after_response(None, &answer(3, -100), NAME, query(false, at(0)));
    assert_eq!(status.last_success_time, time(-100));
    assert_eq!(status.discovered_at, time(-100));
    assert_eq!(status.last_attempt_time, time(0));
}

#[test]
fn disabled_region_differs_from_invalid_credentials() {
    let disabled = AttemptError {
        retry_after_seconds: Some(3),
        ..AttemptError::new(ErrorCode::RegionDisabled, "not enabled")
    };
    assert_eq!(
        disabled_or_invalid_credentials(disabled.clone(), PeerEvidence::ANSWER),
        disabled
    );
    let resolving = PeerEvidence {
        resolve: true,
        ..PeerEvidence::NONE
    };
    for others in [PeerEvidence::NONE, resolving] {
        let invalid = disabled_or_invalid_credentials(disabled.clone(), others);
        assert_eq!(invalid.code, ErrorCode::InvalidCredentials);
        assert_eq!(
            invalid.message,
            "no region accepts the credentials: check the operator's AWS identity (not enabled)"
        );
        assert_eq!(invalid.retry_after_seconds, Some(3));
    }
    let other = AttemptError::new(ErrorCode::AccessDenied, "no");
    assert_eq!(
        disabled_or_invalid_credentials(other.clone(), PeerEvidence::NONE),
        other
    );
}

#[test]
fn times_are_truncated_to_seconds() {
    for (time, expected) in [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00.000000001Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00.999999999Z", "2026-11-23T10:00:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(to_k8s_time(time.parse().unwrap()).0.to_string(), expected);
    }
}

/// A response with ten models; the first `with_profile` of them have one profile each.
fn answer_with_profiles(with_profile: usize, taken_at: i64) -> Answer {
    let models = (0..10)
        .map(|n| ModelSummary::from_response(n, json!({"modelId": format!("model-{n}")})).unwrap());
    let profiles = (0..with_profile).map(|n| {
        let arn = format!("arn:aws:bedrock:us-east-1::foundation-model/model-{n}");
        let profile = json!({
            "inferenceProfileId": format!("us.model-{n}"),
            "type": "SYSTEM_DEFINED",
            "status": "ACTIVE",
            "models": [{"modelArn": arn}],
        });
        ProfileSummary::from_response(n, profile).unwrap()
    });
    answer_of(&Snapshot {
        models: models.collect(),
        profiles: profiles.collect(),
        taken_at: at(taken_at),
    })
}

#[test]
fn sudden_loss_of_profiles_or_usable_ids_is_held() {
    // (profiles before, now, held)
    for (before, now, held) in [(10, 0, true), (10, 4, true), (10, 5, false), (0, 10, false)] {
        let first = answer_with_profiles(before, -3600);
        let (previous, _) = after_response(None, &first, NAME, query(true, at(-3600)));
        let response = answer_with_profiles(now, 0);
        let (status, action) = after_response(Some(&previous), &response, NAME, query(true, at(0)));
        assert_eq!(action == Keep, held, "{before} {now}");
        if held {
            let message = status.error.as_ref().unwrap().message.clone();
            let loss =
                format!("the region returned {now} inference profiles, previously {before};");
            assert!(message.starts_with(&loss), "{message}");
            let again = answer_with_profiles(now, 30);
            let confirmed = after_response(Some(&status), &again, NAME, query(true, at(30)));
            assert_eq!(confirmed.1, Publish);
        }
    }
    // As many profiles, of which most are not usable any more.
    let usable = RegionStatus {
        invocable: Some(10),
        profiles: 4,
        ..fresh(10, -3600)
    };
    let response = answer_with_profiles(4, 0);
    let (status, action) = after_response(Some(&usable), &response, NAME, query(true, at(0)));
    assert_eq!(action, Keep);
    let loss = "the region returned 4 models with an ID to pass, previously 10;";
    assert!(status.error.unwrap().message.starts_with(loss));
}

#[test]
fn spec_takes_effect_with_the_first_region_or_with_nothing_to_publish() {
    let of = |state, generation| RegionStatus {
        observed_generation: Some(generation),
        config_map: matches!(state, Fresh | Stale).then(|| NAME.to_owned()),
        ..in_state(state)
    };
    let held = nothing_selected(&of(Fresh, 1), at(0));
    // (case, regions after the refresh, taken effect)
    let cases = [
        ("no region", vec![], true),
        ("one is published", vec![of(Failed, 0), of(Fresh, 2)], true),
        ("one was published", vec![of(Failed, 0), of(Stale, 2)], true),
        ("all fail", vec![of(Failed, 0), of(Stale, 1)], false),
        ("one fails", vec![of(Failed, 0), of(Empty, 2)], false),
        ("all are empty", vec![of(Empty, 2), of(Empty, 2)], true),
        (
            "the last one is empty, too",
            vec![held.clone(), of(Empty, 2)],
            true,
        ),
        ("one is held, one fails", vec![held, of(Failed, 0)], false),
        ("empty or absent", vec![of(Empty, 2), of(Disabled, 0)], true),
        ("no region has that name", vec![of(Unsupported, 0)], false),
    ];
    let named = |regions: Vec<RegionStatus>| -> BTreeMap<String, RegionStatus> {
        let names = ["a", "b"].map(str::to_owned);
        names.into_iter().zip(regions).collect()
    };
    let before = named(vec![of(Fresh, 1)]);
    for (case, after, expected) in cases {
        let after = named(after);
        assert_eq!(
            has_taken_effect(Some(2), &before, &after),
            expected,
            "{case}"
        );
    }
    assert!(has_taken_effect(
        Some(1),
        &before,
        &named(vec![of(Empty, 1)])
    ));
}

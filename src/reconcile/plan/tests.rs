use std::sync::LazyLock;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A schedule of an hour whose spread moves next to nothing: less than two seconds.
static SCHEDULE: LazyLock<RefreshSchedule> = LazyLock::new(|| {
    let schedules = (0..1_000).map(|n| RefreshSchedule::new(HOUR, &format!("uid-{n}")));
    let moved = |schedule: &RefreshSchedule| {
        let due = BackoffState::on_region(&region("Fresh", 0, 0)).due_at(schedule, at(0));
        due.duration_since(at(3600)).abs()
    };
    schedules.min_by_key(moved).unwrap()
});

fn region(state: &str, last_attempt: i64, failures: i64) -> RegionStatus {
    let code = match state {
        "Denied" => Some("DeniedByPolicy"),
        _ => (failures > 0).then_some("Timeout"),
    };
    let error = code.map(|code| json!({"code": code, "message": "t"}));
    let status = json!({
        "state": state,
        "configMap": "c",
        "lastAttemptTime": at(last_attempt).to_string(),
        "consecutiveFailures": failures,
        "error": error,
    });
    serde_json::from_value(status).unwrap()
}

/// Start of a case: regions `a` and `b`, named, both queried ten minutes ago.
#[derive(Clone)]
struct Case {
    generation: i64,
    named: Option<Vec<String>>,
    requested_at: Option<&'static str>,
    known_since: Timestamp,
    forced_refresh_from: Timestamp,
    status: BedrockModelMapStatus,
    unrecoverable: BTreeSet<String>,
    mapping_unrecoverable: bool,
    now: Timestamp,
}

impl Case {
    fn settled() -> Self {
        let status = json!({
            "observedGeneration": 3,
            "lastHandledRefreshRequest": "old",
            "regions": {"a": region("Fresh", -600, 0), "b": region("Fresh", -600, 0)},
        });
        Self {
            generation: 3,
            named: Some(names(&["a", "b"])),
            requested_at: Some("old"),
            known_since: at(0),
            forced_refresh_from: at(0),
            status: serde_json::from_value(status).unwrap(),
            unrecoverable: BTreeSet::new(),
            mapping_unrecoverable: false,
            now: at(0),
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::settled();
        change(&mut case);
        case
    }

    /// The regions come from the account, which was queried at this time and responded or not.
    fn of_account(queried_at: i64, failures: i64) -> Self {
        let account = json!({
            "lastAttemptTime": at(queried_at).to_string(),
            "consecutiveFailures": failures,
        });
        Self::with(|case| {
            case.named = None;
            case.status.account_regions = serde_json::from_value(account).unwrap();
        })
    }

    fn inputs(&self) -> PlanInput<'_> {
        PlanInput {
            generation: Some(self.generation),
            named_regions: self.named.as_deref(),
            request: self.requested_at.map(|token| RefreshRequest {
                token,
                known_since: self.known_since,
            }),
            forced_refresh_from: self.forced_refresh_from,
            status: &self.status,
            unrecoverable: &self.unrecoverable,
            mapping_unrecoverable: self.mapping_unrecoverable,
            schedule: *SCHEDULE,
            now: self.now,
        }
    }

    fn plan(&self) -> Plan {
        plan(&self.inputs())
    }

    /// The plan in short, such as `Due a b`; the time of a wait in whole seconds from now.
    fn short(&self) -> String {
        match self.plan() {
            Plan::Wait { until } => {
                let wait = until.duration_since(self.now);
                format!("Wait {}", wait.as_millis().div_euclid(1000) + 1)
            }
            Plan::Refresh(refresh) => {
                let known = self.named.clone();
                let known = known.unwrap_or_else(|| self.status.regions.keys().cloned().collect());
                let queried = regions_to_query(&refresh, &self.inputs(), &known);
                let mut short = vec![refresh.reason.as_str()];
                short.extend(refresh.list_account_regions.then_some("account"));
                short.extend(queried);
                short.join(" ")
            }
        }
    }

    fn set(&mut self, name: &str, status: RegionStatus) {
        self.status.regions.insert(name.to_owned(), status);
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn assert_waits_about(case: &str, short: &str, seconds: i64) {
    let waited = short.strip_prefix("Wait ").and_then(|s| s.parse().ok());
    let waited: i64 = waited.unwrap_or_else(|| panic!("{case}: {short}"));
    assert!(
        (waited - seconds).abs() <= 2,
        "{case}: {short}, not {seconds}"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row for each rule")]
fn refresh_reason_and_queried_regions() {
    let new = Case::with(|c| c.status = BedrockModelMapStatus::default());
    let new_of_account = Case::with(|c| {
        c.status = BedrockModelMapStatus::default();
        c.named = None;
    });
    let cases = vec![
        ("created", new.clone(), "First a b"),
        (
            "created, regions of the account",
            new_of_account,
            "First account",
        ),
        (
            "created with a token: all regions are queried anyway",
            Case::with(|c| {
                c.status = BedrockModelMapStatus::default();
                c.requested_at = Some("new");
            }),
            "First a b",
        ),
        (
            "the first refresh was cut short",
            Case::with(|c| c.status.observed_generation = None),
            "First a b",
        ),
        (
            "the spec changed",
            Case::with(|c| c.generation = 4),
            "NewGeneration a b",
        ),
        (
            "the spec changed, regions of the account",
            Case {
                generation: 4,
                ..Case::of_account(-600, 0)
            },
            "NewGeneration account a b",
        ),
        (
            "the spec changed while a region is backing off",
            Case::with(|c| {
                c.generation = 4;
                c.set("b", region("Stale", -1, 3));
            }),
            "NewGeneration a b",
        ),
        (
            "the resource was restored from a backup: an older generation",
            Case::with(|c| c.generation = 1),
            "NewGeneration a b",
        ),
        (
            "the interval has passed",
            Case::with(|c| c.now = at(3002)),
            "Due a b",
        ),
        (
            "the interval has passed for one, nearly for the other",
            Case::with(|c| {
                c.set("a", region("Fresh", -3602, 0));
                c.set("b", region("Fresh", -3421, 0));
            }),
            "Due a b",
        ),
        (
            "the interval has passed for one, not nearly for the other",
            Case::with(|c| {
                c.set("a", region("Fresh", -3602, 0));
                c.set("b", region("Fresh", -3419, 0));
            }),
            "Due a",
        ),
        (
            "the merged mapping is gone and cannot be restored: no region is queried",
            Case::with(|c| c.mapping_unrecoverable = true),
            "Due",
        ),
        (
            "a new token",
            Case::with(|c| c.requested_at = Some("new")),
            "Requested a b",
        ),
        (
            "a first token",
            Case::with(|c| {
                c.requested_at = Some("new");
                c.status.last_handled_refresh_request = None;
            }),
            "Requested a b",
        ),
        (
            "a new token asks the regions that back off as well",
            Case::with(|c| {
                c.requested_at = Some("new");
                c.set("b", region("Failed", -1, 9));
            }),
            "Requested a b",
        ),
        (
            "a new token, regions of the account",
            Case {
                requested_at: Some("new"),
                ..Case::of_account(-600, 0)
            },
            "Requested account a b",
        ),
        (
            "a new token on a new spec: the spec first",
            Case::with(|c| {
                c.generation = 4;
                c.requested_at = Some("new");
            }),
            "NewGeneration a b",
        ),
        (
            "the account's list is due",
            Case::of_account(-3602, 0),
            "Due account",
        ),
        (
            "the account's list and the regions are due",
            Case {
                now: at(3002),
                ..Case::of_account(-600, 0)
            },
            "Due account a b",
        ),
        (
            "the account was never queried: the spec no longer names regions, at the same generation",
            Case::with(|c| c.named = None),
            "Due account",
        ),
        (
            "the account failed, and half a minute has passed",
            Case::of_account(-32, 1),
            "Due account",
        ),
        (
            "a region is due, the account is backing off",
            Case {
                now: at(3002),
                ..Case::of_account(2990, 1)
            },
            "Due a b",
        ),
        (
            "a region's content is lost",
            Case::with(|c| c.unrecoverable = BTreeSet::from(["b".to_owned()])),
            "Due b",
        ),
        (
            "a failed region alone, once its wait is over",
            Case::with(|c| c.set("b", region("Stale", -32, 1))),
            "Due b",
        ),
        (
            "a region that never answered alone, once its wait is over",
            Case::with(|c| c.set("b", region("Failed", -65, 2))),
            "Due b",
        ),
        (
            "a region is new in the list",
            Case::with(|c| c.named = Some(names(&["a", "b", "c"]))),
            "Due c",
        ),
        (
            "the clock was set back by a day",
            Case::with(|c| c.now = at(-86_400)),
            "Due a b",
        ),
        (
            "the clock was set back by a day, regions of the account",
            Case {
                now: at(-86_400),
                ..Case::of_account(-600, 0)
            },
            "Due account a b",
        ),
        (
            "the clock was set forward by a year",
            Case::with(|c| c.now = at(31_536_000)),
            "Due a b",
        ),
        (
            "the merged mapping is not published: no region is queried",
            Case::with(|c| {
                c.status.mapping = Some(crate::api::MappingStatus {
                    error: region("Stale", 0, 1).error,
                    ..Default::default()
                });
            }),
            "Due",
        ),
        (
            "a region was never queried, as the status says",
            Case::with(|c| {
                let mut status = region("Fresh", 0, 0);
                status.last_attempt_time = None;
                c.set("b", status);
            }),
            "Due b",
        ),
    ];
    for (name, case, expected) in cases {
        assert_eq!(case.short(), expected, "{name}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row for each rule")]
fn due_times() {
    let cases = vec![
        (
            "nothing is due; a restart asks nobody",
            Case::settled(),
            3000,
        ),
        (
            "the same, regions of the account",
            Case::of_account(-600, 0),
            3000,
        ),
        (
            "the token was handled",
            Case::with(|c| c.requested_at = Some("old")),
            3000,
        ),
        (
            "the token was taken away",
            Case::with(|c| c.requested_at = None),
            3000,
        ),
        (
            "the token is empty",
            Case::with(|c| c.requested_at = Some("")),
            3000,
        ),
        (
            "the earliest region counts",
            Case::with(|c| c.set("b", region("Fresh", -3000, 0))),
            600,
        ),
        (
            "a failing region is waited for alone",
            Case::with(|c| c.set("b", region("Stale", -10, 1))),
            20,
        ),
        (
            "it backs off",
            Case::with(|c| c.set("b", region("Stale", -10, 4))),
            230,
        ),
        (
            "up to the interval",
            Case::with(|c| c.set("b", region("Stale", -10, 40))),
            3000,
        ),
        (
            "lost content of a failing region waits for the region",
            Case::with(|c| {
                c.set("b", region("Stale", -10, 1));
                c.unrecoverable = BTreeSet::from(["b".to_owned()]);
            }),
            20,
        ),
        (
            "lost content of a denied region waits for the region",
            Case::with(|c| {
                c.set("b", region("Denied", -10, 0));
                c.unrecoverable = BTreeSet::from(["b".to_owned()]);
            }),
            3000,
        ),
        (
            "lost content of a region that the spec no longer names",
            Case::with(|c| {
                c.named = Some(names(&["a"]));
                c.unrecoverable = BTreeSet::from(["b".to_owned()]);
            }),
            3000,
        ),
        (
            "a region that is no longer named does not count",
            Case::with(|c| {
                c.named = Some(names(&["a"]));
                c.set("b", region("Stale", -86_400, 1));
            }),
            3000,
        ),
        (
            "a region that does not exist is queried at the interval",
            Case::with(|c| c.set("b", region("Unsupported", -600, 0))),
            3000,
        ),
        ("the account is backing off", Case::of_account(-10, 1), 20),
        (
            "the account is queried earlier than the regions",
            Case::of_account(-3000, 0),
            600,
        ),
        (
            "the account has no regions",
            Case {
                status: BedrockModelMapStatus {
                    regions: BTreeMap::new(),
                    ..Case::of_account(-600, 0).status
                },
                ..Case::of_account(-600, 0)
            },
            3000,
        ),
        (
            "nothing is published: one interval",
            Case::with(|c| c.named = Some(Vec::new())),
            3780,
        ),
    ];
    for (name, case, seconds) in cases {
        assert_waits_about(name, &case.short(), seconds);
    }
}

#[test]
fn retry_after_is_honoured_up_to_interval() {
    for (retry_after, seconds) in [(5, 20), (300, 290), (1_000_000, 3590), (-1, 20)] {
        let case = Case::with(|c| {
            c.set("a", region("Fresh", 0, 0));
            let mut status = region("Stale", -10, 1);
            status.error.as_mut().unwrap().retry_after_seconds = Some(retry_after);
            c.set("b", status);
        });
        assert_waits_about(&format!("{retry_after}"), &case.short(), seconds);
    }
}

#[test]
fn failed_publication_is_retried_every_minute() {
    for (code, seconds) in [
        (ErrorCode::TargetConflict, 50),
        (ErrorCode::PayloadTooLarge, 50),
        (ErrorCode::WriteFailed, 50),
        (ErrorCode::WriteConflict, 50),
        (ErrorCode::Timeout, 3590),
    ] {
        let case = Case::with(|c| {
            c.set("a", region("Fresh", 0, 0));
            let mut status = region("Stale", -10, 9);
            status.error.as_mut().unwrap().code = code;
            c.set("b", status);
        });
        assert_waits_about(code.as_str(), &case.short(), seconds);
    }
}

#[test]
fn due_refresh_skips_regions_in_backoff() {
    let case = Case::with(|c| {
        c.now = at(3002);
        c.set("b", region("Stale", 2990, 2));
    });
    assert_eq!(case.short(), "Due a");
}

#[test]
fn snapshots_before_its_request_do_not_serve_forced_refresh() {
    let not_before = |case: &Case| match case.plan() {
        Plan::Refresh(refresh) => refresh.not_before,
        other @ Plan::Wait { .. } => panic!("{other:?}"),
    };
    // The last one: the clock was set back after the request.
    for (known_since, expected) in [(0, 0), (-20, -20), (100, 0)] {
        let forced = Case::with(|c| {
            c.requested_at = Some("new");
            c.known_since = at(known_since);
        });
        assert_eq!(not_before(&forced), at(expected));
    }
    let tenth_of_the_interval = [
        Case::with(|c| c.status.observed_generation = None),
        Case::with(|c| c.generation = 4),
        Case::with(|c| c.unrecoverable = BTreeSet::from(["b".to_owned()])),
    ];
    for case in tenth_of_the_interval {
        assert_eq!(not_before(&case), at(-360));
    }
}

#[test]
fn serving_snapshot_depends_on_last_attempt() {
    let refresh = Refresh {
        reason: Reason::Due,
        list_account_regions: false,
        not_before: at(-360),
    };
    let mut held = region("Stale", -30, 1);
    held.error.as_mut().unwrap().code = ErrorCode::ShrinkHeld;
    let mut undated = region("Failed", 0, 1);
    undated.last_attempt_time = None;
    let mut unpublished = region("Stale", -30, 1);
    unpublished.error.as_mut().unwrap().code = ErrorCode::TargetConflict;
    // (case, the region, answers from when on serve)
    let cases = [
        ("new", None, -360),
        ("fresh", Some(region("Fresh", -30, 0)), -360),
        ("failed since", Some(region("Stale", -30, 1)), -30),
        ("failed long ago", Some(region("Stale", -3000, 7)), -360),
        ("failed, nobody knows when", Some(undated), -360),
        ("answered, but not published", Some(unpublished), -360),
        ("held: only a new answer confirms it", Some(held), 0),
    ];
    for (case, region, expected) in cases {
        assert_eq!(
            refresh.not_before(region.as_ref(), at(0)),
            at(expected),
            "{case}"
        );
        let account = region.map(|region| AccountRegionsStatus {
            error: region.error,
            last_attempt_time: region.last_attempt_time,
            ..AccountRegionsStatus::default()
        });
        assert_eq!(
            refresh.account_not_before(account.as_ref(), at(0)),
            at(expected),
            "account: {case}"
        );
    }
    let forced = Refresh {
        not_before: at(0),
        ..refresh
    };
    let failing = region("Stale", -30, 1);
    assert_eq!(forced.not_before(Some(&failing), at(0)), at(0));
}

#[test]
fn extreme_clock_neither_fails_nor_waits_long() {
    for now in [Timestamp::MIN, Timestamp::MAX] {
        let case = Case::with(|c| c.now = now);
        assert_eq!(case.short(), "Due a b", "{now}");
        let nobody = Case::with(|c| {
            c.now = now;
            c.named = Some(Vec::new());
        });
        match nobody.plan() {
            Plan::Wait { until } => assert!(until.duration_since(now).as_secs() <= 3780),
            Plan::Refresh(refresh) => assert_eq!(refresh.reason, Reason::Due),
        }
    }
}

#[test]
fn reasons_to_scope_and_shrink_guard() {
    // (reason, asks every region, guards)
    let cases = [
        (Reason::First, true, false),
        (Reason::NewGeneration, true, false),
        (Reason::Requested("t".into()), true, false),
        (Reason::Due, false, true),
    ];
    for (reason, every, guards) in cases {
        assert_eq!(reason.asks_every_region(), every, "{reason:?}");
        assert_eq!(reason.guards_against_shrinking(), guards, "{reason:?}");
    }
}

#[test]
fn reason_to_priority() {
    let known = region("Fresh", -600, 0);
    let cases = [
        (Reason::First, None, Priority::First),
        (Reason::NewGeneration, None, Priority::First),
        (Reason::Due, None, Priority::First),
        (Reason::NewGeneration, Some(&known), Priority::Requested),
        (
            Reason::Requested("1".into()),
            Some(&known),
            Priority::Requested,
        ),
        (Reason::Due, Some(&known), Priority::Routine),
    ];
    for (reason, known, expected) in cases {
        let refresh = Refresh {
            reason,
            list_account_regions: false,
            not_before: at(0),
        };
        assert_eq!(refresh.priority(known), expected, "{:?}", refresh.reason);
    }
}

#[test]
fn due_refresh_shows_in_resource() {
    let resource = |suspend: bool, generation: i64, token: &str, next: Option<i64>| {
        let next = next.map(|seconds| at(seconds).to_string());
        let resource = json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": "claude", "generation": generation,
                         "annotations": {"bedrock.modelmap.dev/requestedAt": token}},
            "spec": {"suspend": suspend},
            "status": {"observedGeneration": 3, "lastHandledRefreshRequest": "old",
                       "nextRefreshTime": next},
        });
        serde_json::from_value::<BedrockModelMap>(resource).unwrap()
    };
    let cases = [
        ("settled", resource(false, 3, "old", Some(60)), false),
        ("edited", resource(false, 4, "old", Some(60)), true),
        ("requested", resource(false, 3, "new", Some(60)), true),
        (
            "its time has come",
            resource(false, 3, "old", Some(0)),
            true,
        ),
        ("no time is known", resource(false, 3, "old", None), false),
        ("suspended", resource(true, 4, "new", Some(0)), false),
    ];
    for (case, resource, expected) in cases {
        assert_eq!(is_due(&resource, at(0)), expected, "{case}");
    }

    let mut requested = resource(false, 3, "new", Some(0));
    let mut deleted = requested.clone();
    deleted.metadata.deletion_timestamp = Some(Time(at(0)));
    assert!(!is_due(&deleted, at(0)));
    let refused = json!([{"type": "Stalled", "status": "True", "reason": "RoleNotAllowed",
                          "message": "", "lastTransitionTime": at(0).to_string()}]);
    let status = requested.status.as_mut().unwrap();
    status.conditions = serde_json::from_value(refused).unwrap();
    assert!(!is_due(&requested, at(0)));
    requested.status = None;
    assert!(is_due(&requested, at(0)));
}

#[test]
fn forced_refresh_waits_for_its_pace() {
    let deferred = |change: fn(&mut Case)| {
        Case::with(|c| {
            c.requested_at = Some("new");
            c.forced_refresh_from = at(7);
            change(c);
        })
    };
    let waiting = deferred(|_| {});
    assert_waits_about("nothing else is due", &waiting.short(), 7);
    let waits_until = next_reconcile(&waiting.inputs());
    assert_eq!(waits_until, at(7));
    // (case, what happens meanwhile)
    let cases = [
        (
            "a region is due",
            deferred(|c| c.set("b", region("Stale", -40, 1))),
            "Due b",
        ),
        (
            "the spec changed",
            deferred(|c| c.generation = 4),
            "NewGeneration a b",
        ),
        (
            "the time has come",
            deferred(|c| c.forced_refresh_from = at(0)),
            "Requested a b",
        ),
    ];
    for (case, inputs, expected) in cases {
        assert_eq!(inputs.short(), expected, "{case}");
    }
}

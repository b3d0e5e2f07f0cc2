use super::*;

const TIMINGS: LeaseTimings = LeaseTimings { seconds: 15 };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn held_by(holder: &str, duration: Option<i32>) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: duration,
        // Clock skew of decades: the value must not matter.
        renew_time: Some(MicroTime(at("1999-01-01T00:00:00Z"))),
        ..LeaseSpec::default()
    }
}

#[test]
fn timings_have_proportions_of_client_go() {
    assert_eq!(TIMINGS.lease_duration(), seconds(15));
    assert_eq!(TIMINGS.renew_deadline(), seconds(10));
    assert_eq!(TIMINGS.retry_period(), seconds(2));
}

#[test]
fn holder_and_unchanged_time_to_step() {
    let stand_by = |remaining: u64| Step::StandBy {
        holder: "other".to_owned(),
        remaining: seconds(remaining),
    };
    let cases = [
        ("no holder", LeaseSpec::default(), 0, Step::Acquire),
        ("released", held_by("", Some(15)), 0, Step::Acquire),
        ("ours", held_by("me", Some(15)), 0, Step::Renew),
        ("ours, long ago", held_by("me", Some(15)), 99, Step::Renew),
        ("just seen", held_by("other", Some(15)), 0, stand_by(15)),
        ("not yet late", held_by("other", Some(15)), 14, stand_by(1)),
        ("late", held_by("other", Some(15)), 15, Step::Acquire),
        (
            "its own duration",
            held_by("other", Some(60)),
            15,
            stand_by(45),
        ),
        (
            "its own, short",
            held_by("other", Some(1)),
            1,
            Step::Acquire,
        ),
        ("no duration", held_by("other", None), 14, stand_by(1)),
        (
            "no duration, late",
            held_by("other", None),
            15,
            Step::Acquire,
        ),
        ("nonsense", held_by("other", Some(-5)), 14, stand_by(1)),
    ];
    let start = Instant::now();
    for (case, spec, passed, expected) in cases {
        let observed = Observed::new(None, spec, start);
        let step = decide(Some(&observed), "me", TIMINGS, start + seconds(passed));
        assert_eq!(step, expected, "{case}");
    }
    assert_eq!(decide(None, "me", TIMINGS, start), Step::Acquire);
}

#[test]
fn any_change_of_lease_restarts_expiry() {
    let start = Instant::now();
    let first = Observed::new(None, held_by("other", Some(15)), start);
    let late = start + seconds(15);
    let unchanged = Observed::new(Some(first.clone()), held_by("other", Some(15)), late);
    assert_eq!(decide(Some(&unchanged), "me", TIMINGS, late), Step::Acquire);

    let renewed = acquired_spec(
        held_by("other", Some(15)),
        "other",
        TIMINGS,
        Timestamp::now(),
    );
    let renewed = Observed::new(Some(first), renewed, late);
    assert!(matches!(
        decide(Some(&renewed), "me", TIMINGS, late),
        Step::StandBy { remaining, .. } if remaining == seconds(15)
    ));
}

#[test]
fn acquisition_counts_transition_and_renewal_does_not() {
    let (first, second) = (at("2026-11-23T01:00:00Z"), at("2026-11-23T02:00:00Z"));
    let acquired = acquired_spec(held_by("other", Some(60)), "me", TIMINGS, first);
    let expected = LeaseSpec {
        holder_identity: Some("me".to_owned()),
        lease_duration_seconds: Some(15),
        acquire_time: Some(MicroTime(first)),
        renew_time: Some(MicroTime(first)),
        lease_transitions: Some(1),
        ..LeaseSpec::default()
    };
    assert_eq!(acquired, expected);
    let renewed = acquired_spec(acquired, "me", TIMINGS, second);
    let expected = LeaseSpec {
        renew_time: Some(MicroTime(second)),
        ..expected
    };
    assert_eq!(renewed, expected);
}

#[test]
fn released_lease_is_acquired_at_once() {
    let now = at("2026-11-23T01:00:00Z");
    let released = released_spec(
        acquired_spec(LeaseSpec::default(), "other", TIMINGS, now),
        now,
    );
    let start = Instant::now();
    let observed = Observed::new(None, released.clone(), start);
    assert_eq!(decide(Some(&observed), "me", TIMINGS, start), Step::Acquire);
    let acquired = acquired_spec(released, "me", TIMINGS, now);
    assert_eq!(acquired.lease_transitions, Some(2));
}

#[test]
fn renewal_changes_renew_time_even_if_clock_does_not() {
    let now = at("2026-11-23T01:00:00Z");
    let before = acquired_spec(LeaseSpec::default(), "me", TIMINGS, now);
    // The clock stands still, or was set back.
    for now in [now, at("2020-01-01T00:00:00Z")] {
        assert_ne!(acquired_spec(before.clone(), "me", TIMINGS, now), before);
    }
    let farthest = LeaseSpec {
        renew_time: Some(MicroTime(Timestamp::MAX)),
        ..before
    };
    let renewed = acquired_spec(farthest, "me", TIMINGS, now);
    assert_eq!(renewed.renew_time, Some(MicroTime(now)));
}

#[test]
fn permit_expires_on_faster_clock() {
    let (monotonic, wall) = (Instant::now(), SystemTime::now());
    let renewed = ClockReading { monotonic, wall };
    let permit = Permit::From {
        renewed,
        duration: seconds(10),
    };
    let cases = [
        ("at once", 0, 0, Some(10)),
        ("soon", 3, 3, Some(7)),
        ("to the end", 10, 10, None),
        ("the machine slept", 1, 60, None),
        ("the clock was set back", 4, -3600, Some(6)),
        ("the clock was set back, and it is late", 11, -3600, None),
    ];
    for (case, passed, passed_on_the_wall, expected) in cases {
        let of_the_wall = seconds(i64::unsigned_abs(passed_on_the_wall));
        let now = ClockReading {
            monotonic: monotonic + seconds(passed),
            wall: if passed_on_the_wall < 0 {
                wall - of_the_wall
            } else {
                wall + of_the_wall
            },
        };
        assert_eq!(permit.remaining(now), expected.map(seconds), "{case}");
    }
    assert!(Permit::Always.remaining(renewed).is_some());
    assert!(Permit::Never.remaining(renewed).is_none());
}

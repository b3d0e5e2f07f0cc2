use super::*;

const TERMS: LeaseTimings = LeaseTimings { seconds: 15 };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn held_by(holder: &str, lasts: Option<i32>) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: lasts,
        // As far off as a clock can be: nobody looks at it.
        renew_time: Some(MicroTime(at("1999-01-01T00:00:00Z"))),
        ..LeaseSpec::default()
    }
}

#[test]
fn terms_have_the_proportions_of_client_go() {
    assert_eq!(TERMS.lease_duration(), seconds(15));
    assert_eq!(TERMS.renew_deadline(), seconds(10));
    assert_eq!(TERMS.retry_period(), seconds(2));
}

#[test]
fn what_to_do_follows_from_the_holder_and_from_how_long_the_lease_has_not_changed() {
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
        let observed = Observed::now(None, spec, start);
        let step = decide(Some(&observed), "me", TERMS, start + seconds(passed));
        assert_eq!(step, expected, "{case}");
    }
    assert_eq!(decide(None, "me", TERMS, start), Step::Acquire);
}

#[test]
fn any_change_of_the_lease_is_a_sign_of_life() {
    let start = Instant::now();
    let first = Observed::now(None, held_by("other", Some(15)), start);
    let late = start + seconds(15);
    let unchanged = Observed::now(Some(first.clone()), held_by("other", Some(15)), late);
    assert_eq!(decide(Some(&unchanged), "me", TERMS, late), Step::Acquire);

    let renewed = claimed(held_by("other", Some(15)), "other", TERMS, Timestamp::now());
    let renewed = Observed::now(Some(first), renewed, late);
    assert!(matches!(
        decide(Some(&renewed), "me", TERMS, late),
        Step::StandBy { remaining, .. } if remaining == seconds(15)
    ));
}

#[test]
fn acquiring_counts_a_transition_and_renewing_does_not() {
    let (first, second) = (at("2026-11-23T01:00:00Z"), at("2026-11-23T02:00:00Z"));
    let acquired = claimed(held_by("other", Some(60)), "me", TERMS, first);
    let expected = LeaseSpec {
        holder_identity: Some("me".to_owned()),
        lease_duration_seconds: Some(15),
        acquire_time: Some(MicroTime(first)),
        renew_time: Some(MicroTime(first)),
        lease_transitions: Some(1),
        ..LeaseSpec::default()
    };
    assert_eq!(acquired, expected);
    let renewed = claimed(acquired, "me", TERMS, second);
    let expected = LeaseSpec {
        renew_time: Some(MicroTime(second)),
        ..expected
    };
    assert_eq!(renewed, expected);
}

#[test]
fn a_released_lease_is_free() {
    let now = at("2026-11-23T01:00:00Z");
    let released = released(claimed(LeaseSpec::default(), "other", TERMS, now), now);
    let start = Instant::now();
    let observed = Observed::now(None, released.clone(), start);
    assert_eq!(decide(Some(&observed), "me", TERMS, start), Step::Acquire);
    let acquired = claimed(released, "me", TERMS, now);
    assert_eq!(acquired.lease_transitions, Some(2));
}

#[test]
fn each_renewal_differs_from_the_one_before() {
    let now = at("2026-11-23T01:00:00Z");
    let before = claimed(LeaseSpec::default(), "me", TERMS, now);
    // The clock stands still, or was set back.
    for now in [now, at("2020-01-01T00:00:00Z")] {
        assert_ne!(claimed(before.clone(), "me", TERMS, now), before);
    }
    let farthest = LeaseSpec {
        renew_time: Some(MicroTime(Timestamp::MAX)),
        ..before
    };
    let renewed = claimed(farthest, "me", TERMS, now);
    assert_eq!(renewed.renew_time, Some(MicroTime(now)));
}

#[test]
fn permit_lasts_as_long_as_both_clocks_allow() {
    let (monotonic, wall) = (Instant::now(), SystemTime::now());
    let renewed = ClockReading { monotonic, wall };
    let permit = Permit::From {
        renewed,
        lasts: seconds(10),
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

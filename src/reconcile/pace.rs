//! The pace of forced refreshes, which have no interval of their own.

use std::time::Duration;

use jiff::Timestamp;

use super::schedule::{after, before};

/// A pace of forced refreshes: so many at once, and then one each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    burst: u32,
    period: Duration,
}

/// The pace of one resource: its forced refreshes begin at least 10 s apart.
pub const RESOURCE_PACE: Pace = Pace {
    burst: 1,
    period: Duration::from_secs(10),
};

/// The pace of all resources of a namespace together.
pub const NAMESPACE_PACE: Pace = Pace {
    burst: 30,
    period: Duration::from_secs(2),
};

impl Pace {
    /// Time from which the next refresh may begin. `paid_until` is what [`Self::begin`] returned for
    /// the last one.
    pub fn may_begin_at(self, paid_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let paid = self.bounded(paid_until, now);
        before(paid, self.period * (self.burst - 1)).max(now)
    }

    /// Records a refresh that begins now: the time until which the pace is paid for.
    pub fn begin(self, paid_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let paid = after(self.bounded(paid_until, now), self.period);
        self.bounded(Some(paid), now)
    }

    /// The time bounded so that the next refresh waits a period at most, also if the clock was set
    /// back since.
    fn bounded(self, paid_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let latest = after(now, self.period * self.burst);
        paid_until.unwrap_or(now).clamp(now, latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// The times at which refreshes begin that are requested at these.
    fn begin(pace: Pace, requested: &[i64]) -> Vec<i64> {
        let (mut paid, mut now) = (None, at(0));
        requested
            .iter()
            .map(|&second| {
                now = pace.may_begin_at(paid, now.max(at(second)));
                paid = Some(pace.begin(paid, now));
                now.duration_since(at(0)).as_secs()
            })
            .collect()
    }

    #[test]
    fn refreshes_of_a_resource_begin_ten_seconds_apart() {
        let cases: [(&[i64], &[i64]); 4] = [
            (&[0], &[0]),
            (&[0, 1], &[0, 10]),
            (&[0, 10, 11], &[0, 10, 20]),
            (&[0, 60, 61], &[0, 60, 70]),
        ];
        for (requested, expected) in cases {
            assert_eq!(begin(RESOURCE_PACE, requested), expected, "{requested:?}");
        }
    }

    #[test]
    fn refreshes_of_a_namespace_begin_in_a_burst_and_then_by_the_period() {
        let begun = begin(NAMESPACE_PACE, &[0; 33]);
        assert_eq!(begun[..30], [0; 30]);
        assert_eq!(begun[30..], [2, 4, 6]);
        // After a minute of rest the burst is available again.
        let mut requested = vec![0; 30];
        requested.extend([60; 31]);
        assert_eq!(begin(NAMESPACE_PACE, &requested)[30..60], [60; 30]);
    }

    #[test]
    fn clock_set_back_delays_refresh_by_a_period_at_most() {
        for pace in [RESOURCE_PACE, NAMESPACE_PACE] {
            let paid = Some(pace.begin(None, at(1000)));
            let begins = pace.may_begin_at(paid, at(0));
            assert_eq!(begins, after(at(0), pace.period), "{pace:?}");
        }
    }
}

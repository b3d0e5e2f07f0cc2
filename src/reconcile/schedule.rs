//! When a region is asked again: a function of what the status remembers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{AccountRegionsStatus, AttemptError, RegionStatus};
use crate::digest::sha256_hex;

/// The wait after a first failure; it doubles with each further one, up to the refresh interval.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// The longest wait where AWS answered and the answer could not be published: trying again asks
/// only the Kubernetes API, and someone may just have made room.
pub const PUBLICATION_RETRY: Duration = Duration::from_mins(1);
/// By how much of its length a wait is moved either way, so that many resources do not align.
const JITTER: f64 = 0.05;

/// What the status remembers of the attempts on one region, or on the account's list of regions.
#[derive(Clone, Debug)]
pub struct BackoffState {
    last: Option<Timestamp>,
    consecutive_failures: i64,
    retry_after: Option<Duration>,
    concerns_publication: bool,
}

impl BackoffState {
    /// Those on a region.
    pub fn on_region(status: &RegionStatus) -> Self {
        Self::new(
            status.last_attempt_time.as_ref(),
            status.consecutive_failures,
            status.error.as_ref(),
        )
    }

    /// Those on the account's list of regions.
    pub fn on_account(status: &AccountRegionsStatus) -> Self {
        Self::new(
            status.last_attempt_time.as_ref(),
            status.consecutive_failures,
            status.error.as_ref(),
        )
    }

    fn new(last: Option<&Time>, consecutive_failures: i64, error: Option<&AttemptError>) -> Self {
        Self {
            last: last.map(|time| time.0),
            consecutive_failures,
            retry_after: retry_after(error),
            concerns_publication: error.is_some_and(|e| e.code.concerns_publication()),
        }
    }

    fn wait(&self, interval: Duration) -> Duration {
        let failures = u32::try_from(self.consecutive_failures).unwrap_or(0);
        if failures == 0 {
            return interval;
        }
        let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures - 1));
        let doubled = if self.concerns_publication {
            doubled.min(PUBLICATION_RETRY)
        } else {
            doubled
        };
        doubled
            .max(self.retry_after.unwrap_or_default())
            .min(interval)
    }

    /// When the next attempt is due: now, for what was never tried, or was tried in what a clock
    /// set back makes the future.
    pub fn due_at(&self, schedule: &RefreshSchedule, now: Timestamp) -> Timestamp {
        match self.last {
            Some(last) if last <= now => {
                after(last, self.wait(schedule.interval).mul_f64(schedule.jitter))
            }
            Some(_) | None => now,
        }
    }

    /// Whether an attempt belongs into a refresh that happens now: what is due, and what would be
    /// within the spread, so that one refresh serves regions whose times have drifted apart.
    pub fn is_due(&self, schedule: &RefreshSchedule, now: Timestamp) -> bool {
        match self.last {
            Some(last) if last <= now => {
                after(last, self.wait(schedule.interval).mul_f64(1.0 - JITTER)) <= now
            }
            Some(_) | None => true,
        }
    }
}

fn retry_after(error: Option<&AttemptError>) -> Option<Duration> {
    let seconds = error?.retry_after_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// How often a resource is refreshed.
#[derive(Clone, Copy, Debug)]
pub struct RefreshSchedule {
    interval: Duration,
    /// Between 0.95 and 1.05: a resource's own, and the same at each call, so that the schedule is
    /// a function of the status.
    jitter: f64,
}

impl RefreshSchedule {
    /// The schedule of the resource with this uid.
    pub fn new(interval: Duration, uid: &str) -> Self {
        let first_digits = &sha256_hex(uid.as_bytes())[..8];
        let hash = u32::from_str_radix(first_digits, 16).unwrap_or_default();
        let unit = f64::from(hash) / f64::from(u32::MAX);
        Self {
            interval,
            jitter: 1.0 + JITTER * (2.0 * unit - 1.0),
        }
    }

    /// The longest time until the next look at a resource, whatever its status says.
    pub fn longest(&self) -> Duration {
        self.interval.mul_f64(1.0 + JITTER)
    }

    /// The refresh interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

/// The time `duration` after `time`; the end of time where there is none.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The time `duration` before `time`; the beginning of time where there is none.
pub fn before(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn schedule(interval: Duration) -> RefreshSchedule {
        RefreshSchedule {
            interval,
            jitter: 1.0,
        }
    }

    fn attempts(
        last: Option<i64>,
        consecutive_failures: i64,
        retry_after: Option<u64>,
    ) -> BackoffState {
        BackoffState {
            last: last.map(at),
            consecutive_failures,
            retry_after: retry_after.map(Duration::from_secs),
            concerns_publication: false,
        }
    }

    #[test]
    fn when_a_region_is_due() {
        // (case, last attempt, failures, Retry-After, due at)
        let cases = [
            ("never tried", None, 0, None, 0),
            ("succeeded", Some(-10), 0, None, 3590),
            ("failed once", Some(-10), 1, None, 20),
            ("failed twice", Some(-10), 2, None, 50),
            ("failed thrice", Some(-10), 3, None, 110),
            (
                "failed often: at most the interval",
                Some(-10),
                20,
                None,
                3590,
            ),
            ("failed beyond counting", Some(-10), i64::MAX, None, 3590),
            ("told to wait longer", Some(-10), 1, Some(300), 290),
            (
                "told to wait shorter than the backoff",
                Some(-10),
                4,
                Some(1),
                230,
            ),
            (
                "told to wait for ever: at most the interval",
                Some(-10),
                1,
                Some(u64::MAX),
                3590,
            ),
            (
                "tried in the future: the clock was set back",
                Some(86_400),
                0,
                None,
                0,
            ),
            ("a negative count", Some(-10), -5, None, 3590),
        ];
        for (case, last, failures, retry_after, due) in cases {
            let due_at = attempts(last, failures, retry_after).due_at(&schedule(HOUR), at(0));
            assert_eq!(due_at, at(due), "{case}");
        }
    }

    #[test]
    fn a_refresh_takes_along_what_is_due_within_the_spread() {
        let is_due = |last| attempts(Some(last), 0, None).is_due(&schedule(HOUR), at(0));
        assert!(is_due(-3600));
        assert!(is_due(-3420));
        assert!(!is_due(-3419));
    }

    #[test]
    fn the_spread_is_a_resources_own_and_within_five_per_cent() {
        let factors: Vec<f64> = (0..100)
            .map(|n| RefreshSchedule::new(HOUR, &format!("uid-{n}")).jitter)
            .collect();
        assert!(factors.iter().all(|f| (0.95..=1.05).contains(f)));
        assert!(factors.iter().any(|f| *f < 0.97) && factors.iter().any(|f| *f > 1.03));
        assert_eq!(
            RefreshSchedule::new(HOUR, "uid-1").jitter.to_bits(),
            factors[1].to_bits()
        );
    }
}

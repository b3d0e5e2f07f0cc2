//! The time of a region's next query: a function of the status.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{AccountRegionsStatus, AttemptError, RegionStatus};
use crate::digest::sha256_hex;

/// Backoff after the first failure; it doubles with each further one, up to the refresh interval.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// Longest backoff after a failed publication: a retry calls only the Kubernetes API, and a user may
/// have freed quota.
pub const PUBLICATION_RETRY: Duration = Duration::from_mins(1);
/// Jitter of a wait in either direction, as a fraction, so that resources do not align.
const JITTER: f64 = 0.05;

/// Attempts on one region, or on the account's list of regions, as the status records them.
#[derive(Clone, Debug)]
pub struct BackoffState {
    last: Option<Timestamp>,
    consecutive_failures: i64,
    retry_after: Option<Duration>,
    concerns_publication: bool,
}

impl BackoffState {
    /// Attempts on a region.
    pub fn on_region(status: &RegionStatus) -> Self {
        Self::new(
            status.last_attempt_time.as_ref(),
            status.consecutive_failures,
            status.error.as_ref(),
        )
    }

    /// Attempts on the account's list of regions.
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
        let max = if self.concerns_publication {
            PUBLICATION_RETRY
        } else {
            Duration::MAX
        };
        backoff(FIRST_RETRY, failures, max)
            .max(self.retry_after.unwrap_or_default())
            .min(interval)
    }

    /// The wait with jitter, which shortens no time that AWS named.
    fn jittered_wait(&self, interval: Duration, jitter: f64) -> Duration {
        let named_by_aws = self.retry_after.unwrap_or_default().min(interval);
        self.wait(interval).mul_f64(jitter).max(named_by_aws)
    }

    /// Time of the next attempt. It is `now` if there was none, or if the last one lies in the
    /// future because the clock was set back.
    pub fn due_at(&self, schedule: &RefreshSchedule, now: Timestamp) -> Timestamp {
        match self.last {
            Some(last) if last <= now => {
                after(last, self.jittered_wait(schedule.interval, schedule.jitter))
            }
            Some(_) | None => now,
        }
    }

    /// Whether a refresh at `now` includes the attempt: it is due, or due within the jitter, so that
    /// one refresh serves regions whose times have drifted apart.
    pub fn is_due(&self, schedule: &RefreshSchedule, now: Timestamp) -> bool {
        match self.last {
            Some(last) if last <= now => {
                after(last, self.jittered_wait(schedule.interval, 1.0 - JITTER)) <= now
            }
            Some(_) | None => true,
        }
    }
}

/// The wait after so many failures: it doubles with each, from `first` to `max`.
pub fn backoff(first: Duration, failures: u32, max: Duration) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(factor).min(max)
}

fn retry_after(error: Option<&AttemptError>) -> Option<Duration> {
    let seconds = error?.retry_after_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Refresh schedule of a resource.
#[derive(Clone, Copy, Debug)]
pub struct RefreshSchedule {
    interval: Duration,
    /// Between 0.95 and 1.05, derived from the uid: the schedule stays a function of the status.
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

    /// Longest time until the next reconciliation, whatever the status says.
    pub fn longest(&self) -> Duration {
        self.interval.mul_f64(1.0 + JITTER)
    }

    /// The refresh interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

/// The time `duration` after `time`; the end of time at most.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The time `duration` before `time`; the beginning of time at least.
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
    fn attempts_to_due_time() {
        // (case, last attempt, failures, Retry-After, due at)
        let cases = [
            ("no attempt", None, 0, None, 0),
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
            (
                "Retry-After longer than the backoff",
                Some(-10),
                1,
                Some(300),
                290,
            ),
            (
                "Retry-After shorter than the backoff",
                Some(-10),
                4,
                Some(1),
                230,
            ),
            (
                "Retry-After without bound: at most the interval",
                Some(-10),
                1,
                Some(u64::MAX),
                3590,
            ),
            (
                "attempt in the future: the clock was set back",
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
    fn jitter_does_not_shorten_retry_after() {
        let early = RefreshSchedule {
            interval: HOUR,
            jitter: 1.0 - JITTER,
        };
        let throttled = attempts(Some(0), 1, Some(300));
        assert_eq!(throttled.due_at(&early, at(1)), at(300));
        assert!(!throttled.is_due(&early, at(299)));
        assert!(throttled.is_due(&early, at(300)));
    }

    #[test]
    fn refresh_includes_regions_due_within_jitter() {
        let is_due = |last| attempts(Some(last), 0, None).is_due(&schedule(HOUR), at(0));
        assert!(is_due(-3600));
        assert!(is_due(-3420));
        assert!(!is_due(-3419));
    }

    #[test]
    fn jitter_is_stable_per_resource_and_within_five_per_cent() {
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

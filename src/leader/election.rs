//! Leader election as pure functions: the next step follows from the Lease as read.
//!
//! As in client-go, the times in a Lease are never compared with a clock: replicas' clocks differ.
//! A candidate measures with its own clock how long the Lease has not changed.

use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// Durations of an election, in the proportions of client-go: 15, 10 and 2 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimings {
    seconds: u16,
}

impl LeaseTimings {
    /// Timings for a lease of this many seconds.
    pub fn new(seconds: u16) -> Self {
        Self { seconds }
    }

    /// Other candidates wait this long after the last renewal before they take the lease.
    pub fn lease_duration(self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// A leader stops writing this long after its last renewal. The rest of the lease is for requests
    /// still in flight.
    pub fn renew_deadline(self) -> Duration {
        self.lease_duration() * 2 / 3
    }

    /// Pause between two attempts to acquire or renew the lease.
    pub fn retry_period(self) -> Duration {
        self.lease_duration() * 2 / 15
    }
}

/// A Lease, and the time since which it has been observed unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    spec: LeaseSpec,
    since: Instant,
}

impl Observed {
    /// Updates an earlier observation with the Lease as read now.
    pub fn new(previous: Option<Self>, spec: LeaseSpec, now: Instant) -> Self {
        match previous {
            Some(previous) if previous.spec == spec => previous,
            Some(_) | None => Self { spec, since: now },
        }
    }

    fn holder(&self) -> Option<&str> {
        let holder = self.spec.holder_identity.as_deref();
        holder.filter(|holder| !holder.is_empty())
    }

    /// Time until the lease expires without a renewal. Our own duration applies if the holder does
    /// not state one.
    fn remaining(&self, timings: LeaseTimings, now: Instant) -> Duration {
        let seconds = self.spec.lease_duration_seconds;
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(timings.lease_duration(), Duration::from_secs);
        duration.saturating_sub(now.saturating_duration_since(self.since))
    }
}

/// Next step of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The lease has no holder, or its holder has not renewed it in time.
    Acquire,
    /// This candidate holds the lease.
    Renew,
    /// Another candidate holds the lease.
    StandBy {
        /// Identity of the holder.
        holder: String,
        /// Time until the lease expires without a renewal.
        remaining: Duration,
    },
}

/// Decides the next step for the lease as observed; `None`: it does not exist.
pub fn decide(
    observed: Option<&Observed>,
    identity: &str,
    timings: LeaseTimings,
    now: Instant,
) -> Step {
    let Some((observed, holder)) = observed.and_then(|o| Some((o, o.holder()?))) else {
        return Step::Acquire;
    };
    if holder == identity {
        return Step::Renew;
    }
    let remaining = observed.remaining(timings, now);
    if remaining.is_zero() {
        return Step::Acquire;
    }
    Step::StandBy {
        holder: holder.to_owned(),
        remaining,
    }
}

/// The spec that acquires or renews the lease.
pub fn acquired_spec(
    before: LeaseSpec,
    identity: &str,
    timings: LeaseTimings,
    now: Timestamp,
) -> LeaseSpec {
    let was_ours = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or_default();
    let renewed = later_than(before.renew_time.as_ref(), now);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(timings.seconds.into()),
        acquire_time: match &before.acquire_time {
            Some(acquired) if was_ours => Some(acquired.clone()),
            Some(_) | None => Some(renewed.clone()),
        },
        renew_time: Some(renewed),
        lease_transitions: Some(transitions.saturating_add(i32::from(!was_ours))),
        ..before
    }
}

/// The spec that releases the lease.
pub fn released_spec(before: LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        renew_time: Some(later_than(before.renew_time.as_ref(), now)),
        ..before
    }
}

/// `now`, or the microsecond after `before` if that is later: other candidates recognize a renewal by
/// its changed time.
fn later_than(before: Option<&MicroTime>, now: Timestamp) -> MicroTime {
    let microsecond = SignedDuration::from_micros(1);
    let next = before.and_then(|before| before.0.checked_add(microsecond).ok());
    MicroTime(next.filter(|next| *next > now).unwrap_or(now))
}

/// The current time on two clocks.
#[derive(Clone, Copy, Debug)]
pub struct ClockReading {
    /// Never jumps, but may stand still while the machine sleeps.
    pub monotonic: Instant,
    /// May jump, but includes the time asleep.
    pub wall: SystemTime,
}

impl ClockReading {
    /// Reads both clocks.
    pub fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// The larger of the elapsed times on both clocks.
    fn since(self, then: Self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(then.monotonic);
        let wall = self.wall.duration_since(then.wall).unwrap_or_default();
        monotonic.max(wall)
    }
}

/// Permission of this process to write.
#[derive(Clone, Copy, Debug)]
pub enum Permit {
    /// Leader election is disabled.
    Always,
    /// Valid as long as no other replica can hold the lease.
    From {
        /// Time just before the last renewal was sent.
        renewed: ClockReading,
        /// Validity from then on.
        duration: Duration,
    },
    /// This replica does not lead.
    Never,
}

impl Permit {
    /// Remaining validity; `None`: expired or never given.
    pub fn remaining(self, now: ClockReading) -> Option<Duration> {
        match self {
            Self::Always => Some(Duration::MAX),
            Self::From { renewed, duration } => duration
                .checked_sub(now.since(renewed))
                .filter(|remaining| !remaining.is_zero()),
            Self::Never => None,
        }
    }
}

#[cfg(test)]
mod tests;

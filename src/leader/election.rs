//! Who leads: what a Lease, as it was read, means to us.
//!
//! As in client-go, the times in a Lease are never compared with a clock: replicas' clocks differ.
//! Whoever waits measures with its own clock how long the Lease has not changed.

use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// How long things take in an election, in the proportions of client-go: 15, 10 and 2 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimings {
    seconds: u16,
}

impl LeaseTimings {
    /// With leases of this many seconds.
    pub fn new(seconds: u16) -> Self {
        Self { seconds }
    }

    /// How long others leave a lease alone that is not renewed.
    pub fn lease_duration(self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// How long after its last renewal a leader writes. The rest of the lease is for requests that
    /// are still on their way then.
    pub fn renew_deadline(self) -> Duration {
        self.lease_duration() * 2 / 3
    }

    /// Between two looks at the lease.
    pub fn retry_period(self) -> Duration {
        self.lease_duration() * 2 / 15
    }
}

/// A Lease as it is, and since when we have seen it so.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    spec: LeaseSpec,
    since: Instant,
}

impl Observed {
    /// The Lease as read now, after it was observed before.
    pub fn now(before: Option<Self>, spec: LeaseSpec, now: Instant) -> Self {
        match before {
            Some(before) if before.spec == spec => before,
            Some(_) | None => Self { spec, since: now },
        }
    }

    /// Who holds it.
    fn holder(&self) -> Option<&str> {
        let holder = self.spec.holder_identity.as_deref();
        holder.filter(|holder| !holder.is_empty())
    }

    /// How long it is still left alone if its holder does not renew it. A holder that does not say
    /// how long its leases last is given as long as we would take.
    fn remaining(&self, terms: LeaseTimings, now: Instant) -> Duration {
        let seconds = self.spec.lease_duration_seconds;
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(terms.lease_duration(), Duration::from_secs);
        duration.saturating_sub(now.saturating_duration_since(self.since))
    }
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody holds the lease, or whoever did has not renewed it in time.
    Acquire,
    /// It is ours.
    Renew,
    /// Another one's.
    StandBy {
        /// Whose.
        holder: String,
        /// For how long at least, if it is not renewed.
        remaining: Duration,
    },
}

/// What to do about the lease as observed; None: there is none.
pub fn decide(
    observed: Option<&Observed>,
    identity: &str,
    terms: LeaseTimings,
    now: Instant,
) -> Step {
    let Some((observed, holder)) = observed.and_then(|o| Some((o, o.holder()?))) else {
        return Step::Acquire;
    };
    if holder == identity {
        return Step::Renew;
    }
    let remaining = observed.remaining(terms, now);
    if remaining.is_zero() {
        return Step::Acquire;
    }
    Step::StandBy {
        holder: holder.to_owned(),
        remaining,
    }
}

/// What to write to make the lease ours, or to renew it.
pub fn claimed(
    before: LeaseSpec,
    identity: &str,
    terms: LeaseTimings,
    now: Timestamp,
) -> LeaseSpec {
    let was_ours = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or_default();
    let renewed = later_than(before.renew_time.as_ref(), now);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(terms.seconds.into()),
        acquire_time: match &before.acquire_time {
            Some(acquired) if was_ours => Some(acquired.clone()),
            Some(_) | None => Some(renewed.clone()),
        },
        renew_time: Some(renewed),
        lease_transitions: Some(transitions.saturating_add(i32::from(!was_ours))),
        ..before
    }
}

/// What to write to give the lease away.
pub fn released(before: LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        renew_time: Some(later_than(before.renew_time.as_ref(), now)),
        ..before
    }
}

/// The time, but never one that was written before: others know a renewal by its being another.
fn later_than(before: Option<&MicroTime>, now: Timestamp) -> MicroTime {
    let microsecond = SignedDuration::from_micros(1);
    let next = before.and_then(|before| before.0.checked_add(microsecond).ok());
    MicroTime(next.filter(|next| *next > now).unwrap_or(now))
}

/// A moment on two clocks.
#[derive(Clone, Copy, Debug)]
pub struct ClockReading {
    /// Never jumps, and may stand still while the machine sleeps.
    pub monotonic: Instant,
    /// May jump, and knows of the sleep afterwards.
    pub wall: SystemTime,
}

impl ClockReading {
    /// How much time may have passed since then: as much as either clock says.
    fn since(self, then: Self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(then.monotonic);
        let wall = self.wall.duration_since(then.wall).unwrap_or_default();
        monotonic.max(wall)
    }
}

/// Whether this process may write.
#[derive(Clone, Copy, Debug)]
pub enum Permit {
    /// There is no other.
    Always,
    /// As long as the lease is surely ours.
    From {
        /// When the last renewal was about to be sent.
        renewed: ClockReading,
        /// For how long from then.
        lasts: Duration,
    },
    /// Not now.
    Never,
}

impl Permit {
    /// How long it still holds; None: it does not.
    pub fn remaining(self, now: ClockReading) -> Option<Duration> {
        match self {
            Self::Always => Some(Duration::MAX),
            Self::From { renewed, lasts } => lasts
                .checked_sub(now.since(renewed))
                .filter(|remaining| !remaining.is_zero()),
            Self::Never => None,
        }
    }
}

#[cfg(test)]
mod tests;

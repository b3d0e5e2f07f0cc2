//! Lease client: acquires, renews and releases the lease of the leader.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{sleep, timeout};

use super::fence::Fence;
use crate::api::MANAGER;
use crate::kubernetes::request::{CallError, call};
use crate::leader::election::{
    ClockReading, LeaseTimings, Observed, Permit, Step, acquired_spec, decide, released_spec,
};
use crate::ops::watchdog::{Deadline, Watchdog};

/// Annotation of the Lease with the scope that its holder watches.
const ANNOTATION_WATCHES: &str = "bedrock.modelmap.dev/watches";

/// Attempts to release the lease while a renewal may be in flight.
const RELEASE_ATTEMPTS: usize = 3;

/// Name of a Lease.
#[derive(Clone, Debug)]
pub struct LeaseRef {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
}

/// One replica's participation in the election.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    lease: LeaseRef,
    /// Unique to this process.
    identity: String,
    /// Scope that this replica watches when it leads.
    watches: String,
    timings: LeaseTimings,
    fence: Fence,
    watchdog: Watchdog,
    observed: Option<Observed>,
}

/// Reason why a leader stopped leading.
#[derive(Debug, thiserror::Error)]
pub enum LeadershipLost {
    /// Another replica leads.
    #[error("{holder} acquired the lease")]
    Taken {
        /// Identity of that replica.
        holder: String,
    },
    /// The lease was deleted or its holder cleared.
    #[error("the lease was deleted or its holder cleared")]
    Removed,
    /// No renewal succeeded in time.
    #[error("the lease could not be renewed for {} s: {reason}", .after.as_secs())]
    NotRenewed {
        /// Time since the last renewal.
        after: Duration,
        /// Error of the last attempt.
        reason: String,
    },
}

/// Failed attempt to read or write the lease.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("no response from the Kubernetes API within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Result of an attempt to acquire the lease.
enum Acquisition {
    Acquired,
    Held {
        holder: String,
        /// Scope that the holder watches, if stated.
        watches: Option<String>,
    },
    /// Another candidate changed the lease first.
    Conflict,
}

/// Result of an attempt to renew the lease.
enum Renewal {
    Renewed,
    Lost(LeadershipLost),
}

impl Candidate {
    /// A candidate with a unique identity. The client must not be behind the fence.
    pub fn new(
        client: Client,
        lease: LeaseRef,
        watches: String,
        timings: LeaseTimings,
        fence: Fence,
        watchdog: Watchdog,
    ) -> Self {
        let host = hostname::get().unwrap_or_default();
        Self {
            api: Api::namespaced(client, &lease.namespace),
            identity: format!("{}_{}", host.to_string_lossy(), uuid::Uuid::new_v4()),
            lease,
            watches,
            timings,
            fence,
            watchdog,
            observed: None,
        }
    }

    /// Deadline for the next attempt: an attempt and the pause before it take less than one lease.
    fn attempt_deadline(&self) -> (Deadline, Duration) {
        let limit = self.timings.lease_duration() * 2;
        (self.watchdog.expect("the check of the lease", limit), limit)
    }

    /// Acquires the lease and opens the fence. Calls `on_standby` whenever another replica holds the
    /// lease.
    pub async fn acquire(&mut self, on_standby: impl Fn()) {
        let (mut leader, mut last_error) = (None, None);
        let (deadline, limit) = self.attempt_deadline();
        loop {
            deadline.extend(limit);
            match within(self.timings.renew_deadline(), self.acquire_once()).await {
                Ok(Acquisition::Acquired) => {
                    tracing::info!(lease = %self.lease, identity = self.identity, "leader election won");
                    return;
                }
                Ok(Acquisition::Conflict) => {}
                Ok(Acquisition::Held { holder, watches }) => {
                    on_standby();
                    if leader.as_ref() != Some(&holder) {
                        tracing::info!(lease = %self.lease, identity = self.identity, "standing by: {holder} holds the lease");
                        self.warn_about_other_scope(watches);
                        leader = Some(holder);
                    }
                    last_error = None;
                }
                Err(error) => {
                    let text = self.advice(&error);
                    if last_error.as_ref() != Some(&text) {
                        tracing::error!("{text}; retrying");
                        last_error = Some(text);
                    }
                }
            }
            sleep(self.timings.retry_period()).await;
        }
    }

    /// Warns if the leader watches another scope: briefly so during a rollout that changes the scope,
    /// permanently if two shards share one lease.
    fn warn_about_other_scope(&self, watches: Option<String>) {
        if let Some(theirs) = watches.filter(|watches| *watches != self.watches) {
            tracing::warn!(
                lease = %self.lease,
                "the leader watches {theirs}, this replica would watch {}; if both are needed, give each its own --leader-election-id",
                self.watches
            );
        }
    }

    /// Renews the lease until leadership is lost. The fence closes by itself without a renewal.
    pub async fn renew(&mut self) -> LeadershipLost {
        let mut renewed = Instant::now();
        let (deadline, limit) = self.attempt_deadline();
        loop {
            deadline.extend(limit);
            sleep(self.timings.retry_period()).await;
            // A process suspended past the deadline still gets one attempt: the lease may be free.
            let attempt_timeout = self
                .timings
                .renew_deadline()
                .saturating_sub(renewed.elapsed())
                .min(self.timings.renew_deadline() / 2)
                .max(self.timings.retry_period());
            let started = Instant::now();
            match within(attempt_timeout, self.renew_once()).await {
                Ok(Renewal::Renewed) => renewed = started,
                Ok(Renewal::Lost(lost)) => {
                    self.fence.set(Permit::Never);
                    return lost;
                }
                Err(error) if renewed.elapsed() >= self.timings.renew_deadline() => {
                    self.fence.set(Permit::Never);
                    return LeadershipLost::NotRenewed {
                        after: renewed.elapsed(),
                        reason: error.to_string(),
                    };
                }
                Err(error) => tracing::warn!("cannot renew the lease: {error}; retrying"),
            }
        }
    }

    /// Releases the lease, so that another replica can lead at once, and closes the fence.
    pub async fn release(&self) {
        self.fence.set(Permit::Never);
        match within(self.timings.renew_deadline(), self.release_once()).await {
            Ok(true) => tracing::info!(lease = %self.lease, "lease released"),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                "cannot release the lease: {error}; other replicas wait until it expires"
            ),
        }
    }

    async fn acquire_once(&mut self) -> Result<Acquisition, CallError> {
        let (lease, step) = self.observe_lease().await?;
        match step {
            Step::StandBy { holder, .. } => {
                let annotations = lease.and_then(|lease| lease.metadata.annotations);
                let watches = annotations.and_then(|mut a| a.remove(ANNOTATION_WATCHES));
                Ok(Acquisition::Held { holder, watches })
            }
            Step::Acquire | Step::Renew => match self.claim(lease).await {
                Ok(()) => Ok(Acquisition::Acquired),
                Err(error) if error.is_conflict() => Ok(Acquisition::Conflict),
                Err(error) => Err(error),
            },
        }
    }

    /// A lost lease is not reacquired: another replica may have led meanwhile, and reconciliations in
    /// progress here do not know its writes.
    async fn renew_once(&mut self) -> Result<Renewal, CallError> {
        let (lease, step) = self.observe_lease().await?;
        match step {
            Step::StandBy { holder, .. } => Ok(Renewal::Lost(LeadershipLost::Taken { holder })),
            Step::Acquire => Ok(Renewal::Lost(LeadershipLost::Removed)),
            Step::Renew => self.claim(lease).await.map(|()| Renewal::Renewed),
        }
    }

    /// Reads the lease and decides the next step.
    async fn observe_lease(&mut self) -> Result<(Option<Lease>, Step), CallError> {
        let lease = call(|| self.doing("read"), self.api.get_opt(&self.lease.name)).await?;
        let now = Instant::now();
        let spec = lease
            .as_ref()
            .map(|lease| lease.spec.clone().unwrap_or_default());
        self.observed = spec.map(|spec| Observed::new(self.observed.take(), spec, now));
        let step = decide(self.observed.as_ref(), &self.identity, self.timings, now);
        Ok((lease, step))
    }

    /// Acquires or renews the lease if it is unchanged since it was read.
    async fn claim(&self, lease: Option<Lease>) -> Result<(), CallError> {
        let params = params();
        let exists = lease.is_some();
        let mut lease = lease.unwrap_or_default();
        let before = lease.spec.take().unwrap_or_default();
        lease.spec = Some(acquired_spec(
            before,
            &self.identity,
            self.timings,
            Timestamp::now(),
        ));
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(ANNOTATION_WATCHES.to_owned(), self.watches.clone());
        // Other candidates count from when they see the write, which is later.
        let renewed = ClockReading::now();
        if exists {
            let request = self.api.replace(&self.lease.name, &params, &lease);
            call(|| self.doing("update"), request).await?;
        } else {
            lease.metadata.name = Some(self.lease.name.clone());
            call(|| self.doing("create"), self.api.create(&params, &lease)).await?;
        }
        self.fence.set(Permit::From {
            renewed,
            duration: self.timings.renew_deadline(),
        });
        Ok(())
    }

    /// Returns whether this replica held the lease.
    async fn release_once(&self) -> Result<bool, CallError> {
        let mut attempt = 1;
        loop {
            let request = self.api.get_opt(&self.lease.name);
            let Some(mut lease) = call(|| self.doing("read"), request).await? else {
                return Ok(false);
            };
            let spec = lease.spec.take().unwrap_or_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(false);
            }
            lease.spec = Some(released_spec(spec, Timestamp::now()));
            let params = params();
            let request = self.api.replace(&self.lease.name, &params, &lease);
            match call(|| self.doing("update"), request).await {
                Err(error) if error.is_conflict() && attempt < RELEASE_ATTEMPTS => attempt += 1,
                done => return done.map(|_| true),
            }
        }
    }

    fn doing(&self, verb: &str) -> String {
        format!("cannot {verb} Lease {}", self.lease)
    }

    /// The error with what to do about it.
    fn advice(&self, error: &LeaseError) -> String {
        match error {
            LeaseError::Call(call) if call.is_forbidden() => format!(
                "{error}; allow the operator's service account to get, create and update leases (coordination.k8s.io) in namespace {}, or run one replica with --leader-elect=false",
                self.lease.namespace
            ),
            LeaseError::Call(_) | LeaseError::Timeout(_) => error.to_string(),
        }
    }
}

impl std::fmt::Display for LeaseRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

async fn within<T>(
    deadline: Duration,
    attempt: impl Future<Output = Result<T, CallError>>,
) -> Result<T, LeaseError> {
    let done = timeout(deadline, attempt).await;
    Ok(done.map_err(|_| LeaseError::Timeout(deadline))??)
}

fn params() -> PostParams {
    PostParams {
        dry_run: false,
        field_manager: Some(MANAGER.to_owned()),
    }
}

//! The Lease by which replicas agree on who leads.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{sleep, timeout};

use super::fence::{Fence, moment};
use crate::api::MANAGER;
use crate::kubernetes::request::{CallError, call};
use crate::leader::election::{LeaseTimings, Observed, Permit, Step, claimed, decide, released};
use crate::ops::watchdog::{Deadline, Watchdog};

/// The annotation of the Lease that says what its holder looks after.
const ANNOTATION_WATCHES: &str = "bedrock.modelmap.dev/watches";

/// How often a release is tried while a renewal is on its way.
const RELEASES: usize = 3;

/// Where the Lease is.
#[derive(Clone, Debug)]
pub struct LeaseRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// This replica's part in the election.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    place: LeaseRef,
    /// Unlike any other process's, so that a lease in this name is ours.
    identity: String,
    /// What this replica looks after when it leads.
    watches: String,
    terms: LeaseTimings,
    fence: Fence,
    watchdog: Watchdog,
    observed: Option<Observed>,
}

/// Why a leader leads no longer.
#[derive(Debug, thiserror::Error)]
pub enum LeadershipLost {
    /// Another replica leads.
    #[error("{holder} has taken the lease")]
    Taken {
        /// Which one.
        holder: String,
    },
    /// Somebody removed the lease, or our name from it.
    #[error("the lease was deleted, or taken from its holder")]
    Removed,
    /// No renewal succeeded in time.
    #[error("the lease could not be renewed for {} s: {why}", .after.as_secs())]
    NotRenewed {
        /// How long ago the last renewal was.
        after: Duration,
        /// What the last attempt came to.
        why: String,
    },
}

/// Why a look at the lease came to nothing.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("the Kubernetes API did not answer within {} ms", .0.as_millis())]
    Late(Duration),
}

/// What a candidate's attempt to lead came to.
enum Candidacy {
    Leads,
    StandsBy {
        holder: String,
        /// What that one looks after, if it says so.
        watches: Option<String>,
    },
    /// Another was faster: the next look tells which one.
    Overtaken,
}

/// What a leader's attempt to renew came to.
enum Renewal {
    Renewed,
    LeadershipLost(LeadershipLost),
}

impl Candidate {
    /// A candidate under a name of its own. The client must not be one behind the fence.
    pub fn new(
        client: Client,
        place: LeaseRef,
        watches: String,
        terms: LeaseTimings,
        fence: Fence,
        watchdog: Watchdog,
    ) -> Self {
        let host = hostname::get().unwrap_or_default();
        Self {
            api: Api::namespaced(client, &place.namespace),
            identity: format!("{}_{}", host.to_string_lossy(), uuid::Uuid::new_v4()),
            place,
            watches,
            terms,
            fence,
            watchdog,
            observed: None,
        }
    }

    /// An attempt takes no longer than the renew deadline, with the pause before it less than one
    /// lease.
    fn attempts(&self) -> (Deadline, Duration) {
        let patience = self.terms.lease_duration() * 2;
        let next = self.watchdog.expect("a look at the lease", patience);
        (next, patience)
    }

    /// Waits until this replica leads, and opens the fence. Calls `stands_by` when another one is
    /// seen to lead.
    pub async fn lead(&mut self, stands_by: impl Fn()) {
        let (mut leader, mut trouble) = (None, None);
        let (next, patience) = self.attempts();
        loop {
            next.again(patience);
            match within(self.terms.renew_deadline(), self.acquire()).await {
                Ok(Candidacy::Leads) => {
                    tracing::info!(lease = %self.place, identity = self.identity, "leads");
                    return;
                }
                Ok(Candidacy::Overtaken) => {}
                Ok(Candidacy::StandsBy { holder, watches }) => {
                    stands_by();
                    if leader.as_ref() != Some(&holder) {
                        tracing::info!(lease = %self.place, identity = self.identity, "stands by: {holder} leads");
                        self.compare(watches);
                        leader = Some(holder);
                    }
                    trouble = None;
                }
                Err(error) => {
                    let text = self.advice(&error);
                    // Once, not every other second.
                    if trouble.as_ref() != Some(&text) {
                        tracing::error!("{text}; trying again");
                        trouble = Some(text);
                    }
                }
            }
            sleep(self.terms.retry_period()).await;
        }
    }

    /// Says if the leader does not do this replica's work: as it is during a change of what is
    /// watched, or for ever, if two shards have one lease.
    fn compare(&self, watches: Option<String>) {
        let (ours, other) = (&self.watches, watches.filter(|w| *w != self.watches));
        if let Some(theirs) = other {
            tracing::warn!(
                lease = %self.place,
                "the leader looks after {theirs}, and this replica would look after {ours}: if both are to be looked after, give each its own --leader-election-id"
            );
        }
    }

    /// Renews the lease for as long as it is ours. The fence closes by itself when it is not
    /// renewed.
    pub async fn renew(&mut self) -> LeadershipLost {
        let mut renewed = Instant::now();
        let (next, patience) = self.attempts();
        loop {
            next.again(patience);
            sleep(self.terms.retry_period()).await;
            // Also of a process that was stopped for long: nobody else may have led meanwhile.
            let deadline = self
                .terms
                .renew_deadline()
                .saturating_sub(renewed.elapsed());
            let deadline = deadline
                .min(self.terms.renew_deadline() / 2)
                .max(self.terms.retry_period());
            let started = Instant::now();
            match within(deadline, self.renew_once()).await {
                Ok(Renewal::Renewed) => renewed = started,
                Ok(Renewal::LeadershipLost(lost)) => {
                    self.fence.set(Permit::Never);
                    return lost;
                }
                Err(error) if renewed.elapsed() >= self.terms.renew_deadline() => {
                    self.fence.set(Permit::Never);
                    return LeadershipLost::NotRenewed {
                        after: renewed.elapsed(),
                        why: error.to_string(),
                    };
                }
                Err(error) => tracing::warn!("cannot renew the lease: {error}; trying again"),
            }
        }
    }

    /// Gives the lease away, so that another replica leads at once. Nothing is written after that.
    pub async fn release(&self) {
        self.fence.set(Permit::Never);
        match within(self.terms.renew_deadline(), self.give_away()).await {
            Ok(true) => tracing::info!(lease = %self.place, "the lease is released"),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                "cannot release the lease: {error}; others wait until it has run out"
            ),
        }
    }

    async fn acquire(&mut self) -> Result<Candidacy, CallError> {
        let (lease, step) = self.look().await?;
        match step {
            Step::StandBy { holder, .. } => {
                let annotations = lease.and_then(|lease| lease.metadata.annotations);
                let watches = annotations.and_then(|mut a| a.remove(ANNOTATION_WATCHES));
                Ok(Candidacy::StandsBy { holder, watches })
            }
            Step::Acquire | Step::Renew => match self.claim(lease).await {
                Ok(()) => Ok(Candidacy::Leads),
                Err(error) if error.is_conflict() => Ok(Candidacy::Overtaken),
                Err(error) => Err(error),
            },
        }
    }

    /// A lease that is no longer ours is not taken again: another may have led meanwhile, and what
    /// is under way here does not know what that one did.
    async fn renew_once(&mut self) -> Result<Renewal, CallError> {
        let (lease, step) = self.look().await?;
        match step {
            Step::StandBy { holder, .. } => {
                Ok(Renewal::LeadershipLost(LeadershipLost::Taken { holder }))
            }
            Step::Acquire => Ok(Renewal::LeadershipLost(LeadershipLost::Removed)),
            Step::Renew => self.claim(lease).await.map(|()| Renewal::Renewed),
        }
    }

    /// The lease, and what there is to do about it.
    async fn look(&mut self) -> Result<(Option<Lease>, Step), CallError> {
        let lease = call(|| self.doing("read"), self.api.get_opt(&self.place.name)).await?;
        let now = Instant::now();
        let spec = lease
            .as_ref()
            .map(|lease| lease.spec.clone().unwrap_or_default());
        self.observed = spec.map(|spec| Observed::now(self.observed.take(), spec, now));
        let step = decide(self.observed.as_ref(), &self.identity, self.terms, now);
        Ok((lease, step))
    }

    /// Makes the lease ours, or renews it, if it is as it was read.
    async fn claim(&self, lease: Option<Lease>) -> Result<(), CallError> {
        let params = params();
        let exists = lease.is_some();
        let mut lease = lease.unwrap_or_default();
        let before = lease.spec.take().unwrap_or_default();
        lease.spec = Some(claimed(
            before,
            &self.identity,
            self.terms,
            Timestamp::now(),
        ));
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(ANNOTATION_WATCHES.to_owned(), self.watches.clone());
        // Others count from when they see the write, which is later.
        let renewed = moment();
        if exists {
            let request = self.api.replace(&self.place.name, &params, &lease);
            call(|| self.doing("update"), request).await?;
        } else {
            lease.metadata.name = Some(self.place.name.clone());
            call(|| self.doing("create"), self.api.create(&params, &lease)).await?;
        }
        self.fence.set(Permit::From {
            renewed,
            lasts: self.terms.renew_deadline(),
        });
        Ok(())
    }

    /// Returns whether it was ours to give.
    async fn give_away(&self) -> Result<bool, CallError> {
        let mut attempt = 1;
        loop {
            let request = self.api.get_opt(&self.place.name);
            let Some(mut lease) = call(|| self.doing("read"), request).await? else {
                return Ok(false);
            };
            let spec = lease.spec.take().unwrap_or_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(false);
            }
            lease.spec = Some(released(spec, Timestamp::now()));
            let params = params();
            let request = self.api.replace(&self.place.name, &params, &lease);
            match call(|| self.doing("update"), request).await {
                Err(error) if error.is_conflict() && attempt < RELEASES => attempt += 1,
                done => return done.map(|_| true),
            }
        }
    }

    fn doing(&self, verb: &str) -> String {
        format!("cannot {verb} Lease {}", self.place)
    }

    /// What went wrong, and what to do about it.
    fn advice(&self, error: &LeaseError) -> String {
        match error {
            LeaseError::Call(call) if call.is_forbidden() => format!(
                "{error}; give the operator's service account get, create and update of leases (coordination.k8s.io) in namespace {}, or run a single replica with --leader-elect=false",
                self.place.namespace
            ),
            LeaseError::Call(_) | LeaseError::Late(_) => error.to_string(),
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
    Ok(done.map_err(|_| LeaseError::Late(deadline))??)
}

fn params() -> PostParams {
    PostParams {
        dry_run: false,
        field_manager: Some(MANAGER.to_owned()),
    }
}

//! Which replica works: options, and the way from standing by to the end.

use clap::ArgAction;
use futures::future::Shared;
use kube::{Client, Config};
use tokio::sync::oneshot;

use super::RunError;
use crate::leader::election::{LeaseTimings, Permit};
use crate::leader::{Candidate, Fence, LeaseRef};
use crate::ops::admin::Health;

#[derive(Debug, clap::Args)]
pub(super) struct Leadership {
    /// Whether replicas elect one that works, by a Lease. Without, there must never be two.
    #[arg(
        long,
        env = "LEADER_ELECT",
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        action = ArgAction::Set
    )]
    leader_elect: bool,

    /// The Lease's namespace. Default: the operator's own in a cluster, or that of the kubeconfig's
    /// context.
    #[arg(long, env = "LEADER_ELECTION_NAMESPACE", value_name = "NAMESPACE")]
    leader_election_namespace: Option<String>,

    /// The Lease's name. Operators that look after different resources need different ones.
    #[arg(
        long,
        env = "LEADER_ELECTION_ID",
        value_name = "NAME",
        default_value = "bedrock-model-map"
    )]
    leader_election_id: String,

    /// How long the others leave the Lease alone when it is not renewed, in seconds. It is renewed
    /// every 2/15 of this; a leader that cannot renew it for 2/3 of this writes no more, and ends.
    #[arg(
        long,
        env = "LEASE_DURATION_SECONDS",
        value_name = "SECONDS",
        default_value_t = 15,
        value_parser = clap::value_parser!(u16).range(3..=3600)
    )]
    lease_duration_seconds: u16,
}

impl Leadership {
    /// Does the work with a client that writes only while this replica leads: at once, or once it
    /// is elected. A clean end gives the lease away.
    pub(super) async fn work<W>(
        self,
        config: Config,
        health: &Health,
        watches: String,
        stop: Shared<impl Future<Output = ()>>,
        work: impl FnOnce(Client) -> W,
    ) -> Result<(), RunError>
    where
        W: Future<Output = Result<(), RunError>>,
    {
        if !self.leader_elect {
            let client = Fence::new(Permit::Always).client(config);
            return work(client.map_err(RunError::NoClient)?).await;
        }
        let place = LeaseRef {
            namespace: self
                .leader_election_namespace
                .unwrap_or_else(|| config.default_namespace.clone()),
            name: self.leader_election_id,
        };
        let terms = LeaseTimings::new(self.lease_duration_seconds);
        let fence = Fence::new(Permit::Never);
        // The lease has connections of its own: what the work waits for must not delay it.
        let plain = Client::try_from(config.clone()).map_err(RunError::NoClient)?;
        let client = fence.client(config).map_err(RunError::NoClient)?;
        let watchdog = health.watchdog.clone();
        let mut candidate = Candidate::new(plain, place, watches, terms, fence, watchdog);

        let readiness = &health.readiness;
        readiness.awaits(["a look at the Lease".to_owned()]);
        tokio::select! {
            () = candidate.lead(|| readiness.awaits([])) => {}
            () = stop.clone() => {
                // It may have been acquired just now.
                candidate.release().await;
                return Ok(());
            }
        }
        let (done, is_done) = oneshot::channel::<()>();
        // In a task of its own: it renews whatever else the operator is busy with.
        let mut keeper = tokio::spawn(async move {
            tokio::select! {
                lost = candidate.renew() => Err(RunError::LeaseLost(lost)),
                _ = is_done => {
                    candidate.release().await;
                    Ok(())
                }
            }
        });
        let ended = tokio::select! {
            ended = work(client) => ended,
            lost = &mut keeper => return lost.unwrap_or(Err(RunError::Ended("the renewal of the lease"))),
        };
        drop(done);
        let released = keeper
            .await
            .unwrap_or(Err(RunError::Ended("the renewal of the lease")));
        ended.and(released)
    }
}

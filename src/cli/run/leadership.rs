//! Leader election of `run`: flags, and the order of election, work and release.

use clap::ArgAction;
use futures::future::Shared;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::RunError;
use crate::kubernetes::request_metrics::RequestMetrics;
use crate::leader::election::{LeaseTimings, Permit};
use crate::leader::{Candidate, Fence, LeaseRef};
use crate::ops::admin::Health;
use crate::ops::metrics::Metrics;

#[derive(Debug, clap::Args)]
pub(super) struct Leadership {
    /// Use leader election. If disabled, run exactly one replica.
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

    /// Namespace of the Lease. Default: the operator's own namespace in a cluster, or that of the
    /// kubeconfig's context.
    #[arg(long, env = "LEADER_ELECTION_NAMESPACE", value_name = "NAMESPACE")]
    leader_election_namespace: Option<String>,

    /// Name of the Lease. Operators that watch different resources need different names.
    #[arg(
        long,
        env = "LEADER_ELECTION_ID",
        value_name = "NAME",
        default_value = "bedrock-model-map"
    )]
    leader_election_id: String,

    /// Seconds after the last renewal until another replica may take the Lease. The leader renews it
    /// every 2/15 of this time. Without a renewal for 2/3 of this time, it stops writing and exits.
    #[arg(
        long,
        env = "LEASE_DURATION_SECONDS",
        value_name = "SECONDS",
        default_value_t = 15,
        value_parser = clap::value_parser!(u16).range(3..=3600)
    )]
    lease_duration_seconds: u16,
}

/// The cluster to connect to.
pub(super) struct Cluster {
    pub(super) config: Config,
    pub(super) metrics: Metrics,
}

impl Cluster {
    /// Creates a client whose writes pass the fence and whose requests are counted.
    fn client(self, fence: &Fence) -> Result<Client, RunError> {
        let builder = ClientBuilder::try_from(self.config).map_err(RunError::Client)?;
        let counted = builder.with_layer(&RequestMetrics::new(self.metrics));
        Ok(counted.with_layer(fence).build())
    }
}

impl Leadership {
    /// Runs `work` while this replica leads, with a client that refuses writes otherwise. Releases
    /// the lease when the work ends.
    pub(super) async fn run<W>(
        self,
        control: &Handle,
        cluster: Cluster,
        health: &Health,
        watches: String,
        stop: Shared<impl Future<Output = ()>>,
        work: impl FnOnce(Client) -> W,
    ) -> Result<(), RunError>
    where
        W: Future<Output = Result<(), RunError>>,
    {
        if !self.leader_elect {
            let client = cluster.client(&Fence::new(Permit::Always))?;
            return work(client).await;
        }
        let lease = LeaseRef {
            namespace: self
                .leader_election_namespace
                .unwrap_or_else(|| cluster.config.default_namespace.clone()),
            name: self.leader_election_id,
        };
        let timings = LeaseTimings::new(self.lease_duration_seconds);
        let fence = Fence::new(Permit::Never);
        // The lease has its own connections and thread: the work must not delay it. A client belongs
        // to the runtime in which it is created.
        let lease_client = {
            let _entered = control.enter();
            Client::try_from(cluster.config.clone()).map_err(RunError::Client)?
        };
        let client = cluster.client(&fence)?;
        let watchdog = health.watchdog.clone();
        let mut candidate = Candidate::new(lease_client, lease, watches, timings, fence, watchdog);

        let readiness = health.readiness.clone();
        readiness.set_pending(["the first check of the Lease".to_owned()]);
        let (elected, is_elected) = oneshot::channel::<()>();
        let (done, mut is_done) = oneshot::channel::<()>();
        let mut election = control.spawn(async move {
            tokio::select! {
                () = candidate.acquire(|| readiness.set_pending([])) => {}
                _ = &mut is_done => {
                    // The lease may have been acquired just now.
                    candidate.release().await;
                    return Ok(());
                }
            }
            // The receiver is gone if the work has stopped.
            let _ = elected.send(());
            tokio::select! {
                lost = candidate.renew() => Err(RunError::LeadershipLost(lost)),
                _ = is_done => {
                    candidate.release().await;
                    Ok(())
                }
            }
        });
        let work = async {
            tokio::select! {
                Ok(()) = is_elected => work(client).await,
                () = stop => Ok(()),
            }
        };
        let stopped = || RunError::Stopped("the renewal of the lease");
        let ended = tokio::select! {
            ended = work => ended,
            lost = &mut election => return lost.unwrap_or_else(|_| Err(stopped())),
        };
        drop(done);
        let released = election.await.unwrap_or_else(|_| Err(stopped()));
        ended.and(released)
    }
}

//! `bedrock-model-map run`: the operator.

mod leadership;

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use futures::FutureExt as _;
use kube::Config;
use kube::config::InferConfigError;
use tokio::runtime::Handle;

use self::leadership::{Cluster, Leadership};
use super::aws::LimitArgs;
use super::cluster::with_no_proxy;
use super::output::Outcome;
use crate::api::MANAGER;
use crate::aws::environment;
use crate::aws::role_rules::RoleRule;
use crate::aws::{Aws, Limits, NoCertificatesError, SnapshotCache};
use crate::kubernetes::{self, Operator, SelectorError};
use crate::leader::LeadershipLost;
use crate::ops::admin::{self, AdminServer, BindError, Health};
use crate::ops::metrics::Metrics;
use crate::ops::readiness::Readiness;
use crate::ops::scrape;
use crate::ops::shutdown;
use crate::ops::telemetry::{self, LogFormat, TelemetryError};
use crate::ops::watchdog::Watchdog;

/// Time without any progress, beyond a region's timeout, after which a reconciliation counts as stuck.
/// The Kubernetes API may be unavailable for some of it.
const STUCK_AFTER: Duration = Duration::from_mins(10);

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// Watch this namespace only; repeatable. The variable takes a comma-separated list. A Role in
    /// each namespace suffices. Default, or empty variable: all namespaces.
    #[arg(
        long,
        env = "WATCH_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        value_parser = namespace
    )]
    watch_namespace: Vec<String>,

    /// Watch only resources with matching labels, in the syntax of kubectl -l: `shard=a`,
    /// `shard in (a,b)`, `!shard`. Default: all resources.
    #[arg(long, env = "WATCH_LABEL_SELECTOR", value_name = "SELECTOR")]
    watch_label_selector: Option<String>,

    /// Reconcile cluster maps: keep a model map in each namespace that one matches.
    /// Needs rights in all namespaces, so that --watch-namespace excludes it. With
    /// --watch-label-selector, only cluster maps with matching labels are reconciled, and the labels of
    /// their template decide which operator reconciles the model maps.
    #[arg(
        long,
        env = "CLUSTER_MAPS",
        value_name = "BOOL",
        default_value_t = false,
        default_missing_value = "true",
        num_args = 0..=1,
        action = clap::ArgAction::Set
    )]
    cluster_maps: bool,

    #[command(flatten)]
    leadership: Leadership,

    #[command(flatten)]
    limits: LimitArgs,

    /// Address of `/livez`, `/readyz` and `/metrics`, over plain HTTP. `[::]` means IPv6 and IPv4, or IPv4 alone on a
    /// node without IPv6. Port 0 selects a free port, which the log names.
    #[arg(
        long,
        env = "BIND_ADDRESS",
        value_name = "ADDRESS:PORT",
        default_value = "[::]:8080"
    )]
    bind_address: SocketAddr,

    /// Export metrics per region. If disabled, there are fewer series.
    #[arg(
        long,
        env = "REGION_METRICS",
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    region_metrics: bool,

    /// Allow resources of a namespace to set spec.aws.roleArn to matching roles; repeatable.
    /// NAMESPACE is the name of a namespace, or * for all. In ARN-GLOB, * and ? match within one part
    /// of the ARN: between two colons, or between two slashes of the role's path. Default: no roles.
    /// The variable takes a comma-separated list (write ? for a comma in a role's name).
    #[arg(
        long = "allow-role",
        env = "ALLOW_ROLE",
        value_name = "NAMESPACE=ARN-GLOB",
        value_delimiter = ','
    )]
    allowed_roles: Vec<RoleRule>,

    /// Format of the logs on stderr.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,

    /// Log level, or directives such as `info,kube=debug`.
    #[arg(
        long,
        env = "LOG_FILTER",
        value_name = "FILTER",
        default_value = "info,kube=warn,aws=error"
    )]
    log_filter: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("{0}")]
    Telemetry(#[from] TelemetryError),
    #[error("cannot start the async runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot install signal handlers: {0}")]
    Signals(#[source] io::Error),
    #[error("no cluster: {0}; set KUBECONFIG, or run inside a cluster with a service account")]
    Cluster(#[source] InferConfigError),
    #[error("{0}")]
    NoCertificates(#[from] NoCertificatesError),
    #[error(
        "--cluster-maps cannot be combined with --watch-namespace: a cluster map concerns all namespaces; set --cluster-maps=false"
    )]
    ClusterMapsInNamespaces,
    #[error("cannot create a Kubernetes client: {0}")]
    Client(#[source] kube::Error),
    #[error("{0}")]
    AdminServer(#[from] BindError),
    #[error("{0}")]
    Selector(#[from] SelectorError),
    #[error("leadership lost: {0}; exiting so that a restart resumes from cluster state")]
    LeadershipLost(#[source] LeadershipLost),
    #[error("internal error: {0} stopped unexpectedly; please report it")]
    Stopped(&'static str),
}

impl Run {
    pub(super) fn execute(self) -> Result<Outcome, RunError> {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // CPU work leaves one of them to everything else.
            .worker_threads(processors + 1)
            .enable_all()
            .build()
            .map_err(RunError::Runtime)?;
        let _entered = runtime.enter();
        let _telemetry = telemetry::init(self.log_format, &self.log_filter)?;
        for warning in environment::warnings(|name| std::env::var(name).ok()) {
            tracing::warn!("{warning}");
        }
        match runtime.block_on(self.operate()) {
            Ok(()) => {
                tracing::info!("{MANAGER} stopped");
                Ok(Outcome::Complete)
            }
            Err(error) => {
                tracing::error!("{error}");
                Ok(Outcome::Failed)
            }
        }
    }

    async fn operate(self) -> Result<(), RunError> {
        let stop = shutdown::signal_received()
            .map_err(RunError::Signals)?
            .shared();
        let control = start_control_thread().map_err(RunError::Runtime)?;
        let server = control
            .spawn(AdminServer::bind(self.bind_address))
            .await
            .map_err(|_| RunError::Stopped("the HTTP server"))??;
        let config = with_no_proxy(Config::infer().await.map_err(RunError::Cluster)?);
        let limits = Limits::from(self.limits);
        let metrics = Metrics::new(self.region_metrics);
        let aws = Aws::load(limits).await?;
        let aws = aws.with_metrics(Arc::new(metrics.clone()));
        let snapshots = SnapshotCache::new(aws);
        let options = kubernetes::Options {
            namespaces: dedup_namespaces(self.watch_namespace),
            selector: self
                .watch_label_selector
                .filter(|selector| !selector.is_empty()),
            roles: self.allowed_roles.into(),
            cluster_maps: self.cluster_maps,
            stuck_after: STUCK_AFTER + limits.region_timeout,
        };
        let watches = options.to_string();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            watches,
            "{MANAGER} starting"
        );
        if options.cluster_maps && !options.namespaces.is_empty() {
            return Err(RunError::ClusterMapsInNamespaces);
        }
        kubernetes::check_selector(&config, &options).await?;
        let health = Health {
            readiness: Readiness::new("start-up"),
            watchdog: Watchdog::default(),
        };
        let routes = admin::probes(health.clone()).merge(scrape::routes(&metrics));
        let server = control.spawn(server.serve(routes));
        let cluster = Cluster {
            config,
            metrics: metrics.clone(),
        };
        let work = async |client| {
            let health = health.clone();
            Operator::new(client, snapshots, options, health, metrics)
                .run(stop.clone())
                .await;
            match stop.peek() {
                Some(()) => Ok(()),
                None => Err(RunError::Stopped("the controller")),
            }
        };
        let leadership = self.leadership;
        tokio::select! {
            done = leadership.run(&control, cluster, &health, watches, stop.clone(), work) => done,
            _ = server => Err(RunError::Stopped("the HTTP server")),
        }
    }
}

/// Starts the thread of the probes, the metrics and the lease. The work may block its own threads
/// without delaying these.
fn start_control_thread() -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let control = runtime.handle().clone();
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(control)
}

/// Parses the name of a namespace; an empty item of a list is allowed.
fn namespace(text: &str) -> Result<String, String> {
    let is_name = text.len() <= 63
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("not a namespace name: use lower-case letters, digits and hyphens".to_owned())
    }
}

/// Sorted namespaces without duplicates and empty items.
fn dedup_namespaces(namespaces: Vec<String>) -> Vec<String> {
    let distinct: BTreeSet<String> = namespaces.into_iter().collect();
    distinct.into_iter().filter(|n| !n.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        run: Run,
    }

    fn watched(arguments: &[&str]) -> Result<Vec<String>, String> {
        let arguments = ["run"].iter().chain(arguments);
        let program = Program::try_parse_from(arguments).map_err(|e| e.to_string())?;
        Ok(dedup_namespaces(program.run.watch_namespace))
    }

    #[test]
    fn namespaces_are_repeatable_and_comma_separated() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&[], &[]),
            (&["--watch-namespace="], &[]),
            (&["--watch-namespace", "a"], &["a"]),
            (&["--watch-namespace=b", "--watch-namespace=a"], &["a", "b"]),
            (&["--watch-namespace=a,b,a,"], &["a", "b"]),
        ];
        for (arguments, expected) in cases {
            assert_eq!(watched(arguments).unwrap(), expected, "{arguments:?}");
        }
        let error = watched(&["--watch-namespace=team_a"]).unwrap_err();
        assert!(error.contains("not a namespace name"), "{error}");
    }
}

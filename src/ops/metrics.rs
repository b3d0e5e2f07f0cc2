//! Metrics of the process, for Prometheus.
//!
//! Counters and histograms of events live here. Gauges of resources are collected from the watch
//! stores at each scrape, so that a deleted resource leaves no series behind.

mod labels;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use labels::{
    ActionLabels, KubernetesRequestLabels, OperationLabels, OutcomeLabels, ReasonLabels,
    RegionQueryLabels, RequestLabels, SourceLabels, WaitLabels,
};

/// Prefix of every metric name.
pub const PREFIX: &str = "bedrock_model_map";
/// Distinct values of the label `region` in counters. AWS has fewer than 50 regions; beyond that,
/// made-up names share one value.
const MAX_REGIONS: usize = 100;
/// Label value of the regions beyond [`MAX_REGIONS`].
const OTHER_REGIONS: &str = "other";

/// Seconds of a reconciliation: milliseconds if nothing is due, up to a region's deadline otherwise.
const RECONCILE_BUCKETS: [f64; 9] = [0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 20.0, 60.0];
/// Seconds of a refresh.
const REFRESH_BUCKETS: [f64; 8] = [0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0];
/// Seconds that requests to AWS wait for a permit; most wait for none.
const WAIT_BUCKETS: [f64; 7] = [0.01, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0];
/// Seconds of a request to AWS; an attempt times out after 6.
const REQUEST_BUCKETS: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 6.0];

type Timed<L> = Family<L, Histogram, fn() -> Histogram>;

/// Metrics of the process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Mutex<Registry>,
    by_region: bool,
    regions: Mutex<BTreeSet<String>>,
    reconciles: Timed<OutcomeLabels>,
    reconciles_active: Gauge,
    refreshes: Timed<ReasonLabels>,
    region_answers: Family<RegionQueryLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Timed<OperationLabels>,
    waits: Timed<WaitLabels>,
    snapshots: Family<SourceLabels, Counter>,
    fetches: Gauge,
    writes: Family<ActionLabels, Counter>,
    written_bytes: Counter,
    status_writes: Counter,
    kubernetes_requests: Family<KubernetesRequestLabels, Counter>,
    leader: Gauge,
}

/// Counts an operation in a gauge until dropped.
#[derive(Debug)]
pub struct InProgress(Gauge<i64, AtomicI64>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Kind of a `ConfigMap` write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The `ConfigMap` did not exist.
    Create,
    /// The `ConfigMap` differed.
    Replace,
    /// The `ConfigMap` was pruned.
    Delete,
}

impl Write {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Replace => "Replace",
            Self::Delete => "Delete",
        }
    }
}

impl Default for Metrics {
    /// Metrics with the label `region`.
    fn default() -> Self {
        Self::new(true)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics without samples; `by_region` adds the label `region`.
    pub fn new(by_region: bool) -> Self {
        let shared = Shared {
            registry: Mutex::new(Registry::with_prefix(PREFIX)),
            by_region,
            regions: Mutex::default(),
            reconciles: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
            reconciles_active: Gauge::default(),
            refreshes: Family::new_with_constructor(|| Histogram::new(REFRESH_BUCKETS)),
            region_answers: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            waits: Family::new_with_constructor(|| Histogram::new(WAIT_BUCKETS)),
            snapshots: Family::default(),
            fetches: Gauge::default(),
            writes: Family::default(),
            written_bytes: Counter::default(),
            status_writes: Counter::default(),
            kubernetes_requests: Family::default(),
            leader: Gauge::default(),
        };
        let metrics = Self {
            shared: Arc::new(shared),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let shared = &self.shared;
        let mut registry = shared.registry.lock();
        registry.register(
            "reconcile_duration_seconds",
            "Duration of reconciliations, by outcome",
            shared.reconciles.clone(),
        );
        registry.register(
            "reconciles_active",
            "Reconciliations in progress",
            shared.reconciles_active.clone(),
        );
        registry.register(
            "refresh_duration_seconds",
            "Duration of refreshes, from the start of the reconciliation to the status write, by reason",
            shared.refreshes.clone(),
        );
        registry.register(
            "region_answers",
            "Queries of a region for a resource, served by AWS or the cache, by result: OK or the error code",
            shared.region_answers.clone(),
        );
        registry.register(
            "aws_requests",
            "HTTP requests to AWS, retries included, by result: OK, AWS's error code, or the HTTP status class",
            shared.requests.clone(),
        );
        registry.register(
            "aws_request_duration_seconds",
            "Duration of HTTP requests to AWS",
            shared.request_seconds.clone(),
        );
        registry.register(
            "aws_wait_duration_seconds",
            "Time that requests to Bedrock waited, by reason: the Rate limit of the identity in the region, or the Concurrency limit on regions",
            shared.waits.clone(),
        );
        registry.register(
            "snapshots",
            "Snapshots of regions served, by source: Cached, Coalesced with a fetch in progress, or Fetched",
            shared.snapshots.clone(),
        );
        registry.register(
            "region_fetches_active",
            "Region fetches in progress or waiting for a permit",
            shared.fetches.clone(),
        );
        registry.register(
            "configmap_writes",
            "ConfigMap writes, by action",
            shared.writes.clone(),
        );
        registry.register(
            "configmap_written_bytes",
            "Bytes written to ConfigMaps",
            shared.written_bytes.clone(),
        );
        registry.register(
            "status_writes",
            "Status writes",
            shared.status_writes.clone(),
        );
        registry.register(
            "kubernetes_requests",
            "HTTP requests to the Kubernetes API, retries included and those for the Lease apart, by result: HTTP status or its class, or error",
            shared.kubernetes_requests.clone(),
        );
        registry.register(
            "leader",
            "1 while this replica is the leader, else 0",
            shared.leader.clone(),
        );
        registry.register(
            "build",
            "Version of the operator",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
    }

    /// Adds a collector that runs at each scrape.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.shared.registry.lock().register_collector(collector);
    }

    /// Writes all metrics in the `OpenMetrics` text format, piece by piece: with thousands of resources they are
    /// hundreds of megabytes.
    pub fn encode(&self, text: &mut impl fmt::Write) -> fmt::Result {
        text::encode(text, &self.shared.registry.lock())
    }

    /// Whether series carry the label `region`.
    pub fn by_region(&self) -> bool {
        self.shared.by_region
    }

    /// Marks this replica as the leader.
    pub fn set_leader(&self) {
        self.shared.leader.set(1);
    }

    /// Counts a reconciliation as in progress until the result is dropped.
    pub fn start_reconcile(&self) -> InProgress {
        in_progress(&self.shared.reconciles_active)
    }

    /// Records a completed reconciliation.
    pub fn observe_reconcile(&self, outcome: &'static str, took: Duration) {
        let outcome = self
            .shared
            .reconciles
            .get_or_create(&OutcomeLabels { outcome });
        outcome.observe(took.as_secs_f64());
    }

    /// Records a completed refresh.
    pub fn observe_refresh(&self, reason: &'static str, took: Duration) {
        let reason = self
            .shared
            .refreshes
            .get_or_create(&ReasonLabels { reason });
        reason.observe(took.as_secs_f64());
    }

    /// Counts a query of a region for a resource.
    pub fn count_region_query(&self, region: &str, code: &'static str) {
        let region = self.region(region);
        let answers = &self.shared.region_answers;
        answers
            .get_or_create(&RegionQueryLabels { region, code })
            .inc();
    }

    /// Records a request to AWS.
    pub fn observe_aws_request(
        &self,
        region: &str,
        operation: &str,
        code: &'static str,
        duration: Duration,
    ) {
        let labels = OperationLabels {
            region: self.region(region),
            operation: operation.to_owned(),
        };
        self.shared
            .request_seconds
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
        let OperationLabels { region, operation } = labels;
        let labels = RequestLabels {
            region,
            operation,
            code,
        };
        self.shared.requests.get_or_create(&labels).inc();
    }

    /// Records the wait of requests to a region.
    pub fn observe_aws_wait(&self, region: &str, reason: &'static str, duration: Duration) {
        let region = self.region(region);
        self.shared
            .waits
            .get_or_create(&WaitLabels { region, reason })
            .observe(duration.as_secs_f64());
    }

    /// Counts a served snapshot of a region.
    pub fn count_snapshot(&self, source: &'static str) {
        let labels = SourceLabels { source };
        self.shared.snapshots.get_or_create(&labels).inc();
    }

    /// Counts a fetch of a region as in progress.
    pub fn count_fetch_start(&self) {
        self.shared.fetches.inc();
    }

    /// Counts a fetch of a region as finished.
    pub fn count_fetch_end(&self) {
        self.shared.fetches.dec();
    }

    /// Counts a write of a `ConfigMap`.
    pub fn count_config_map_write(&self, write: Write, bytes: usize) {
        let action = write.as_str();
        self.shared
            .writes
            .get_or_create(&ActionLabels { action })
            .inc();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.shared.written_bytes.inc_by(bytes);
    }

    /// Counts a write of a status.
    pub fn count_status_write(&self) {
        self.shared.status_writes.inc();
    }

    /// Counts a request to the Kubernetes API.
    pub fn count_kubernetes_request(
        &self,
        verb: &'static str,
        resource: &'static str,
        code: &'static str,
    ) {
        let labels = KubernetesRequestLabels {
            verb,
            resource,
            code,
        };
        self.shared.kubernetes_requests.get_or_create(&labels).inc();
    }

    fn region(&self, name: &str) -> String {
        if !self.shared.by_region {
            // Prometheus treats an empty label as absent.
            return String::new();
        }
        let mut known = self.shared.regions.lock();
        if !known.contains(name) {
            if known.len() >= MAX_REGIONS {
                return OTHER_REGIONS.to_owned();
            }
            known.insert(name.to_owned());
        }
        name.to_owned()
    }
}

fn in_progress(gauge: &Gauge) -> InProgress {
    gauge.inc();
    InProgress(gauge.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut text = String::new();
        metrics.encode(&mut text).unwrap();
        text
    }

    #[test]
    fn region_label_values_are_bounded_and_optional() {
        let metrics = Metrics::new(true);
        for n in 0..500 {
            metrics.count_region_query(&format!("xx-east-{n}"), "OK");
        }
        let found = text(&metrics);
        let series = found.matches("region_answers_total{").count();
        assert_eq!(series, MAX_REGIONS + 1);
        let rest = r#"region_answers_total{region="other",code="OK"} 400"#;
        assert!(found.contains(rest), "{found}");

        let metrics = Metrics::new(false);
        metrics.count_region_query("us-east-1", "OK");
        metrics.observe_aws_request("us-east-1", "ListFoundationModels", "OK", Duration::ZERO);
        assert!(!text(&metrics).contains("us-east-1"));
    }

    #[test]
    fn reconciliation_is_in_progress_until_dropped() {
        let metrics = Metrics::default();
        let (one, two) = (metrics.start_reconcile(), metrics.start_reconcile());
        assert!(text(&metrics).contains("reconciles_active 2\n"));
        drop((one, two));
        assert!(text(&metrics).contains("reconciles_active 0\n"));
    }
}

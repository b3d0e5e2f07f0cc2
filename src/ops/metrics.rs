//! What the operator counts and measures, for Prometheus.
//!
//! Here is what happens: it only ever grows, or says what is under way. How resources stand is
//! read from them at each scrape, so that those that are gone leave nothing behind.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// The start of every metric's name.
pub const PREFIX: &str = "bedrock_model_map";
/// The type of what `/metrics` answers.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Regions that are told apart. AWS has fewer than 50; names that a user makes up share one value.
const MAX_REGIONS: usize = 100;
/// The label of regions beyond those.
const OTHER_REGIONS: &str = "other";

/// Seconds that a look takes: nothing due, milliseconds; a refresh, up to a region's deadline.
const RECONCILE_BUCKETS: [f64; 9] = [0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 20.0, 60.0];
/// Seconds that a refresh takes.
const REFRESH_BUCKETS: [f64; 8] = [0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0];
/// Seconds that requests to AWS are held back: not at all, or as long as it takes.
const WAIT_BUCKETS: [f64; 7] = [0.01, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0];
/// Seconds that a request to AWS takes: an attempt has 6.
const REQUEST_BUCKETS: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 6.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    region: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    region: String,
    operation: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    region: String,
    operation: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Wait {
    region: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

type Timed<L> = Family<L, Histogram, fn() -> Histogram>;

/// All of it. Copies share it.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Mutex<Registry>,
    /// Whether regions are told apart.
    by_region: bool,
    regions: Mutex<BTreeSet<String>>,
    reconciles: Timed<Outcome>,
    reconciles_active: Gauge,
    refreshes: Timed<Reason>,
    region_answers: Family<Answer, Counter>,
    requests: Family<Request, Counter>,
    request_seconds: Timed<Operation>,
    waits: Timed<Wait>,
    snapshots: Family<Source, Counter>,
    fetches: Gauge,
    writes: Family<Action, Counter>,
    written_bytes: Counter,
    status_writes: Counter,
    leader: Gauge,
}

/// Something under way, counted until this is dropped.
#[derive(Debug)]
pub struct UnderWay(Gauge<i64, AtomicI64>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How a `ConfigMap` was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It was not there.
    Create,
    /// It was different.
    Replace,
    /// It is no longer wanted.
    Delete,
}

impl Default for Metrics {
    /// That nobody reads, with regions told apart.
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
    /// Nothing has happened yet. Without `by_region`, no series is of a single region.
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
        let mut registry = shared
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        registry.register(
            "reconcile_duration_seconds",
            "How long looks at a resource took, by what came of them",
            shared.reconciles.clone(),
        );
        registry.register(
            "reconciles_active",
            "Looks at resources under way",
            shared.reconciles_active.clone(),
        );
        registry.register(
            "refresh_duration_seconds",
            "How long refreshes took from the look to the status written, by why they happened",
            shared.refreshes.clone(),
        );
        registry.register(
            "region_answers",
            "Regions asked for a resource, of AWS or of what is known already, by what came of it: OK or the error's code",
            shared.region_answers.clone(),
        );
        registry.register(
            "aws_requests",
            "HTTP requests to AWS, further attempts of the same call included, by what came of them: OK, AWS's word for the error, or its HTTP class",
            shared.requests.clone(),
        );
        registry.register(
            "aws_request_duration_seconds",
            "How long HTTP requests to AWS took",
            shared.request_seconds.clone(),
        );
        registry.register(
            "aws_wait_duration_seconds",
            "How long requests to Bedrock waited, by reason: Rate (requests per second of the identity in the region) or Concurrency (regions fetched at once)",
            shared.waits.clone(),
        );
        registry.register(
            "snapshots",
            "Snapshots of regions served, by source: Cached, Coalesced with a fetch in flight, or Fetched",
            shared.snapshots.clone(),
        );
        registry.register(
            "region_fetches_active",
            "Regions being fetched, those that wait for their turn included",
            shared.fetches.clone(),
        );
        registry.register(
            "configmap_writes",
            "ConfigMaps written",
            shared.writes.clone(),
        );
        registry.register(
            "configmap_written_bytes",
            "Bytes of the ConfigMaps written",
            shared.written_bytes.clone(),
        );
        registry.register(
            "status_writes",
            "Statuses written",
            shared.status_writes.clone(),
        );
        registry.register(
            "leader",
            "1 while this replica does the work, else 0",
            shared.leader.clone(),
        );
        registry.register(
            "build",
            "What runs here",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
    }

    /// Reads more at each scrape.
    pub fn collect(&self, collector: Box<dyn Collector>) {
        let mut registry = self
            .shared
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(collector);
    }

    /// All metrics in the `OpenMetrics` text format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let registry = self
            .shared
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }

    /// Whether series of single regions are wanted.
    pub fn by_region(&self) -> bool {
        self.shared.by_region
    }

    /// This replica does the work from now on.
    pub fn leads(&self) {
        self.shared.leader.set(1);
    }

    /// A look has begun.
    pub fn reconciling(&self) -> UnderWay {
        under_way(&self.shared.reconciles_active)
    }

    /// A look has ended.
    pub fn reconciled(&self, outcome: &'static str, took: Duration) {
        let outcome = self.shared.reconciles.get_or_create(&Outcome { outcome });
        outcome.observe(took.as_secs_f64());
    }

    /// A refresh that took so long has ended.
    pub fn refreshed(&self, reason: &'static str, took: Duration) {
        let reason = self.shared.refreshes.get_or_create(&Reason { reason });
        reason.observe(took.as_secs_f64());
    }

    /// A region was asked for a resource.
    pub fn region_queried(&self, region: &str, code: &'static str) {
        let region = self.region(region);
        let answers = &self.shared.region_answers;
        answers.get_or_create(&Answer { region, code }).inc();
    }

    /// AWS was sent a request.
    pub fn requested(&self, region: &str, operation: &str, code: &'static str, took: Duration) {
        let (region, operation) = (self.region(region), operation.to_owned());
        let request = Request {
            region: region.clone(),
            operation: operation.clone(),
            code,
        };
        self.shared.requests.get_or_create(&request).inc();
        let operation = Operation { region, operation };
        let seconds = self.shared.request_seconds.get_or_create(&operation);
        seconds.observe(took.as_secs_f64());
    }

    /// Requests to a region were held back.
    pub fn waited(&self, region: &str, reason: &'static str, took: Duration) {
        let region = self.region(region);
        let waits = self.shared.waits.get_or_create(&Wait { region, reason });
        waits.observe(took.as_secs_f64());
    }

    /// A region's answer was handed out.
    pub fn snapshot_served(&self, source: &'static str) {
        self.shared
            .snapshots
            .get_or_create(&Source { source })
            .inc();
    }

    /// So many more fetches of regions are under way.
    pub fn fetching(&self, more: i64) {
        self.shared.fetches.inc_by(more);
    }

    /// A `ConfigMap` of so many bytes was written.
    pub fn wrote(&self, write: Write, bytes: usize) {
        let action = match write {
            Write::Create => "Create",
            Write::Replace => "Replace",
            Write::Delete => "Delete",
        };
        self.shared.writes.get_or_create(&Action { action }).inc();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.shared.written_bytes.inc_by(bytes);
    }

    /// A status was written.
    pub fn wrote_status(&self) {
        self.shared.status_writes.inc();
    }

    fn region(&self, name: &str) -> String {
        if !self.shared.by_region {
            // To Prometheus, an empty label is none.
            return String::new();
        }
        let mut known = self
            .shared
            .regions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !known.contains(name) {
            if known.len() >= MAX_REGIONS {
                return OTHER_REGIONS.to_owned();
            }
            known.insert(name.to_owned());
        }
        name.to_owned()
    }
}

fn under_way(gauge: &Gauge) -> UnderWay {
    gauge.inc();
    UnderWay(gauge.clone())
}

/// `/metrics`.
pub fn routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(scraped))
        .with_state(metrics)
}

async fn scraped(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_bounded_and_can_be_left_out() {
        let metrics = Metrics::new(true);
        for n in 0..500 {
            metrics.region_queried(&format!("xx-east-{n}"), "OK");
        }
        let text = metrics.text().unwrap();
        let series = text.matches("region_answers_total{").count();
        assert_eq!(series, MAX_REGIONS + 1);
        let rest = r#"region_answers_total{region="other",code="OK"} 400"#;
        assert!(text.contains(rest), "{text}");

        let metrics = Metrics::new(false);
        metrics.region_queried("us-east-1", "OK");
        metrics.requested("us-east-1", "ListFoundationModels", "OK", Duration::ZERO);
        assert!(!metrics.text().unwrap().contains("us-east-1"));
    }

    #[test]
    fn what_is_under_way_is_counted_until_it_ends() {
        let metrics = Metrics::default();
        let (one, two) = (metrics.reconciling(), metrics.reconciling());
        assert!(metrics.text().unwrap().contains("reconciles_active 2\n"));
        drop((one, two));
        assert!(metrics.text().unwrap().contains("reconciles_active 0\n"));
    }
}

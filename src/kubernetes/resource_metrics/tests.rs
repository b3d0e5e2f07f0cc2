use kube::runtime::{reflector, watcher};
use serde_json::json;

use std::time::Duration;

use kube::ResourceExt as _;

use super::super::own_writes::Source;
use super::*;
use crate::api::ClusterBedrockModelMap;
use crate::aws::{AwsMetrics as _, SnapshotSource, WaitReason};
use crate::kubernetes::cluster_maps::gauges::ClusterMapCollector;
use crate::ops::metrics::{Metrics, Write};

const DOCUMENTATION: &str = include_str!("../../../docs/metrics.md");

/// One that shows everything: a region that fails, a model that ends, a merged mapping.
fn resource(name: &str) -> BedrockModelMap {
    let timestamp = "2026-11-01T00:00:00Z";
    let error = json!({"code": "Throttled", "message": "slow down", "retryAfterSeconds": 30});
    serde_json::from_value(json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": name, "namespace": "team-a", "uid": name},
        "spec": {"refreshInterval": "1h"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "Published", "message": "",
                            "lastTransitionTime": timestamp}],
            "lastRefreshTime": timestamp,
            "nextRefreshTime": "2026-11-01T01:00:00Z",
            "summary": {"regions": 2, "models": 20, "profiles": 8, "associations": 12, "requiringProfile": 6,
                        "stale": 1, "failed": 0, "invocable": 18, "aliases": 4, "aliasesUnresolved": 1},
            "mapping": {"configMap": "c-mapping", "error": {"code": "TargetConflict", "message": "taken"}},
            "regions": {
                "eu-west-1": {"state": "Fresh", "configMap": "c-eu-west-1", "models": 10, "invocable": 9,
                              "lastSuccessTime": timestamp},
                "us-east-1": {"state": "Stale", "configMap": "c-us-east-1", "models": 10,
                              "lastSuccessTime": timestamp, "consecutiveFailures": 3, "error": error},
            },
        },
    }))
    .unwrap()
}

fn cluster_map() -> ClusterBedrockModelMap {
    serde_json::from_value(json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "ClusterBedrockModelMap",
        "metadata": {"name": "claude"},
        "spec": {"namespaceSelector": {}, "template": {}},
        "status": {"namespaces": {"matched": 3, "ready": 2, "conflicting": 1}},
    }))
    .unwrap()
}

fn verified(bytes: usize, legacy: usize, times: &[(&str, &str)]) -> Verified {
    let times = || {
        let times = times.iter();
        times
            .map(|(model, time)| ((*model).to_owned(), time.parse().unwrap()))
            .collect()
    };
    Verified {
        inputs: String::new(),
        resource_version: "1".to_owned(),
        bytes,
        source: Source::Response,
        ends: Some(Arc::new(LifecycleSummary {
            legacy,
            legacy_since: times(),
            extended_access_since: times(),
            end_of_life: times(),
        })),
    }
}

struct Fixture {
    metrics: Metrics,
    resources: reflector::store::Writer<BedrockModelMap>,
    own_writes: Arc<OwnWrites>,
}

impl Fixture {
    fn new(by_region: bool) -> Self {
        let (metrics, own_writes) = (Metrics::new(by_region), Arc::<OwnWrites>::default());
        let (store, resources) = reflector::store();
        metrics.register_collector(Box::new(ResourceCollector {
            resources: [store].into_iter().collect(),
            own_writes: Arc::clone(&own_writes),
            by_region,
        }));
        Self {
            metrics,
            resources,
            own_writes,
        }
    }

    fn with(mut self, resource: BedrockModelMap) -> Self {
        let uid = resource.uid().unwrap();
        let earlier = [("a.model", "2027-01-01T00:00:00Z")];
        let later = [("a.model", "2027-06-01T00:00:00Z")];
        self.own_writes
            .set_verified(&uid, "c-eu-west-1", verified(1000, 1, &earlier));
        self.own_writes
            .set_verified(&uid, "c-us-east-1", verified(2000, 1, &later));
        self.own_writes
            .set_verified(&uid, "c-mapping", verified(1500, 0, &[]));
        // Of another prefix.
        self.own_writes
            .set_verified(&uid, "old-us-east-1", verified(9000, 9, &earlier));
        self.resources
            .apply_watcher_event(&watcher::Event::Apply(resource));
        self
    }

    fn text(&self) -> String {
        let mut text = String::new();
        self.metrics.encode(&mut text).unwrap();
        text
    }

    fn has(&self, line: &str) {
        let text = self.text();
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn gauges_match_status() {
    let fixture = Fixture::new(true).with(resource("claude"));
    let labels = r#"namespace="team-a",name="claude""#;
    for (name, more, value) in [
        ("condition", r#",type="Ready",status="True""#, "1.0"),
        ("suspended", "", "0.0"),
        ("refresh_interval_seconds", "", "3600.0"),
        ("last_refresh_timestamp_seconds", "", "1793491200.0"),
        ("next_refresh_timestamp_seconds", "", "1793494800.0"),
        ("regions", r#",state="Fresh""#, "1.0"),
        ("regions", r#",state="Failed""#, "0.0"),
        ("errors", r#",code="Throttled""#, "1.0"),
        ("errors", r#",code="TargetConflict""#, "1.0"),
        ("models", "", "20.0"),
        ("legacy_models", "", "2.0"),
        ("mapping_bytes", "", "1500.0"),
        ("largest_configmap_bytes", "", "2000.0"),
        (
            "model_legacy_timestamp_seconds",
            r#",model="a.model""#,
            "1798761600.0",
        ),
        (
            "model_extended_access_timestamp_seconds",
            r#",model="a.model""#,
            "1798761600.0",
        ),
        (
            "model_end_of_life_timestamp_seconds",
            r#",model="a.model""#,
            "1798761600.0",
        ),
        (
            "region_state",
            r#",region="us-east-1",state="Stale""#,
            "1.0",
        ),
        (
            "region_consecutive_failures",
            r#",region="us-east-1""#,
            "3.0",
        ),
        (
            "region_retry_after_seconds",
            r#",region="us-east-1""#,
            "30.0",
        ),
        ("region_legacy_models", r#",region="eu-west-1""#, "1.0"),
        ("region_bytes", r#",region="us-east-1""#, "2000.0"),
    ] {
        fixture.has(&format!(
            "bedrock_model_map_{name}{{{labels}{more}}} {value}"
        ));
    }
    assert!(!fixture.text().contains(r#"state="Stale",region"#));
}

#[test]
fn counts_due_resources() {
    let mut suspended = resource("suspended");
    suspended.spec.suspend = true;
    let resources = [resource("one"), resource("two"), suspended];
    let fixture = resources
        .into_iter()
        .fold(Fixture::new(true), Fixture::with);
    fixture.has("bedrock_model_map_resources_due 2.0");
}

#[test]
fn deleted_resource_leaves_no_series() {
    let mut fixture = Fixture::new(true).with(resource("claude"));
    fixture
        .resources
        .apply_watcher_event(&watcher::Event::Delete(resource("claude")));
    assert!(!fixture.text().contains("claude"), "{}", fixture.text());
}

#[test]
fn disabled_region_metrics_omit_region_series() {
    let fixture = Fixture::new(false).with(resource("claude"));
    fixture.metrics.count_region_query("us-east-1", "OK");
    let text = fixture.text();
    assert!(!text.contains("us-east-1"), "{text}");
    fixture.has(r#"bedrock_model_map_legacy_models{namespace="team-a",name="claude"} 2.0"#);
}

#[test]
fn unknown_content_has_no_legacy_models_series() {
    let fixture = Fixture::new(true).with(resource("claude"));
    let mut other = resource("claude");
    other.metadata.uid = Some("not reconciled".to_owned());
    let mut fixture = fixture;
    fixture
        .resources
        .apply_watcher_event(&watcher::Event::Apply(other));
    assert!(!fixture.text().contains("legacy_models{"));
}

/// The documentation's table, as the program has it.
fn table(text: &str) -> String {
    let mut rows = Vec::new();
    for line in text.lines() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        let kind = text
            .lines()
            .find_map(|l| l.strip_prefix(&format!("# TYPE {name} ")))
            .unwrap();
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels = labels(text, name);
        assert!(
            !labels.is_empty() || text.contains(&format!("\n{name}{suffix} ")),
            "{name} has no series"
        );
        let help = help.trim_end_matches('.');
        rows.push(format!(
            "| `{name}{suffix}` | {kind} | {} | {help} |",
            labels.join(", ")
        ));
    }
    rows.join("\n")
}

/// The labels of a metric's series, but for those that its type brings.
fn labels(text: &str, name: &str) -> Vec<String> {
    let suffixes = ["", "_total", "_info", "_count"];
    let starts = suffixes.map(|suffix| format!("{name}{suffix}{{"));
    let series = text
        .lines()
        .find_map(|line| starts.iter().find_map(|start| line.strip_prefix(start)));
    let labels = series.and_then(|series| series.split_once('}'));
    let pairs = labels.map_or("", |(labels, _)| labels).split(',');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(label, _)| format!("`{label}`"))
        .collect()
}

#[test]
fn documentation_lists_every_metric() {
    let fixture = Fixture::new(true).with(resource("claude"));
    let metrics = &fixture.metrics;
    metrics.observe_reconcile("Refreshed", Duration::ZERO);
    metrics.observe_refresh("Due", Duration::ZERO);
    metrics.count_region_query("us-east-1", "OK");
    metrics.request_finished("us-east-1", "ListFoundationModels", "OK", Duration::ZERO);
    metrics.throttle_wait("us-east-1", WaitReason::Rate, Duration::ZERO);
    metrics.snapshot_served(SnapshotSource::Cached);
    metrics.count_config_map_write(Write::Create, 1);
    metrics.count_kubernetes_request("create", "configmaps", "2xx");
    let (maps, mut cluster_maps) = reflector::store();
    cluster_maps.apply_watcher_event(&watcher::Event::Apply(cluster_map()));
    metrics.register_collector(Box::new(ClusterMapCollector { maps }));
    fixture.has(r#"bedrock_model_map_cluster_map_namespaces{name="claude",state="matched"} 3"#);
    let table = table(&fixture.text());
    assert!(
        DOCUMENTATION.contains(&format!("\n{table}\n")),
        "the table in docs/metrics.md should be\n{table}"
    );
}

#[test]
fn suspended_resource_has_no_next_refresh() {
    let mut suspended = resource("claude");
    suspended.spec.suspend = true;
    let fixture = Fixture::new(true).with(suspended);
    fixture.has(r#"bedrock_model_map_suspended{namespace="team-a",name="claude"} 1.0"#);
    assert!(!fixture.text().contains("next_refresh_timestamp_seconds{"));
}

const RULES: &str = include_str!("../../../config/prometheus/rules.yaml");

#[test]
fn rules_and_dashboard_use_existing_metrics() {
    let dashboard = include_str!("../../../config/prometheus/dashboard.json");
    let names = |text: &'static str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("bedrock_model_map_"))
    };
    let known: Vec<&str> = names(DOCUMENTATION).collect();
    for text in [RULES, dashboard] {
        assert!(names(text).count() > 5);
        for name in names(text) {
            // Parts of a histogram.
            let name = name.trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(known.contains(&name), "{name}");
        }
    }
}

#[test]
fn runbook_sections_match_alerts() {
    let runbook = include_str!("../../../docs/runbook.md");
    let alerts = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(alerts.collect::<Vec<_>>(), sections.collect::<Vec<_>>());
    let linked = RULES
        .lines()
        .filter_map(|line| line.rsplit_once("runbook.md#"));
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let sections: Vec<String> = sections.map(str::to_lowercase).collect();
    assert_eq!(
        linked.map(|(_, anchor)| anchor).collect::<Vec<_>>(),
        sections
    );
}

//! Dashboard and alerts, with a real Prometheus that scrapes a running operator.
//!
//! Ignored by default, as it takes Prometheus: `make test-dashboard`.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use bedrock_simulator::{Fault, FaultRule};
use control_plane::Program;
use serde_json::{Value, json};

use crate::support::{Fixture, catalog_of, eventually, http_get};

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "us-west-2"];
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus");

/// A Prometheus that scrapes the operator every second and evaluates the alerts.
struct Prometheus {
    address: String,
    _program: Program,
}

impl Prometheus {
    async fn scraping(fixture: &Fixture) -> Self {
        let target =
            eventually(async || fixture.operator.http_address().ok_or("no HTTP server")).await;
        // Free at this moment; if another process takes it first, the test fails.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let control_plane = fixture.cluster.control_plane;
        let folder = control_plane.folder();
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [format!("{CONFIG}/rules.yaml")],
            "scrape_configs": [{"job_name": "operator", "honor_labels": true,
                                "static_configs": [{"targets": [target],
                                                    "labels": {"cluster": "production"}}]}],
        });
        let file = folder.join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        let arguments = vec![
            format!("--config.file={}", file.display()),
            format!(
                "--storage.tsdb.path={}",
                folder.join("prometheus").display()
            ),
            format!("--web.listen-address={address}"),
        ];
        let program = control_plane.program("prometheus", Path::new("prometheus"), arguments);
        program.start().unwrap();
        eventually(async || {
            program.check().map_err(|error| error.to_string())?;
            match http_get(&address, "/-/ready").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        Self {
            address,
            _program: program,
        }
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let (status, body) = http_get(&self.address, path)
            .await
            .map_err(|e| e.to_string())?;
        let answer: Value = serde_json::from_str(&body).map_err(|_| format!("{status}: {body}"))?;
        if answer["status"] == "success" {
            return Ok(answer["data"].clone());
        }
        Err(answer.to_string())
    }

    /// How many series the query gives.
    async fn series(&self, query: &str) -> Result<usize, String> {
        let data = self
            .get(&format!("/api/v1/query?query={}", encoded(query)))
            .await?;
        Ok(data["result"].as_array().map_or(0, Vec::len))
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The queries of all panels and of the variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let of_panels = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let of_variables = variables.filter_map(|variable| {
        let values = variable["definition"].as_str()?;
        let values = values.strip_prefix("label_values(")?;
        values.rsplit_once(',').map(|(query, _)| query.to_owned())
    });
    of_panels.chain(of_variables).collect()
}

/// As Grafana fills it in when one cluster and all of it is chosen.
fn filled_in(query: &str) -> String {
    let query = query.replace("$cluster", "production");
    let query = query.replace("$namespace", ".*").replace("$name", ".*");
    query.replace("$__rate_interval", "1m")
}

#[tokio::test]
#[ignore = "takes Prometheus: make test-dashboard"]
async fn every_dashboard_query_returns_data() {
    let fixture = Fixture::new(catalog_of(&REGIONS), &[]).await;
    let prometheus = Prometheus::scraping(&fixture).await;
    // Seen before anything happens: what is counted later has a rate.
    let seen = async || match prometheus.series("bedrock_model_map_leader == 1").await {
        Ok(1) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually(seen).await;
    let denied = FaultRule::new(Fault::AccessDenied).region("us-west-2");
    fixture.simulator.faults().add(denied);
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.settled("claude").await;

    let text = fs::read_to_string(format!("{CONFIG}/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let queries = queries(&dashboard);
    assert!(queries.len() > 30, "{queries:?}");
    let mut minutes = 60;
    for query in &queries {
        let filled_in = filled_in(query);
        eventually(async || {
            // A rate takes two samples, and something that grows between them.
            minutes += 1;
            let interval = format!("{minutes}m");
            let spec = json!({"spec": {"refreshInterval": interval}});
            fixture.patch("claude", spec).await;
            fixture.settled("claude").await;
            match prometheus.series(&filled_in).await {
                Ok(0) => Err(format!("no data for {filled_in}")),
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{filled_in}: {error}")),
            }
        })
        .await;
    }

    // Each alert can be evaluated with what there is.
    let rules = prometheus.get("/api/v1/rules").await.unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 5);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let firing = prometheus
        .series(r#"ALERTS{alertname="BedrockModelMapRegionFailing",cluster="production"}"#)
        .await;
    assert_eq!(firing, Ok(1));
}

/// Prometheus above scrapes `OpenMetrics`; this is the format of clients that do not name it.
#[tokio::test]
#[ignore = "takes Prometheus: make test-dashboard"]
async fn text_metrics_pass_promtool() {
    let fixture = Fixture::new(catalog_of(&REGIONS), &[]).await;
    fixture
        .create("claude", json!({ "regions": REGIONS }))
        .await;
    fixture.sound("claude").await;
    let (_, text) = fixture.operator.http_get("/metrics").await;
    assert!(text.contains("\nbedrock_model_map_models{"), "{text}");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

//! Consumers of what `render` prints: run, or represented by their definitions.
//!
//! `make test-consumers` runs these: they install LiteLLM with pip, and read definitions that the consumers publish.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use control_plane::ControlPlane;
use control_plane::kubectl::Kubectl;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::cluster::Stage;
use crate::support::{ask, bedrock, path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const REGION: &str = "us-east-1";
const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-lite-v1:0";
/// Only this test's LiteLLM accepts it.
const KEY: &str = "sk-0123456789abcdef0123456789abcdef";
/// Installing LiteLLM takes a minute, starting it ten seconds.
const START_TIMEOUT: Duration = Duration::from_mins(8);
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);

/// The proxy of LiteLLM, which ends when this is dropped.
struct LiteLlm {
    process: Child,
    address: SocketAddr,
}

impl Drop for LiteLlm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl LiteLlm {
    async fn start(folder: &Path, bedrock: &str) -> Self {
        let config = folder.join("config.yaml");
        let include = json!({"include": [folder.join("litellm.yaml")]});
        fs::write(&config, include.to_string()).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let process = Command::new(format!("{ROOT}/tools/python.sh"))
            .arg(format!("{ROOT}/tests/cli/consumers/requirements.txt"))
            .args([
                "-c",
                "from litellm.proxy.proxy_cli import run_server; run_server()",
            ])
            .args(["--host", "127.0.0.1", "--config", path(&config), "--port"])
            .arg(address.port().to_string())
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_MASTER_KEY", KEY)
            .env("AWS_BEDROCK_RUNTIME_ENDPOINT", bedrock)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut started = Self { process, address };
        let deadline = Instant::now() + START_TIMEOUT;
        while started
            .request("GET", "/health/liveliness", "")
            .await
            .is_none()
        {
            let ended = started.process.try_wait().unwrap();
            let log = || fs::read_to_string(folder.join("log")).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{}", log());
            sleep(Duration::from_millis(200)).await;
        }
        started
    }

    /// The body of a successful response. The simulated Bedrock responds meanwhile.
    async fn request(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let exchange = async {
            let mut connection = TcpStream::connect(self.address).await?;
            connection.write_all(request.as_bytes()).await?;
            let mut response = String::new();
            connection.read_to_string(&mut response).await?;
            Ok::<_, std::io::Error>(response)
        };
        let response = timeout(RESPONSE_TIMEOUT, exchange).await.unwrap().ok()?;
        let (head, body) = response.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }

    /// What the model of this name says.
    async fn chat(&self, model: &str) -> Option<String> {
        let request = json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]});
        let request = request.to_string();
        let body = self
            .request("POST", "/v1/chat/completions", &request)
            .await?;
        let said: Value = serde_json::from_str(&body).unwrap();
        Some(
            said["choices"][0]["message"]["content"]
                .as_str()?
                .to_owned(),
        )
    }
}

#[tokio::test]
#[ignore = "installs LiteLLM from PyPI: make test-consumers"]
async fn litellm_routes_an_alias_by_the_published_fragment_and_follows_its_change() {
    let stage = Stage::start().await;
    stage.install().await;
    let aliases = json!([{"name": "chat", "models": ["anthropic.claude-sonnet-4-5-*", NOVA]}]);
    stage
        .create("claude", json!({"regions": [REGION], "aliases": aliases}))
        .await;
    stage.published("claude").await;
    let kubectl = Kubectl::of(&stage.control_plane);
    let folder = tempfile::tempdir().unwrap();
    let publish = async || {
        let file = "jsonpath={.data.litellm\\.yaml}";
        let get = ["get", "configmap", "claude-us-east-1-aliases", "-o", file];
        let fragment = kubectl.run(&get).await.unwrap();
        let render = [
            "render", "claude", "--region", REGION, "--format", "litellm",
        ];
        assert_eq!(stage.get(&render).await.well(), fragment);
        fs::write(folder.path().join("litellm.yaml"), fragment).unwrap();
    };
    let url = stage.simulator.url();

    publish().await;
    let proxy = LiteLlm::start(folder.path(), &url).await;
    let said = proxy.chat("chat").await.unwrap();
    assert_eq!(said, format!("us.{SONNET} in {REGION} heard you."));
    assert_eq!(proxy.chat("other").await, None);

    stage.simulator.edit_catalog(|catalog| {
        catalog.remove_model(REGION, SONNET);
    });
    stage.get(&["get", "claude", "--refresh"]).await.well();
    publish().await;
    drop(proxy);
    let proxy = LiteLlm::start(folder.path(), &url).await;
    let said_then = proxy.chat("chat").await.unwrap();
    assert_eq!(said_then, format!("{NOVA} in {REGION} heard you."));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let requests: Vec<_> = log
        .lines()
        .filter(|line| line.contains("POST /v1"))
        .collect();
    assert_eq!(requests.len(), 3, "{log}");
    println!("{}\n{said}\n{said_then}", requests.join("\n"));
}

/// The definitions, as JSON or YAML files, in the folder that the variable names.
#[tokio::test]
#[ignore = "needs CONSUMER_CRDS, a folder with the definitions of Envoy AI Gateway and kagent: make test-consumers"]
async fn rendered_resources_are_accepted_by_the_definitions_of_their_consumers() {
    let definitions = std::env::var("CONSUMER_CRDS").expect("set CONSUMER_CRDS");
    let control_plane = ControlPlane::start().await.unwrap();
    let kubectl = Kubectl::of(&control_plane);
    kubectl.run(&["create", "-f", &definitions]).await.unwrap();
    let established = [
        "wait",
        "--for=condition=Established",
        "crd",
        "--all",
        "--timeout=60s",
    ];
    kubectl.run(&established).await.unwrap();

    let simulator = bedrock().await;
    let names: Vec<String> = (0..64)
        .map(|n| format!("m{n}=anthropic.claude-sonnet-4-5-*"))
        .collect();
    let aliases: Vec<&str> = names.iter().flat_map(|name| ["--alias", name]).collect();
    let mut created = BTreeSet::new();
    for format in ["envoy-ai-gateway", "kagent"] {
        let base = ["render", "--live", "--region", REGION, "--format", format];
        let rendered = ask(&simulator, &[&base[..], &aliases].concat())
            .await
            .well();
        // Strict: an unknown field is an error.
        let create = ["create", "--validate=strict", "-o", "name", "-f", "-"];
        let names = kubectl.run_with(&create, &rendered).await.unwrap();
        created.extend(names.lines().map(str::to_owned));
        let wrong = rendered
            .replace("\"AWSBedrock\"", "\"Bedrock\"")
            .replace("provider: \"Bedrock\"", "provider: \"Nova\"");
        assert!(wrong != rendered);
        let refused = ["replace", "--validate=strict", "-f", "-"];
        let refused = kubectl
            .run_with(&refused, &wrong)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("Unsupported value"), "{refused}");
    }
    let of = |kind: &str| created.iter().filter(|name| name.starts_with(kind)).count();
    assert_eq!(of("aigatewayroute."), 5, "{created:?}");
    assert_eq!(of("modelconfig."), 64, "{created:?}");
    assert_eq!(created.len(), 5 + 4 + 64);
    println!(
        "created: {}",
        created
            .into_iter()
            .filter(|name| !name.contains("/m"))
            .collect::<Vec<_>>()
            .join(", ")
    );
}

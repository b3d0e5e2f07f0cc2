//! A way to the API server on which some requests get errors, or no answer.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::random::Random;
use crate::support::Cluster;

/// Gone when dropped.
pub struct Unreliable {
    kubeconfig: PathBuf,
    way: Arc<Way>,
    server: JoinHandle<()>,
}

struct Way {
    client: Client,
    fails: AtomicBool,
    failed: AtomicU64,
    random: Mutex<Random>,
}

impl Unreliable {
    pub async fn to(cluster: &Cluster, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Way {
            client: cluster.client().await,
            fails: AtomicBool::new(false),
            failed: AtomicU64::new(0),
            random: Mutex::new(Random(seed)),
        });
        let router = Router::new().fallback(forward).with_state(Arc::clone(&way));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = cluster.control_plane.folder();
        let kubeconfig = folder.join(format!("kubeconfig-unreliable-{}", address.port()));
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        });
        std::fs::write(&kubeconfig, content.to_string()).unwrap();
        Self {
            kubeconfig,
            way,
            server,
        }
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Whether it is unreliable from now on.
    pub fn fails(&self, fails: bool) {
        self.way.fails.store(fails, Ordering::Relaxed);
    }

    /// How many requests went wrong.
    pub fn failed(&self) -> u64 {
        self.way.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Unreliable {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(State(way): State<Arc<Way>>, request: Request) -> Response {
    let outcome = way.random.lock().unwrap().below(12);
    if way.fails.load(Ordering::Relaxed) && outcome < 4 {
        way.failed.fetch_add(1, Ordering::Relaxed);
        return match outcome {
            0 => refusal(409, "Conflict"),
            1 => refusal(429, "TooManyRequests"),
            2 => refusal(500, "InternalError"),
            _ => std::future::pending().await,
        };
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return refusal(400, "BadRequest");
    };
    let mut onward = axum::http::Request::builder()
        .method(parts.method)
        .uri(parts.uri.path_and_query().unwrap().as_str())
        .body(kube::client::Body::from(body.to_vec()))
        .unwrap();
    for name in ["accept", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            onward.headers_mut().insert(name, value.clone());
        }
    }
    match way.client.send(onward).await {
        Ok(answer) => answer.map(Body::new),
        Err(_) => refusal(502, "BadGateway"),
    }
}

fn refusal(code: u16, reason: &str) -> Response {
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure",
                        "code": code, "reason": reason, "message": "chaos"});
    Response::builder()
        .status(StatusCode::from_u16(code).unwrap())
        .header("content-type", "application/json")
        .body(Body::from(status.to_string()))
        .unwrap()
}

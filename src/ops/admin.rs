//! The operator's own HTTP server, for probes and what else is asked of it.
//!
//! Whoever reaches the Pod can ask: each connection carries one request, has a deadline, and there
//! are only so many at once.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::readiness::Readiness;
use super::watchdog::Watchdog;

/// How long a request may take to arrive and to be answered.
const DEADLINE: Duration = Duration::from_secs(10);
/// Connections at once; further ones wait for their turn.
const CONNECTIONS: usize = 256;
/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The wait after a connection could not be accepted: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; is it this machine's, and free? See --bind-address")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// A server that listens, and answers once it is told how.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
}

impl AdminServer {
    /// Listens on the address, which is logged: port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = listen(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, "serves probes");
        Ok(Self { listener })
    }

    /// Serves until it is dropped, which breaks off no connection.
    pub async fn serve(self, routes: Router) -> Infallible {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let routes = routes.clone();
                    tokio::spawn(async move {
                        // A client that is late, or breaks off, notices by itself.
                        let _ = timeout(DEADLINE, serve_request(stream, routes)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Listens on the address. On a node without IPv6, `[::]` means all IPv4 addresses.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error)
            if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                && error.kind() != io::ErrorKind::AddrInUse =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        outcome => outcome,
    }
}

async fn serve_request(stream: TcpStream, routes: Router) -> hyper::Result<()> {
    let service = TowerToHyperService::new(routes);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// How the operator is. Copies share it.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether it can do its work.
    pub readiness: Readiness,
    /// Whether it makes progress.
    pub watchdog: Watchdog,
}

/// `/livez` and `/readyz`.
pub fn probes(health: Health) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn live(State(health): State<Health>) -> (StatusCode, String) {
    let answer = answered("not live: ", &health.watchdog.overdue());
    if answer.0 != StatusCode::OK {
        // Whoever looks for the cause of a restart finds it here: a kubelet keeps only the status.
        tracing::error!("{}", answer.1.trim_end());
    }
    answer
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    answered("not ready: waiting for ", &health.readiness.pending())
}

fn answered(but: &str, reasons: &[String]) -> (StatusCode, String) {
    match reasons {
        [] => (StatusCode::OK, "ok\n".to_owned()),
        reasons => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{but}{}\n", reasons.join(", ")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn health() -> Health {
        Health {
            readiness: Readiness::new("a list"),
            watchdog: Watchdog::default(),
        }
    }

    async fn served(health: &Health) -> SocketAddr {
        let server = AdminServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.listener.local_addr().unwrap();
        tokio::spawn(server.serve(probes(health.clone())));
        address
    }

    /// The status line and the last line of the answer.
    async fn ask(address: SocketAddr, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A client that sent more than the server wanted to read may see a reset.
        let _ = stream.read_to_string(&mut answer).await;
        let line = |line: Option<&str>| line.unwrap_or_default().to_owned();
        (line(answer.lines().next()), line(answer.lines().last()))
    }

    fn get_of(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    #[tokio::test]
    async fn unspecified_ipv6_address_accepts_both_families() {
        let server = AdminServer::bind((Ipv6Addr::UNSPECIFIED, 0).into())
            .await
            .unwrap();
        let port = server.listener.local_addr().unwrap().port();
        tokio::spawn(server.serve(probes(health())));
        let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
        let loopbacks = [
            Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            has_ipv6.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for loopback in loopbacks.into_iter().flatten() {
            let (status, _) = ask((loopback, port).into(), &get_of("/livez")).await;
            assert_eq!(status, "HTTP/1.1 200 OK", "{loopback}");
        }
    }

    #[tokio::test]
    async fn readyz_names_pending_prerequisites() {
        let health = health();
        let address = served(&health).await;
        let (status, text) = ask(address, &get_of("/readyz")).await;
        assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(text, "not ready: waiting for a list");
        health.readiness.complete("a list");
        let (status, text) = ask(address, &get_of("/readyz")).await;
        assert_eq!([status.as_str(), &text], ["HTTP/1.1 200 OK", "ok"]);
    }

    #[tokio::test]
    async fn livez_names_overdue_deadlines_and_ignores_readiness() {
        let health = health();
        let address = served(&health).await;
        assert_eq!(ask(address, &get_of("/livez")).await.0, "HTTP/1.1 200 OK");
        let late = health.watchdog.expect("a reconciliation", Duration::ZERO);
        let (status, text) = ask(address, &get_of("/livez")).await;
        assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
        assert!(
            text.starts_with("not live: a reconciliation is overdue"),
            "{text}"
        );
        drop(late);
        assert_eq!(ask(address, &get_of("/livez")).await.0, "HTTP/1.1 200 OK");
    }

    #[tokio::test]
    async fn oversized_request_head_is_rejected() {
        let address = served(&health()).await;
        let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(10 * MAX_HEAD_BYTES));
        let (status, _) = ask(address, &endless).await;
        assert!(!status.contains("200"), "{status}");
        assert_eq!(ask(address, &get_of("/livez")).await.0, "HTTP/1.1 200 OK");
    }

    #[tokio::test]
    async fn bind_error_names_taken_address() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = AdminServer::bind(address).await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("--bind-address"), "{error}");
    }
}

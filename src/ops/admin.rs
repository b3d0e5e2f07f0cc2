//! HTTP server of the operator, for probes and metrics.
//!
//! Every Pod of the cluster may be able to connect. So each connection carries one request with a
//! deadline, the server accepts at once, and a connection beyond the limits replaces the oldest
//! one that has sent nothing: idle connections cannot keep a probe waiting.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::readiness::Readiness;
use super::watchdog::Watchdog;

/// Time for the head of a request to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a request to arrive and for its response to be read.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Open connections without a request.
const MAX_SILENT: usize = 512;
/// Open connections with a request.
const MAX_ACTIVE: usize = 256;
/// Longest head of a request.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Pause after a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Error of a server that cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}: {source}; set --bind-address to a free address of this machine"
)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// HTTP server that listens, but does not serve yet.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
}

impl AdminServer {
    /// Listens on the address and logs it: port 0 selects a free port.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = listen(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, "serving probes and metrics");
        Ok(Self { listener })
    }

    /// Serves until dropped; open connections finish.
    pub async fn serve(self, routes: Router) -> Infallible {
        let connections = Connections::default();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let connection = connections.open();
                    tokio::spawn(serve_connection(stream, routes.clone(), connection));
                    // Requests that have arrived are read before the next connection is accepted.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    connections.evict_oldest();
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

async fn serve_connection(stream: TcpStream, routes: Router, connection: Connection) {
    let service = service_fn(|request: Request<Incoming>| {
        connection.activate();
        routes.clone().oneshot(request.map(axum::body::Body::new))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // Late and aborted clients notice by themselves.
        _ = timeout(REQUEST_TIMEOUT, served) => {}
        () = connection.evicted.notified() => {}
    }
}

/// Open connections by age. Clones share them.
#[derive(Clone, Debug, Default)]
struct Connections {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    /// Connections without a request.
    silent: BTreeMap<u64, Arc<Notify>>,
    /// Connections with a request.
    active: BTreeMap<u64, Arc<Notify>>,
}

/// One open connection.
#[derive(Debug)]
struct Connection {
    id: u64,
    evicted: Arc<Notify>,
    connections: Connections,
}

impl Connections {
    /// Adds a connection; beyond the limit, evicts the oldest silent one.
    fn open(&self) -> Connection {
        let mut open = self.open.lock();
        let id = open.next_id;
        open.next_id += 1;
        let evicted = Arc::new(Notify::new());
        open.silent.insert(id, Arc::clone(&evicted));
        if open.silent.len() > MAX_SILENT {
            evict(&mut open.silent);
        }
        Connection {
            id,
            evicted,
            connections: self.clone(),
        }
    }

    /// Frees a file descriptor.
    fn evict_oldest(&self) {
        let mut open = self.open.lock();
        if !evict(&mut open.silent) {
            evict(&mut open.active);
        }
    }
}

impl Connection {
    /// Marks that the request has arrived; beyond the limit, evicts the oldest active connection.
    fn activate(&self) {
        let mut open = self.connections.open.lock();
        let Some(evicted) = open.silent.remove(&self.id) else {
            return;
        };
        open.active.insert(self.id, evicted);
        if open.active.len() > MAX_ACTIVE {
            evict(&mut open.active);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.silent.remove(&self.id);
        open.active.remove(&self.id);
    }
}

/// Evicts the oldest connection, if there is one.
fn evict(connections: &mut BTreeMap<u64, Arc<Notify>>) -> bool {
    let oldest = connections.pop_first();
    if let Some((_, evicted)) = &oldest {
        evicted.notify_one();
    }
    oldest.is_some()
}

/// Health of the operator. Clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    /// Source of `/readyz`.
    pub readiness: Readiness,
    /// Source of `/livez`.
    pub watchdog: Watchdog,
}

/// Routes `/livez` and `/readyz`.
pub fn probes(health: Health) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn live(State(health): State<Health>) -> (StatusCode, String) {
    let (status, text) = probe("not live: ", &health.watchdog.overdue());
    if status != StatusCode::OK {
        // The kubelet records the status only; the log keeps the cause of the restart.
        tracing::error!("{}", text.trim_end());
    }
    (status, text)
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    probe("not ready: waiting for ", &health.readiness.pending())
}

fn probe(failure: &str, reasons: &[String]) -> (StatusCode, String) {
    match reasons {
        [] => (StatusCode::OK, "ok\n".to_owned()),
        reasons => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{failure}{}\n", reasons.join(", ")),
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

    async fn serve(health: &Health) -> SocketAddr {
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
        let address = serve(&health).await;
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
        let address = serve(&health).await;
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
        let address = serve(&health()).await;
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

    /// Probes while idle connections fill the server, as a kubelet would.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn idle_connections_do_not_delay_probes() {
        let address = serve(&health()).await;
        let mut idle = Vec::new();
        for round in 0..6 {
            while idle.len() < 1300 {
                idle.push(TcpStream::connect(address).await.unwrap());
            }
            let request = get_of("/livez");
            let probe = timeout(Duration::from_secs(5), ask(address, &request));
            let (status, _) = probe.await.unwrap();
            assert_eq!(status, "HTTP/1.1 200 OK", "probe {round}");
            // The attacker replaces connections that the server has closed.
            idle.drain(..200);
        }
    }

    #[tokio::test]
    async fn silent_connection_is_closed_within_head_timeout() {
        let address = serve(&health()).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut response = Vec::new();
        let closed = silent.read_to_end(&mut response);
        let _ = timeout(HEAD_TIMEOUT * 2, closed).await.unwrap();
    }

    #[test]
    fn newcomers_evict_oldest_silent_connection_first() {
        let connections = Connections::default();
        let (oldest, active) = (connections.open(), connections.open());
        active.activate();
        let newer: Vec<_> = (0..MAX_SILENT).map(|_| connections.open()).collect();
        let is_open = |connection: &Connection| {
            let open = connections.open.lock();
            open.silent.contains_key(&connection.id) || open.active.contains_key(&connection.id)
        };
        assert!(!is_open(&oldest));
        assert!(is_open(&active) && newer.iter().all(is_open));
        drop((newer, active));
        let open = connections.open.lock();
        assert_eq!((open.silent.len(), open.active.len()), (0, 0));
    }
}

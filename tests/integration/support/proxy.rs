//! A way to the API server on which connections can be held up.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use control_plane::ControlPlane;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Gone when dropped, with its connections.
pub struct Proxy {
    kubeconfig: PathBuf,
    accepted: Arc<AtomicUsize>,
    /// Of the connections, in the order in which they came, this many first ones carry nothing more.
    held: watch::Sender<usize>,
    server: JoinHandle<()>,
}

impl Proxy {
    pub async fn to(control_plane: &ControlPlane) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let direct = fs::read_to_string(control_plane.kubeconfig()).unwrap();
        let (_, rest) = direct.split_once("server: https://").unwrap();
        let upstream = rest.lines().next().unwrap().to_owned();
        let name = format!("kubeconfig-of-proxy-{}", address.port());
        let kubeconfig = control_plane.folder().join(name);
        fs::write(&kubeconfig, direct.replace(&upstream, &address.to_string())).unwrap();
        let (accepted, held) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
        let counted = Arc::clone(&accepted);
        let orders = held.subscribe();
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(carry(stream, upstream.clone(), number, orders.clone()));
            }
        });
        Self {
            kubeconfig,
            accepted,
            held,
            server,
        }
    }

    /// That of an administrator, by this way.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The first so many connections stay, and carry nothing more.
    pub fn hold_first(&self, connections: usize) {
        self.held.send_replace(connections);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn carry(
    mut near: TcpStream,
    upstream: String,
    number: usize,
    mut held: watch::Receiver<usize>,
) {
    let mut far = TcpStream::connect(upstream).await.unwrap();
    let is_held = async {
        let _ = held.wait_for(|held| number < *held).await;
    };
    tokio::select! {
        () = is_held => std::future::pending().await,
        _ = copy_bidirectional(&mut near, &mut far) => {}
    }
}

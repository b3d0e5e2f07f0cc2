//! Whether a server of the control plane answers as it should.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Error;

/// A healthy server answers in milliseconds; after this time the request is repeated.
const ANSWER: Duration = Duration::from_secs(5);

/// Whether etcd has a leader and takes requests.
pub(crate) async fn etcd_is_healthy(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(ANSWER, ask).await;
    matches!(answer, Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 "))
}

/// The API server, queried as the administrator. Belongs to the runtime in which it was made.
pub(crate) struct ApiServer(Client);

impl ApiServer {
    pub(crate) async fn new(kubeconfig: &Path) -> Result<Self, Error> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // Taken from the environment, and of no use on loopback.
        config.proxy_url = None;
        // The caller retries, and checks in between that the server still runs.
        config.default_retry = false;
        Ok(Self(Client::try_from(config)?))
    }

    /// Whether a path can be read.
    pub(crate) async fn has(&self, path: &str) -> bool {
        let Ok(request) = http::Request::get(path).body(Vec::new()) else {
            return false;
        };
        let answer = tokio::time::timeout(ANSWER, self.0.request_text(request)).await;
        matches!(answer, Ok(Ok(_)))
    }
}

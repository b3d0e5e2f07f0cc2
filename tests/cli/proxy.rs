//! A cluster that is reached by a proxy, as in many companies.

use std::net::SocketAddr;

use kube::config::Kubeconfig;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::Stage;
use crate::support::{path, run};

/// A name that does not resolve (RFC 6761): only the proxy knows where it is.
const HOST: &str = "cluster.invalid";

pub async fn reaches_the_cluster(stage: &Stage) {
    let mut kubeconfig = Kubeconfig::read_from(stage.control_plane.kubeconfig()).unwrap();
    let cluster = kubeconfig.clusters[0].cluster.as_mut().unwrap();
    let server: http::Uri = cluster.server.as_ref().unwrap().parse().unwrap();
    let address = server.authority().unwrap().as_str().parse().unwrap();
    cluster.server = Some(format!("https://{HOST}"));
    cluster.tls_server_name = Some("127.0.0.1".to_owned());
    let file = stage.control_plane.folder().join("proxied.yaml");
    std::fs::write(&file, serde_json::to_vec(&kubeconfig).unwrap()).unwrap();

    let proxy = connect_proxy(address).await;
    let get = async |no_proxy| {
        let variables = [
            ("KUBECONFIG", path(&file)),
            ("HTTPS_PROXY", proxy.as_str()),
            ("NO_PROXY", no_proxy),
        ];
        run(&variables, &["get", "small", "-o", "json"]).await
    };
    let expected = stage.published("small").await;
    for elsewhere in ["", "example.com,10.0.0.0/8"] {
        assert!(get(elsewhere).await.well() == expected, "{elsewhere}");
    }
    let direct = get("example.com,.invalid").await;
    direct.failed(1, "the cluster does not respond");
}

/// Connects clients of [`HOST`] to this address. Returns its own address.
async fn connect_proxy(to: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(tunnel(stream, to));
        }
    });
    format!("http://{address}")
}

async fn tunnel(stream: TcpStream, to: SocketAddr) {
    let mut client = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        client.read_line(&mut head).await.unwrap();
    }
    assert!(head.starts_with(&format!("CONNECT {HOST}:443 ")), "{head}");
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut server = TcpStream::connect(to).await.unwrap();
    // Ends when one of them does; how is of no interest.
    drop(copy_bidirectional(&mut client, &mut server).await);
}

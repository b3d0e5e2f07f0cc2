//! Access to a local endpoint for tests.

use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::client::{Aws, Limits};
use super::metrics::NoMetrics;

/// Calls every service at this URL.
pub(super) fn aws_at(url: &str) -> Aws {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard())
        .build();
    Aws::new(config, Limits::default(), Arc::new(NoMetrics))
}

/// The URL of a server that sends this body in response to every request.
pub(super) async fn server_of(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 65536];
            if connection.read(&mut request).await.is_ok() {
                // The client stops to read at its limit.
                let _ = connection.write_all(response.as_bytes()).await;
            }
        }
    });
    format!("http://{address}")
}

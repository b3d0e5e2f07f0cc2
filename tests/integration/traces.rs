//! Traces, as a collector gets them.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Fixture, Operator, OperatorOptions, catalog_of, eventually};

const REGION: &str = "us-west-1";

/// A collector that keeps the requests as they came: head and body.
struct Collector {
    endpoint: String,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let request = read(stream).await;
                kept.lock().unwrap().push(request);
            }
        });
        Self { endpoint, requests }
    }

    /// Whether a request has all of these: Protobuf keeps text as it is.
    fn got(&self, texts: &[&str]) -> bool {
        let requests = self.requests.lock().unwrap();
        requests.iter().any(|request| {
            let request = String::from_utf8_lossy(request);
            texts.iter().all(|text| request.contains(text))
        })
    }
}

/// Reads a request to its end, and answers that all is well.
async fn read(mut stream: TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let length = text
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.lines().next()?.parse::<usize>().ok());
        let head = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let (Some(length), Some(head)) = (length, head)
            && request.len() >= head + 4 + length
        {
            break;
        }
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            break;
        }
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    request
}

fn start(fixture: &Fixture, environment: &[String]) -> Operator {
    fixture.second_operator(&OperatorOptions {
        environment,
        ..OperatorOptions::new(&[])
    })
}

#[tokio::test]
async fn spans_of_a_reconciliation_are_exported() {
    let fixture = Fixture::new(catalog_of(&[REGION]), &[]).await;
    fixture.operator.kill();
    let collector = Collector::start().await;
    let environment = [format!(
        "OTEL_EXPORTER_OTLP_ENDPOINT={}",
        collector.endpoint
    )];
    let operator = start(&fixture, &environment);
    fixture.create("claude", json!({"regions": [REGION]})).await;
    fixture.sound("claude").await;
    let namespace = fixture.namespace.name.as_str();
    let expected = [
        "POST /v1/traces",
        "bedrock-model-map",
        "reconcile",
        "claude",
        namespace,
        "region",
        REGION,
    ];
    eventually(async || collector.got(&expected).then_some(()).ok_or("no such span")).await;
    // What is not sent when it ends is sent then.
    operator.terminate();
    assert!(operator.end().await.success());
}

#[tokio::test]
async fn missing_collector_does_not_affect_reconciliation() {
    let fixture = Fixture::new(catalog_of(&[REGION]), &[]).await;
    fixture.operator.kill();
    let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9".to_owned()];
    let operator = start(&fixture, &environment);
    fixture.create("claude", json!({"regions": [REGION]})).await;
    fixture.sound("claude").await;
    operator.logged(&["BatchSpanProcessor"]).await;
    operator.terminate();
    assert!(operator.end().await.success());
}

#[tokio::test]
async fn collector_url_with_tls_is_rejected() {
    let fixture = Fixture::new(catalog_of(&[REGION]), &[]).await;
    let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT=https://collector:4318".to_owned()];
    let operator = start(&fixture, &environment);
    assert_eq!(operator.end().await.code(), Some(1));
    assert!(
        operator
            .log()
            .contains("https://collector:4318: only http:// endpoints are supported")
    );
}

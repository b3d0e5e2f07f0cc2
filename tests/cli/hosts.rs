//! The hosts that the AWS SDK's variables lead to, as a proxy sees them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::support::run;

/// A proxy that refuses every connection. Returns its URL, and the hosts that were wanted.
async fn refusing_proxy() -> (String, Arc<Mutex<BTreeSet<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let hosts = Arc::<Mutex<BTreeSet<String>>>::default();
    let wanted = Arc::clone(&hosts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap() > 0 {}
            if let Some(host) = head.strip_prefix("CONNECT ") {
                let (host, _) = host.split_once(' ').unwrap();
                wanted.lock().unwrap().insert(host.to_owned());
            }
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
        }
    });
    (url, hosts)
}

#[tokio::test]
async fn variables_of_the_sdk_lead_to_documented_hosts() {
    let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
    let dual_stack = ("AWS_USE_DUALSTACK_ENDPOINT", "true");
    let vpce = "https://vpce-0123.bedrock.us-east-1.vpce.amazonaws.com";
    let endpoint = ("AWS_ENDPOINT_URL_BEDROCK", vpce);
    let none = ("UNRELATED", "");
    let commercial = ["us-east-1", "eu-central-1"];
    for (variable, home, regions, expected) in [
        (
            none,
            "us-east-1",
            &commercial[..],
            &[
                "bedrock.eu-central-1.amazonaws.com:443",
                "bedrock.us-east-1.amazonaws.com:443",
            ][..],
        ),
        (
            fips,
            "us-east-1",
            &commercial,
            &[
                "bedrock-fips.eu-central-1.amazonaws.com:443",
                "bedrock-fips.us-east-1.amazonaws.com:443",
            ],
        ),
        (
            dual_stack,
            "us-east-1",
            &commercial,
            &[
                "bedrock.eu-central-1.api.aws:443",
                "bedrock.us-east-1.api.aws:443",
            ],
        ),
        // One URL for all regions.
        (
            endpoint,
            "us-east-1",
            &commercial,
            &["vpce-0123.bedrock.us-east-1.vpce.amazonaws.com:443"],
        ),
        (
            none,
            "us-gov-west-1",
            &["us-gov-west-1"],
            &["bedrock.us-gov-west-1.amazonaws.com:443"],
        ),
        (
            none,
            "cn-north-1",
            &["cn-north-1"],
            &["bedrock.cn-north-1.amazonaws.com.cn:443"],
        ),
        (
            none,
            "eusc-de-east-1",
            &["eusc-de-east-1"],
            &["bedrock.eusc-de-east-1.amazonaws.eu:443"],
        ),
    ] {
        let (proxy, hosts) = refusing_proxy().await;
        let variables = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", home),
            ("HTTPS_PROXY", proxy.as_str()),
            variable,
        ];
        let named = regions.iter().flat_map(|region| ["--region", *region]);
        let arguments: Vec<&str> = ["discover"].into_iter().chain(named).collect();
        let done = run(&variables, &arguments).await;
        assert_ne!(done.code, 0, "{variable:?}: {done}");
        let hosts = hosts.lock().unwrap();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        assert_eq!(hosts, expected, "{variable:?} {home}: {done}");
    }
}

#[tokio::test]
async fn operator_warns_of_variables_with_unexpected_effects() {
    let variables = [
        ("AWS_ENDPOINT_URL_BEDROCK", "https://vpce.example.com"),
        ("AWS_CA_BUNDLE", "/etc/ca.pem"),
        ("BIND_ADDRESS", "127.0.0.1:0"),
    ];
    let done = run(&variables, &["run"]).await;
    done.failed(1, "no cluster");
    for warned in ["one URL", "AWS_CA_BUNDLE has no effect"] {
        assert!(done.stderr.contains(warned), "{warned}: {done}");
    }
}

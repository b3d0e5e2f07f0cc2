//! The ways to sign in that people use on their machines.

use std::fs;
use std::path::Path;

use axum::{Json, Router, http::HeaderMap, routing::get};
use bedrock_simulator::Simulator;
use serde_json::json;

use crate::support::{Done, bedrock, path, run};

/// Discovers a region with a profile of a configuration whose home is this folder.
async fn discover(simulator: &Simulator, home: &Path, more: &[(&str, &str)]) -> Done {
    let config = home.join("config");
    let url = simulator.url();
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_CONFIG_FILE", path(&config)),
        ("AWS_PROFILE", "work"),
        ("HOME", path(home)),
    ];
    variables.extend(more);
    run(&variables, &["discover", "--region", "eu-west-1"]).await
}

/// The access keys that signed the requests.
fn keys(simulator: &Simulator) -> Vec<String> {
    let mut keys: Vec<_> = simulator
        .requests()
        .into_iter()
        .map(|r| r.identity)
        .collect();
    keys.dedup();
    keys
}

#[tokio::test]
async fn credential_process_of_a_profile_signs_the_requests() {
    let simulator = bedrock().await;
    let home = tempfile::tempdir().unwrap();
    let printed = json!({"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "secret"});
    fs::write(home.path().join("keys.json"), printed.to_string()).unwrap();
    let program = format!("cat {}", home.path().join("keys.json").display());
    let config = format!("[profile work]\ncredential_process = {program}\n");
    fs::write(home.path().join("config"), config).unwrap();
    discover(&simulator, home.path(), &[]).await.well();
    assert_eq!(keys(&simulator), ["AKIAPROCESS"]);

    let failing = "[profile work]\ncredential_process = false\n";
    fs::write(home.path().join("config"), failing).unwrap();
    let done = discover(&simulator, home.path(), &[]).await;
    done.failed(1, "no AWS credentials found");
}

#[tokio::test]
async fn session_of_aws_sso_login_signs_the_requests() {
    let simulator = bedrock().await;
    let home = tempfile::tempdir().unwrap();
    let config = "[profile work]
sso_session = company
sso_account_id = 123456789012
sso_role_name = reader
[sso-session company]
sso_start_url = https://company.awsapps.com/start
sso_region = eu-west-1
";
    fs::write(home.path().join("config"), config).unwrap();
    let portal = portal().await;
    let sso = ("AWS_ENDPOINT_URL_SSO", portal.as_str());
    let done = discover(&simulator, home.path(), &[sso]).await;
    done.failed(1, "no AWS credentials found");

    let token = json!({"accessToken": "of-the-person", "expiresAt": "2999-01-01T00:00:00Z"});
    let cache = home.path().join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    // Named after the SHA-1 of the session's name.
    let file = "71b21161ffa1e6516bcc072aaf5ef38cbe85b511.json";
    fs::write(cache.join(file), token.to_string()).unwrap();
    discover(&simulator, home.path(), &[sso]).await.well();
    assert_eq!(keys(&simulator), ["AKIAPORTAL"]);
}

/// The portal of IAM Identity Center.
async fn portal() -> String {
    let credentials = get(|headers: HeaderMap| async move {
        assert_eq!(headers["x-amz-sso_bearer_token"], "of-the-person");
        Json(json!({"roleCredentials": {
            "accessKeyId": "AKIAPORTAL",
            "secretAccessKey": "secret",
            "sessionToken": "token",
            "expiration": 32_472_144_000_000_i64,
        }}))
    });
    let router = Router::new().route("/federation/credentials", credentials);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test]
async fn session_of_aws_login_signs_the_requests() {
    let simulator = bedrock().await;
    let home = tempfile::tempdir().unwrap();
    let config = "[profile work]\nlogin_session = arn:aws:iam::123456789012:user/dev\n";
    fs::write(home.path().join("config"), config).unwrap();
    let session = json!({
        "accessToken": {
            "accessKeyId": "AKIALOGIN",
            "secretAccessKey": "secret",
            "sessionToken": "token",
            "accountId": "123456789012",
            "expiresAt": "2999-01-01T00:00:00Z",
        },
        "tokenType": "urn:aws:params:oauth:token-type:access_token_sigv4",
        "refreshToken": "unused",
        "idToken": "unused",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "dpopKey": "unused",
    });
    let cache = home.path().join(".aws/login/cache");
    fs::create_dir_all(&cache).unwrap();
    // Named after the SHA-256 of the session's ARN.
    let file = "893f13863f68a08133e541260597f1d60f5bf9b326625782990032cbad201e26.json";
    fs::write(cache.join(file), session.to_string()).unwrap();
    discover(&simulator, home.path(), &[]).await.well();
    assert_eq!(keys(&simulator), ["AKIALOGIN"]);
}

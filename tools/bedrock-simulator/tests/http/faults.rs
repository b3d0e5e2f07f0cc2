//! Faults as clients see them.

use std::time::Duration;

use crate::client::{MODELS, PROFILES, REGIONS, ask, send, signature};
use bedrock_simulator::{Catalog, Fault, FaultRule, Operation, Simulator};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

const REGION: &str = "us-east-1";

/// A simulator with that fault.
async fn with(fault: Fault) -> Simulator {
    let simulator = Simulator::start(Catalog::real().unwrap()).await.unwrap();
    simulator.faults().add(fault);
    simulator
}

#[tokio::test]
async fn errors_have_aws_format() {
    let cases = [
        (
            Fault::Throttling { retry_after: None },
            429,
            "ThrottlingException",
        ),
        (Fault::AccessDenied, 403, "AccessDeniedException"),
        (
            Fault::DeniedByServiceControlPolicy,
            403,
            "AccessDeniedException",
        ),
        (
            Fault::UnrecognizedClient,
            403,
            "UnrecognizedClientException",
        ),
        (Fault::ExpiredToken, 403, "ExpiredTokenException"),
        (Fault::InternalServerError, 500, "InternalServerException"),
    ];
    for (fault, status, code) in cases {
        let simulator = with(fault).await;
        let answer = ask(simulator.address(), REGION, MODELS).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-amzn-errortype"), Some(code));
        assert!(answer.json()["message"].is_string());
        assert_eq!(answer.header("retry-after"), None);
    }
}

#[tokio::test]
async fn access_denied_names_action() {
    let simulator = with(Fault::AccessDenied).await;
    for (request, action) in [
        (MODELS, "bedrock:ListFoundationModels"),
        (PROFILES, "bedrock:ListInferenceProfiles"),
        (REGIONS, "account:ListRegions"),
    ] {
        let answer = ask(simulator.address(), REGION, request).await;
        assert!(answer.body.contains(action), "{}", answer.body);
    }
}

#[tokio::test]
async fn throttling_sends_retry_after() {
    let simulator = with(Fault::Throttling {
        retry_after: Some(3),
    })
    .await;
    assert_eq!(
        ask(simulator.address(), REGION, MODELS)
            .await
            .header("retry-after"),
        Some("3")
    );
    let account = ask(simulator.address(), REGION, REGIONS).await;
    assert_eq!(
        account.header("x-amzn-errortype"),
        Some("TooManyRequestsException")
    );
}

#[tokio::test]
async fn fault_applies_to_named_requests_given_times() {
    let simulator = with(Fault::latency(Duration::ZERO)).await;
    let rule = FaultRule::new(Fault::AccessDenied).region(REGION);
    simulator
        .faults()
        .add(rule.operation(Operation::ListFoundationModels).times(2));
    let status = async |region, request| ask(simulator.address(), region, request).await.status;
    assert_eq!(status("us-west-2", MODELS).await, 200);
    assert_eq!(status(REGION, PROFILES).await, 200);
    assert_eq!(status(REGION, MODELS).await, 403);
    assert_eq!(status(REGION, MODELS).await, 403);
    assert_eq!(status(REGION, MODELS).await, 200);
}

#[tokio::test]
async fn malformed_responses_have_status_200() {
    for (fault, body) in [
        (Fault::MalformedJson, "{\"modelSummaries\": [{"),
        (Fault::MissingList, "{}"),
        (Fault::HtmlPage, "<!DOCTYPE html>"),
    ] {
        let simulator = with(fault).await;
        let answer = ask(simulator.address(), REGION, MODELS).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.starts_with(body), "{}", answer.body);
    }
}

#[tokio::test]
async fn truncated_body_has_half_its_content_length() {
    for slow in [false, true] {
        let simulator = with(Fault::TruncatedBody).await;
        if slow {
            simulator.faults().add(Fault::SlowBody {
                over: Duration::from_millis(20),
            });
        }
        let answer = ask(simulator.address(), REGION, MODELS).await;
        let promised: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.len(), promised / 2);
    }
}

#[tokio::test]
async fn slow_body_is_complete() {
    let over = Duration::from_millis(100);
    let simulator = with(Fault::SlowBody { over }).await;
    let begin = Instant::now();
    let answer = ask(simulator.address(), REGION, MODELS).await;
    assert!(begin.elapsed() >= over);
    assert_eq!(
        answer.json(),
        json!({"modelSummaries": simulator.catalog().models(REGION)})
    );
}

#[tokio::test]
async fn latency_delays_response() {
    let delay = Duration::from_millis(50);
    let simulator = with(Fault::latency(delay)).await;
    let begin = Instant::now();
    assert_eq!(ask(simulator.address(), REGION, MODELS).await.status, 200);
    assert!(begin.elapsed() >= delay);
}

#[tokio::test]
async fn connection_reset_fails_request() {
    let simulator = with(Fault::ConnectionReset).await;
    let signature = signature("AKIDEXAMPLE", REGION);
    let error = send(simulator.address(), MODELS, &signature, "")
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(simulator.total(), 1);
}

#[tokio::test]
async fn hanging_request_ends_with_simulator() {
    let simulator = with(Fault::Hang).await;
    let address = simulator.address();
    let request = tokio::spawn(async move {
        send(address, MODELS, &signature("AKIDEXAMPLE", REGION), "")
            .await
            .is_ok()
    });
    while simulator.total() == 0 {
        tokio::task::yield_now().await;
    }
    timeout(Duration::from_millis(50), std::future::pending::<()>())
        .await
        .unwrap_err();
    assert!(!request.is_finished());
    drop(simulator);
    timeout(Duration::from_secs(10), request)
        .await
        .unwrap()
        .unwrap_err();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shrinking_fault_shortens_list() {
    let simulator = with(Fault::Shrink { keep: 3 }).await;
    assert_eq!(
        ask(simulator.address(), REGION, MODELS).await.ids().len(),
        3
    );
    assert_eq!(
        ask(simulator.address(), REGION, PROFILES).await.ids().len(),
        3
    );
}

#[tokio::test]
async fn reordering_keeps_items_and_depends_on_seed_only() {
    let simulator = with(Fault::Reorder { seed: 1 }).await;
    let one = ask(simulator.address(), REGION, PROFILES).await;
    let again = ask(simulator.address(), REGION, PROFILES).await;
    assert_eq!(one.body, again.body);
    simulator
        .faults()
        .set(vec![Fault::Reorder { seed: 2 }.into()]);
    let other = ask(simulator.address(), REGION, PROFILES).await;
    assert_ne!(one.ids(), other.ids());

    simulator.faults().clear();
    let plain = ask(simulator.address(), REGION, PROFILES).await;
    assert_ne!(plain.json(), one.json());
    assert_eq!(sorted(plain.json()), sorted(one.json()));
    assert_eq!(sorted(plain.json()), sorted(other.json()));
}

/// The value with every array in it sorted.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            items.into()
        }
        Value::Object(object) => object
            .into_iter()
            .map(|(key, value)| (key, sorted(value)))
            .collect(),
        other => other,
    }
}

#[tokio::test]
async fn unknown_fault_adds_values_and_fields() {
    let simulator = with(Fault::UnknownValues).await;
    let models = ask(simulator.address(), REGION, MODELS).await.json();
    assert!(models["simulatedUnknownField"].is_object());
    for model in models["modelSummaries"].as_array().unwrap() {
        assert!(model["simulatedUnknownField"].is_object());
        assert!(model["modelLifecycle"]["simulatedUnknownField"].is_object());
        let modalities = model["inputModalities"].as_array().unwrap();
        assert!(modalities.contains(&json!("SIMULATED_UNKNOWN")), "{model}");
    }
    assert_eq!(
        models["modelSummaries"][0]["modelLifecycle"]["status"],
        "SIMULATED_UNKNOWN"
    );
    let profiles = ask(simulator.address(), REGION, PROFILES).await.json();
    assert_eq!(
        profiles["inferenceProfileSummaries"][0]["status"],
        "SIMULATED_UNKNOWN"
    );
    assert!(
        profiles["inferenceProfileSummaries"][1]["models"][0]["simulatedUnknownField"].is_object()
    );
}

#[tokio::test]
async fn huge_description_fault_enlarges_response() {
    let bytes = 10_000_000;
    let simulator = with(Fault::HugeDescription { bytes }).await;
    let profiles = ask(simulator.address(), REGION, PROFILES).await.json();
    let description = profiles["inferenceProfileSummaries"][0]["description"]
        .as_str()
        .unwrap();
    assert_eq!(description.len(), bytes);
}

#[tokio::test]
async fn faults_are_set_and_requests_read_over_http() {
    let simulator = Simulator::start(Catalog::real().unwrap()).await.unwrap();
    let admin = async |request, body: &str| {
        let json = "Content-Type: application/json\r\n";
        send(simulator.address(), request, json, body)
            .await
            .unwrap()
    };
    let rules = json!([{"region": REGION, "times": 2, "fault": {"throttling": {"retryAfter": 1}}}])
        .to_string();
    assert_eq!(admin("PUT /_simulator/faults", &rules).await.status, 204);
    assert_eq!(ask(simulator.address(), REGION, MODELS).await.status, 429);
    assert_eq!(admin("DELETE /_simulator/faults", "").await.status, 204);
    assert_eq!(ask(simulator.address(), REGION, MODELS).await.status, 200);
    assert_eq!(
        admin("PUT /_simulator/faults", "[{\"fault\": \"flood\"}]")
            .await
            .status,
        422
    );

    let request =
        json!({"region": REGION, "operation": "ListFoundationModels", "identity": "AKIDEXAMPLE"});
    assert_eq!(
        admin("GET /_simulator/requests", "").await.json(),
        json!([request, request])
    );
    assert_eq!(admin("DELETE /_simulator/requests", "").await.status, 204);
    assert_eq!(simulator.total(), 0);
}

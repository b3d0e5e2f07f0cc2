use bedrock_simulator::{Catalog, Simulator};
use serde_json::Value;

use crate::client::{Answer, escaped, send, signature};

const HELLO: &str = r#"{"messages":[{"role":"user","content":[{"text":"hello"}]}]}"#;

async fn converse(region: &str, id: &str, body: &str) -> Answer {
    let simulator = Simulator::start(Catalog::real().unwrap()).await.unwrap();
    let request = format!("POST /model/{}/converse", escaped(id));
    let signature = signature("AKIDEXAMPLE", region);
    send(simulator.address(), &request, &signature, body)
        .await
        .unwrap()
}

#[tokio::test]
async fn callable_id_gets_response() {
    let catalog = Catalog::real().unwrap();
    let profile = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let mut profiles = catalog.profiles("eu-central-1").iter();
    let arn = profiles.find(|p| p["inferenceProfileId"] == profile);
    let arn = arn.unwrap()["inferenceProfileArn"].as_str().unwrap();
    for (region, id) in [
        ("us-east-1", "amazon.nova-lite-v1:0"),
        ("eu-central-1", profile),
        ("eu-central-1", arn),
    ] {
        let answer = converse(region, id, HELLO).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let text = &answer.json()["output"]["message"]["content"][0]["text"];
        assert_eq!(text, &Value::from(format!("{id} in {region} heard you.")));
    }
}

#[tokio::test]
async fn uncallable_id_gets_bedrock_error() {
    let model = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let on_demand = format!(
        "Invocation of model ID {model} with on-demand throughput isn\u{2019}t supported. Retry your request with the ID or ARN of an inference profile that contains this model."
    );
    let invalid = "The provided model identifier is invalid.";
    let elsewhere = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    for (id, body, message) in [
        (model, HELLO, on_demand.as_str()),
        (elsewhere, HELLO, invalid),
        ("no.such-model", HELLO, invalid),
        (
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "{}",
            "A conversation must start",
        ),
    ] {
        let answer = converse("eu-central-1", id, body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(
            answer.header("x-amzn-errortype"),
            Some("ValidationException")
        );
        let said = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(said.starts_with(message), "{said}");
    }
}

#[tokio::test]
async fn application_profile_is_called_by_arn_and_not_by_id() {
    let arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/aya2so0aua02";
    assert_eq!(converse("us-east-1", arn, HELLO).await.status, 200);
    let answer = converse("us-east-1", "aya2so0aua02", HELLO).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(
        answer.json()["message"],
        "The provided model identifier is invalid."
    );
}

#[tokio::test]
async fn model_past_its_end_of_life_is_refused_by_profile_too() {
    let ended = "us.anthropic.claude-sonnet-4-20250514-v1:0";
    let answer = converse("us-east-1", ended, HELLO).await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert_eq!(
        answer.header("x-amzn-errortype"),
        Some("ResourceNotFoundException")
    );
}

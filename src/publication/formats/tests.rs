use serde_json::{Value, json};

use super::{NamedModel, claude_code, env, litellm};
use crate::bedrock::aliases::AliasTarget;

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2";
/// What YAML, a shell and JSON would take for something else.
const HOSTILE: &str = "no: #'\"\\$(id)\u{7f}\u{1f600}\n%";

fn target(model_id: &str, invoke_with: &str, route: &str) -> AliasTarget {
    let target = json!({"modelId": model_id, "invokeWith": invoke_with, "route": route});
    serde_json::from_value(target).unwrap()
}

fn targets() -> [AliasTarget; 3] {
    [
        target(
            "anthropic.claude-v1:0",
            "us.anthropic.claude-v1:0",
            "Geographic",
        ),
        target("anthropic.claude-v1:0", ARN, "Application"),
        target("x", HOSTILE, "InRegion"),
    ]
}

fn named(targets: &[AliasTarget; 3]) -> Vec<NamedModel<'_>> {
    let names = [
        ("chat", "ANTHROPIC_MODEL"),
        ("billed", "BEDROCK_MODEL_BILLED"),
        ("on", "BEDROCK_MODEL_ON"),
    ];
    let models = names.into_iter().zip(targets);
    models
        .map(|((name, env), target)| NamedModel { name, env, target })
        .collect()
}

#[test]
fn env_file_is_read_back_by_a_shell() {
    let targets = targets();
    let variables = env::variables(&named(&targets));
    let file = env::file(&variables);
    assert!(
        file.starts_with("ANTHROPIC_MODEL=us.anthropic.claude-v1:0\n"),
        "{file}"
    );
    assert!(
        file.contains(&format!("BEDROCK_MODEL_BILLED={ARN}\n")),
        "{file}"
    );
    let script = format!("set -u\n{file}printf %s \"$BEDROCK_MODEL_ON\"");
    let shell = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(shell.stdout).unwrap(), HOSTILE);
    assert_eq!(variables["BEDROCK_MODEL_ON"], HOSTILE);
}

#[test]
fn litellm_fragment_names_the_model_behind_an_application_profile() {
    let targets = targets();
    let yaml = litellm::fragment("us-east-1", &named(&targets));
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(
        read,
        json!({"model_list": [
            {"model_name": "chat", "litellm_params": {
                "model": "bedrock/converse/us.anthropic.claude-v1:0", "aws_region_name": "us-east-1"}},
            {"model_name": "billed", "litellm_params": {
                "model": "bedrock/converse/anthropic.claude-v1:0", "aws_region_name": "us-east-1", "model_id": ARN}},
            {"model_name": "on", "litellm_params": {
                "model": format!("bedrock/converse/{HOSTILE}"), "aws_region_name": "us-east-1"}},
        ]}),
        "{yaml}"
    );
    let empty: Value = serde_saphyr::from_str(&litellm::fragment("us-east-1", &[])).unwrap();
    assert_eq!(empty, json!({"model_list": []}));
}

#[test]
fn claude_code_settings_hold_strings_only() {
    let targets = targets();
    assert_eq!(
        claude_code::settings("us-east-1", &named(&targets)),
        json!({"env": {
            "ANTHROPIC_MODEL": "us.anthropic.claude-v1:0",
            "AWS_REGION": "us-east-1",
            "BEDROCK_MODEL_BILLED": ARN,
            "BEDROCK_MODEL_ON": HOSTILE,
            "CLAUDE_CODE_USE_BEDROCK": "1",
        }})
    );
}

use serde_json::{Value, json};

use super::{NamedModel, claude_code, env, envoy_ai_gateway, kagent, litellm, yaml};
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

/// The documents of a YAML file, as a YAML parser reads them.
fn read_documents(text: &str) -> Vec<Value> {
    let documents = text.split("---\n");
    documents
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

#[test]
fn yaml_documents_are_read_back_whatever_the_text() {
    let cases = [
        json!({"a": HOSTILE, "b": {"c": ["no", "1:0", "", "0x1f", "null", " x ", "- a"]}}),
        json!({"list": [[1, 2], {"x": {}, "y": []}, null, true], "n": 1.5, "last": {"z": "~"}}),
        json!({"rules": [{"matches": [{"headers": [{"name": "a"}, {"name": "b"}]}]}, "c"]}),
    ];
    let text = yaml::documents(&cases);
    assert_eq!(read_documents(&text), cases, "{text}");
}

#[test]
fn envoy_ai_gateway_knows_the_model_by_its_name_and_bedrock_by_its_id() {
    let targets = targets();
    let resources =
        envoy_ai_gateway::resources("claude-eu", "ai", "eusc-de-east-1", &named(&targets));
    let kinds: Vec<_> = resources
        .iter()
        .map(|r| r["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "AIGatewayRoute",
            "AIServiceBackend",
            "BackendSecurityPolicy",
            "Backend",
            "BackendTLSPolicy"
        ]
    );
    assert!(
        resources
            .iter()
            .all(|r| r["metadata"]["name"] == "claude-eu")
    );
    let [route, service, security, backend, tls] = resources.as_slice() else {
        panic!("{resources:?}");
    };
    assert_eq!(route["spec"]["parentRefs"][0]["name"], "ai");
    for (rule, (name, id)) in route["spec"]["rules"].as_array().unwrap().iter().zip([
        ("chat", "us.anthropic.claude-v1:0"),
        ("billed", ARN),
        ("on", HOSTILE),
    ]) {
        let header = json!({"type": "Exact", "name": "x-ai-eg-model", "value": name});
        assert_eq!(rule["matches"], json!([{"headers": [header]}]));
        let backend = json!({"name": "claude-eu", "modelNameOverride": id});
        assert_eq!(rule["backendRefs"], json!([backend]));
    }
    assert_eq!(service["spec"]["schema"], json!({"name": "AWSBedrock"}));
    assert_eq!(
        security["spec"]["awsCredentials"],
        json!({"region": "eusc-de-east-1"})
    );
    let host = "bedrock-runtime.eusc-de-east-1.amazonaws.eu";
    assert_eq!(backend["spec"]["endpoints"][0]["fqdn"]["hostname"], host);
    assert_eq!(tls["spec"]["validation"]["hostname"], host);
    assert_eq!(read_documents(&yaml::documents(&resources)), resources);
}

#[test]
fn envoy_ai_gateway_has_at_most_15_rules_in_a_route() {
    let target = target("a.b", "a.b", "InRegion");
    let names: Vec<String> = (0..64).map(|n| format!("m{n}")).collect();
    let models: Vec<NamedModel<'_>> = names
        .iter()
        .map(|name| NamedModel {
            name,
            env: "E",
            target: &target,
        })
        .collect();
    let resources = envoy_ai_gateway::resources("all", "ai", "us-east-1", &models);
    let rules = |resource: &Value| resource["spec"]["rules"].as_array().map(Vec::len);
    let rules: Vec<_> = resources.iter().filter_map(rules).collect();
    assert_eq!(rules, [15, 15, 15, 15, 4]);
    let names: Vec<_> = resources
        .iter()
        .map(|r| r["metadata"]["name"].clone())
        .collect();
    assert_eq!(names[..5], ["all", "all-2", "all-3", "all-4", "all-5"]);
    assert!(names[5..].iter().all(|name| name == "all"));
}

#[test]
fn kagent_has_a_model_config_for_each_model() {
    let targets = targets();
    let configs = kagent::model_configs("us-east-1", &named(&targets));
    let expected = |name: &str, id: &str| {
        json!({"apiVersion": "kagent.dev/v1alpha2", "kind": "ModelConfig",
            "metadata": {"name": format!("{name}-us-east-1")},
            "spec": {"provider": "Bedrock", "model": id, "bedrock": {"region": "us-east-1"}}})
    };
    assert_eq!(
        configs,
        [
            expected("chat", "us.anthropic.claude-v1:0"),
            expected("billed", ARN),
            expected("on", HOSTILE),
        ]
    );
    assert_eq!(read_documents(&yaml::documents(&configs)), configs);
}

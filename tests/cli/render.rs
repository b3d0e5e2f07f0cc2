//! What consumers read of named models.

use serde_json::{Value, json};

use crate::cluster::Stage;
use crate::support::{ask, aws, bedrock, path, run};

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-lite-v1:0";
const CHAT: &str = "chat:ANTHROPIC_MODEL=none.such,anthropic.claude-sonnet-4-5-*";

#[tokio::test]
async fn each_format_is_rendered_of_given_models_from_a_folder_and_live() {
    let simulator = bedrock().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = path(folder.path());
    let write = ["discover", "--output-dir", dir, "--region", "eu-west-3"];
    ask(&simulator, &write).await.well();
    let id = format!("eu.{SONNET}");
    let formats = [
        ("env", format!("ANTHROPIC_MODEL={id}\n")),
        ("litellm", format!("model: \"bedrock/converse/{id}\"")),
        ("claude-code", format!("\"ANTHROPIC_MODEL\": \"{id}\"")),
        ("envoy-ai-gateway", format!("modelNameOverride: \"{id}\"")),
        ("kagent", format!("model: \"{id}\"")),
    ];
    for (format, expected) in formats {
        let base = [
            "render",
            "--region",
            "eu-west-3",
            "--format",
            format,
            "--alias",
            CHAT,
        ];
        let live = ask(&simulator, &[&base[..], &["--live"]].concat()).await;
        let mounted = run(&[], &[&base[..], &["--dir", dir]].concat()).await;
        assert_eq!(live.stdout, mounted.stdout);
        assert!(mounted.well().contains(&expected), "{format}: {live}");
    }
    let options = ["--gateway", "shared", "--preference", "Global"];
    let base = [
        "render",
        "--region",
        "eu-west-3",
        "--format",
        "envoy-ai-gateway",
    ];
    let rest = ["--alias", CHAT, "--dir", dir];
    let rendered = run(&[], &[&base[..], &rest, &options].concat())
        .await
        .well();
    assert!(rendered.contains("name: \"shared\""), "{rendered}");
    assert!(
        rendered.contains(&format!("\"global.{SONNET}\"")),
        "{rendered}"
    );
}

/// The variables that Claude Code documents for models and Bedrock. Its package has no schema of the settings.
const DOCUMENTED: [&str; 7] = [
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "AWS_REGION",
    "CLAUDE_CODE_USE_BEDROCK",
];

#[tokio::test]
async fn settings_of_the_claude_code_sample_are_documented_variables() {
    let simulator = bedrock().await;
    let sample = include_str!("../../config/samples/claude-code.yaml");
    let sample: Value = serde_saphyr::from_str(sample).unwrap();
    let aliases = sample["spec"]["aliases"].as_array().unwrap();
    let aliases: Vec<String> = aliases
        .iter()
        .map(|alias| {
            let models = alias["models"].as_array().unwrap().iter();
            let models: Vec<_> = models.map(|model| model.as_str().unwrap()).collect();
            let (name, env) = (
                alias["name"].as_str().unwrap(),
                alias["env"].as_str().unwrap(),
            );
            format!("{name}:{env}={}", models.join(","))
        })
        .collect();
    let region = sample["spec"]["regions"][0].as_str().unwrap_or("us-east-1");
    let mut arguments = vec![
        "render",
        "--live",
        "--region",
        region,
        "--format",
        "claude-code",
    ];
    arguments.extend(aliases.iter().flat_map(|alias| ["--alias", alias]));
    let settings: Value = serde_json::from_str(&ask(&simulator, &arguments).await.well()).unwrap();
    let keys: Vec<_> = settings.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["env"]);
    let env = settings["env"].as_object().unwrap();
    assert_eq!(env.len(), aliases.len() + 2);
    for (name, value) in env {
        assert!(DOCUMENTED.contains(&name.as_str()), "{name}");
        assert!(value.is_string(), "{name}: {value}");
    }
}

#[tokio::test]
async fn what_cannot_be_rendered_is_said_with_the_reason() {
    let simulator = bedrock().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = path(folder.path());
    let write = ["discover", "--output-dir", dir, "--region", "us-east-1"];
    ask(&simulator, &write).await.well();
    let cases: [(&[&str], i32, &str); 9] = [
        (&[], 2, "--dir and --live need --alias NAME=MODEL"),
        (&["--alias", "chat"], 2, "must be NAME=MODEL"),
        (
            &["--alias", "chat:1X=a"],
            2,
            "must be the name of an environment variable",
        ),
        (
            &["--alias", "a=b", "--alias", "a=c"],
            2,
            "two aliases have the name a",
        ),
        (
            &["--alias", "a-b=x", "--alias", "c:BEDROCK_MODEL_A_B=x"],
            2,
            "two aliases have the environment variable BEDROCK_MODEL_A_B",
        ),
        (
            &["--alias", "a=amazon.nova-light-v1:0"],
            1,
            "alias a has no ID to pass in us-east-1: amazon.nova-light-v1:0 matches no listed model (nearest: amazon.nova-lite-v1:0)",
        ),
        (
            &[
                "--alias",
                "a=anthropic.claude-sonnet-4-5-*",
                "--preference",
                "InRegion",
            ],
            1,
            "has no ID to pass (KindNotAllowed)",
        ),
        (&["--alias", "a=x", "--region", "ap-south-1"], 2, "--region"),
        (
            &["--alias", "a=x", "--preference", "Global,Global"],
            2,
            "Global more than once",
        ),
    ];
    for (options, code, why) in cases {
        let base = [
            "render",
            "--region",
            "us-east-1",
            "--format",
            "env",
            "--dir",
            dir,
        ];
        run(&[], &[&base[..], options].concat())
            .await
            .failed(code, why);
    }
    let unknown = [
        "render",
        "--region",
        "ap-south-1",
        "--format",
        "env",
        "--dir",
        dir,
        "--alias",
        "a=x",
    ];
    let why = "region ap-south-1 is not available; available regions: us-east-1";
    run(&[], &unknown).await.failed(1, why);
    let live = [
        "render",
        "--region",
        "us-east-9",
        "--format",
        "env",
        "--live",
        "--alias",
        "a=x",
    ];
    let url = simulator.url();
    let why = "region us-east-9 is not available";
    run(&aws(&url), &live).await.failed(1, why);
}

#[tokio::test]
async fn aliases_of_a_resource_are_rendered_as_they_are_published() {
    let stage = Stage::start().await;
    stage.install().await;
    let spec = json!({
        "regions": ["us-east-1"],
        "invocation": {"preference": ["Global", "InRegion"]},
        "aliases": [
            {"name": "chat", "env": "ANTHROPIC_MODEL", "models": ["anthropic.claude-sonnet-4-5-*"]},
            {"name": "none", "models": ["amazon.nova-light-v1:0"]},
        ],
    });
    stage.create("claude", spec).await;
    stage
        .create("plain", json!({"regions": ["us-east-1"]}))
        .await;
    stage.published("plain").await;
    stage.published("claude").await;
    let render = async |name: &str, rest: &[&str]| {
        let base = ["render", name, "--format", "env"];
        stage.get(&[&base[..], rest].concat()).await
    };
    let done = render("claude", &["--region", "us-east-1"]).await;
    assert_eq!(done.code, 3, "{done}");
    assert_eq!(done.stdout, format!("ANTHROPIC_MODEL=global.{SONNET}\n"));
    let why = "alias none has no ID to pass in us-east-1: amazon.nova-light-v1:0 matches no listed model (nearest: amazon.nova-lite-v1:0)";
    assert!(done.stderr.contains(why), "{done}");
    // Given models are those of the resource, under its own policy.
    let given = [
        "--region",
        "us-east-1",
        "--alias",
        "a=anthropic.claude-sonnet-4-5-*",
        "--alias",
        "b=amazon.nova-lite-*",
    ];
    let expected = format!("BEDROCK_MODEL_A=global.{SONNET}\nBEDROCK_MODEL_B={NOVA}\n");
    assert_eq!(render("claude", &given).await.well(), expected);
    let resolved = stage
        .get(&[
            "resolve",
            "claude-sonnet-4-5",
            "claude",
            "--region",
            "us-east-1",
            "-o",
            "id",
        ])
        .await;
    assert_eq!(resolved.well(), format!("global.{SONNET}\n"));

    let cases = [
        (
            "claude",
            "eu-west-3",
            "region eu-west-3 is not available; available regions: us-east-1",
        ),
        (
            "plain",
            "us-east-1",
            "BedrockModelMap plain has no aliases: set spec.aliases",
        ),
        (
            "absent",
            "us-east-1",
            "BedrockModelMap default/absent not found",
        ),
    ];
    for (name, region, why) in cases {
        render(name, &["--region", region]).await.failed(1, why);
    }
    let table = stage.get(&["get", "claude"]).await.well();
    let rows: Vec<_> = table
        .lines()
        .filter(|line| line.contains("chat") || line.starts_with("none"))
        .collect();
    assert_eq!(rows.len(), 2, "{table}");
    let page = stage.get(&["get", "claude", "-o", "html"]).await.well();
    let data = page.split(r#"id="data">"#).nth(1).unwrap();
    let data: Value = serde_json::Deserializer::from_str(data)
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(data["aliases"][0]["name"], "chat");
}

use bedrock_simulator::Simulator;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Done, ask, aws, bedrock, path, run};

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

/// A folder that `discover` wrote, and the simulated Bedrock that it queried.
struct Sources {
    simulator: Simulator,
    folder: TempDir,
}

impl Sources {
    async fn new() -> Self {
        let (simulator, folder) = (bedrock().await, tempfile::tempdir().unwrap());
        let mut write = vec!["discover", "--output-dir", path(folder.path())];
        for region in ["us-east-1", "ap-southeast-2", "eu-west-3"] {
            write.extend(["--region", region]);
        }
        ask(&simulator, &write).await.well();
        Self { simulator, folder }
    }

    /// What is said of the folder, and has to be said of Bedrock itself as well.
    async fn resolve(&self, model: &str, region: &str, output: &str) -> Done {
        let both = ["resolve", model, "--region", region, "-o", output];
        let dir = ["--dir", path(self.folder.path())];
        let mounted = ask(&self.simulator, &[&both[..], &dir].concat()).await;
        let live = ask(&self.simulator, &[&both[..], &["--live"]].concat()).await;
        assert_eq!((mounted.code, &mounted.stdout), (live.code, &live.stdout));
        mounted
    }
}

#[tokio::test]
async fn id_output_is_the_id_alone() {
    let sources = Sources::new().await;
    let ids = [
        ("claude-sonnet-4-5", "us-east-1", format!("us.{SONNET}")),
        (
            "Claude Sonnet 4.5",
            "ap-southeast-2",
            format!("au.{SONNET}"),
        ),
        (SONNET, "eu-west-3", format!("eu.{SONNET}")),
        (
            "*opus-4-5*",
            "ap-southeast-2",
            "global.anthropic.claude-opus-4-5-20251101-v1:0".to_owned(),
        ),
        (
            "nova-lite",
            "ap-southeast-2",
            "amazon.nova-lite-v1:0".to_owned(),
        ),
        // Two more match, and only provisioned throughput serves them.
        ("nova-lite", "us-east-1", "amazon.nova-lite-v1:0".to_owned()),
    ];
    for (model, region, expected) in ids {
        let printed = sources.resolve(model, region, "id").await.well();
        assert_eq!(printed, format!("{expected}\n"));
    }
}

#[tokio::test]
async fn text_output_has_the_reason_and_json_a_list() {
    let sources = Sources::new().await;
    insta::assert_snapshot!(sources.resolve("claude-sonnet-4-5", "us-east-1", "text").await.well(), @r#"
    us.anthropic.claude-sonnet-4-5-20250929-v1:0
      model:     anthropic.claude-sonnet-4-5-20250929-v1:0 (Claude Sonnet 4.5)
      from:      us-east-1
      why:       not on demand; the profile of the geography us, which routes to us-east-1, us-east-2, us-west-2
      lifecycle: LEGACY, end of life 2027-04-08T08:00:00Z
    "#);
    insta::assert_snapshot!(sources.resolve("nova-lite", "us-east-1", "text").await.well(), @r#"
    amazon.nova-lite-v1:0
      model:     amazon.nova-lite-v1:0 (Nova Lite)
      from:      us-east-1
      why:       on demand: the model's own ID can be passed
      lifecycle: ACTIVE

    (no ID to pass)
      model:     amazon.nova-lite-v1:0:24k (Nova Lite)
      from:      us-east-1
      why:       only with provisioned throughput: pass the ARN of the account's Provisioned Throughput
      lifecycle: ACTIVE

    (no ID to pass)
      model:     amazon.nova-lite-v1:0:300k (Nova Lite)
      from:      us-east-1
      why:       only with provisioned throughput: pass the ARN of the account's Provisioned Throughput
      lifecycle: ACTIVE
    "#);
    insta::assert_snapshot!(sources.resolve("claude-sonnet-4-5", "us-east-1", "json").await.well(), @r#"[{"region":"us-east-1","modelId":"anthropic.claude-sonnet-4-5-20250929-v1:0","modelName":"Claude Sonnet 4.5","invokeWith":"us.anthropic.claude-sonnet-4-5-20250929-v1:0","route":"Geographic","onDemand":false,"requiresInferenceProfile":true,"profile":{"id":"us.anthropic.claude-sonnet-4-5-20250929-v1:0","arn":"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0","name":"US Anthropic Claude Sonnet 4.5","type":"SYSTEM_DEFINED","status":"ACTIVE","geography":"us","destinationRegions":["us-east-1","us-east-2","us-west-2"]},"lifecycle":{"endOfLifeTime":"2027-04-08T08:00:00Z","legacyTime":"2026-07-01T08:00:00Z","publicExtendedAccessTime":"2026-10-01T08:00:00Z","startOfLifeTime":"2025-09-30T00:00:00Z","status":"LEGACY"}}]"#);
    let yaml = sources
        .resolve("claude-sonnet-4-5", "us-east-1", "yaml")
        .await
        .well();
    let json = sources
        .resolve("claude-sonnet-4-5", "us-east-1", "json")
        .await
        .well();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), json);
}

#[tokio::test]
async fn id_output_needs_exactly_one_match_with_an_id() {
    let sources = Sources::new().await;
    let failures = [
        (
            "anthropic.claude-opus-4-?",
            "us-east-1",
            "2 models match; name one of them: anthropic.claude-opus-4-7, anthropic.claude-opus-4-8\n",
        ),
        (
            "amazon.nova-lite-v1:0:*",
            "us-east-1",
            "2 models match, and none of them has an ID to pass: amazon.nova-lite-v1:0:24k, amazon.nova-lite-v1:0:300k\n",
        ),
        (
            "amazon.nova-lite-v1:0:24k",
            "us-east-1",
            "amazon.nova-lite-v1:0:24k has no ID to pass from us-east-1: only with provisioned throughput",
        ),
        (
            "claude-sonet-4-5",
            "us-east-1",
            "nearest: anthropic.claude-sonnet-4-5-20250929-v1:0, ",
        ),
        (
            "claude-sonnet-4-5",
            "us-west-9",
            "region us-west-9 is not available; available regions: ",
        ),
    ];
    for (model, region, why) in failures {
        sources.resolve(model, region, "id").await.failed(1, why);
    }
    // Where it is instead is known of a folder with several regions.
    let mut elsewhere = vec!["resolve", "claude-3-haiku", "--region", "ap-southeast-2"];
    elsewhere.extend(["--dir", path(sources.folder.path())]);
    let done = ask(&sources.simulator, &elsewhere).await;
    done.failed(1, "regions that have it: eu-west-3\n");
}

#[tokio::test]
async fn live_resolution_reports_unknown_regions_and_models() {
    let simulator = bedrock().await;
    simulator.edit_catalog(|catalog| {
        catalog.set_models("eu-west-2", Vec::new());
    });
    let cases = [
        (
            "us-west-9",
            "region us-west-9 is not available; available regions: af-south-1, ",
        ),
        ("eu-west-2", "eu-west-2 lists no models"),
    ];
    for (region, why) in cases {
        let arguments = ["resolve", SONNET, "--region", region, "--live"];
        ask(&simulator, &arguments).await.failed(1, why);
    }
}

#[tokio::test]
async fn region_comes_from_the_environment() {
    let simulator = bedrock().await;
    let url = simulator.url();
    let mut variables = aws(&url).to_vec();
    variables.push(("AWS_REGION", "eu-west-3"));
    let printed = run(&variables, &["resolve", SONNET, "--live", "-o", "id"]).await;
    assert_eq!(printed.well(), format!("eu.{SONNET}\n"));
}

#[tokio::test]
async fn every_output_notes_a_legacy_model_on_stderr() {
    let sources = Sources::new().await;
    let note = format!(
        "{SONNET} is LEGACY since 2026-07-01: calls fail for accounts that have not used it lately, and for all from 2027-04-08\n"
    );
    for output in ["text", "json", "yaml", "id"] {
        let done = sources.resolve(SONNET, "us-east-1", output).await;
        assert_eq!(done.stderr, note, "{output}");
        let done = sources
            .resolve("amazon.nova-lite-v1:0", "us-east-1", output)
            .await;
        assert_eq!(done.stderr, "", "{output}");
    }
}

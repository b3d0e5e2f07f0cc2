//! The options that choose the ID to pass.

use serde_json::Value;

use crate::support::{ask, aws, bedrock, path, run};

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-lite-v1:0";

/// The ID, or the reason for its absence.
fn choice(json: &str) -> String {
    let list: Value = serde_json::from_str(json).unwrap();
    let one = &list[0];
    let choice = one["invokeWith"].as_str().or(one["reason"].as_str());
    choice.unwrap().to_owned()
}

#[tokio::test]
async fn policy_options_choose_the_id_as_the_spec_does() {
    let simulator = bedrock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut write = vec!["discover", "--output-dir", path(folder.path())];
    for region in ["us-east-1", "eu-west-3", "il-central-1"] {
        write.extend(["--region", region]);
    }
    ask(&simulator, &write).await.well();
    let (us, eu, global) = (
        format!("us.{SONNET}"),
        format!("eu.{SONNET}"),
        format!("global.{SONNET}"),
    );
    let cases: [(&[&str], &str, &str, &str); 9] = [
        (
            &["--preference", "Global,InRegion"],
            SONNET,
            "us-east-1",
            &global,
        ),
        (
            &["--preference", "global", "--preference", "geographic"],
            SONNET,
            "us-east-1",
            &global,
        ),
        (
            &["--preference", "Geographic,Global"],
            SONNET,
            "us-east-1",
            &us,
        ),
        (
            &["--preference", "InRegion"],
            SONNET,
            "us-east-1",
            "KindNotAllowed",
        ),
        (
            &["--allowed-destination-region", "eu-*"],
            SONNET,
            "eu-west-3",
            &eu,
        ),
        (
            &["--allowed-destination-region", "us-east-1,us-west-2"],
            SONNET,
            "us-east-1",
            "DestinationNotAllowed",
        ),
        (
            &["--allowed-destination-region", "*"],
            SONNET,
            "us-east-1",
            &us,
        ),
        (&["--legacy", "avoid"], SONNET, "us-east-1", "Legacy"),
        (&["--legacy", "Avoid"], NOVA, "us-east-1", NOVA),
    ];
    for (options, model, region, expected) in cases {
        let base = ["resolve", model, "--region", region, "-o", "json"];
        for source in [&["--live"][..], &["--dir", path(folder.path())]] {
            let arguments = [&base[..], source, options].concat();
            let json = ask(&simulator, &arguments).await.well();
            assert_eq!(choice(&json), expected, "{options:?} {source:?}");
        }
    }
    let table = ["discover", "--region", "us-east-1", "--include", SONNET];
    let options = ["--allowed-destination-region", "us-east-1"];
    let table = ask(&simulator, &[&table[..], &options].concat())
        .await
        .well();
    assert!(table.contains("forbidden"), "{table}");
}

#[tokio::test]
async fn folder_keeps_its_policy_unless_an_option_is_given() {
    let simulator = bedrock().await;
    let folder = tempfile::tempdir().unwrap();
    let write = [
        "discover",
        "--region",
        "us-east-1",
        "--preference",
        "Global",
    ];
    let write = [&write[..], &["--output-dir", path(folder.path())]].concat();
    ask(&simulator, &write).await.well();
    let resolve = ["resolve", SONNET, "--region", "us-east-1", "-o", "json"];
    let resolve = [&resolve[..], &["--dir", path(folder.path())]].concat();
    let cases: [(&[&str], String); 2] = [
        (&[], format!("global.{SONNET}")),
        (
            &["--preference", "InRegion,Geographic,Global"],
            format!("us.{SONNET}"),
        ),
    ];
    for (options, expected) in cases {
        let json = ask(&simulator, &[&resolve[..], options].concat())
            .await
            .well();
        assert_eq!(choice(&json), expected, "{options:?}");
    }
}

#[tokio::test]
async fn policy_comes_from_the_environment() {
    let simulator = bedrock().await;
    let url = simulator.url();
    let resolve = [
        "resolve",
        SONNET,
        "--region",
        "us-east-1",
        "--live",
        "-o",
        "json",
    ];
    let cases = [
        (
            ("INVOCATION_PREFERENCE", "Global,Geographic"),
            format!("global.{SONNET}"),
        ),
        (
            ("ALLOWED_DESTINATION_REGIONS", "eu-*,us-east-1"),
            "DestinationNotAllowed".to_owned(),
        ),
        (("LEGACY_MODELS", "Avoid"), "Legacy".to_owned()),
    ];
    for (variable, expected) in cases {
        let variables: Vec<_> = aws(&url).into_iter().chain([variable]).collect();
        let json = run(&variables, &resolve).await.well();
        assert_eq!(choice(&json), expected, "{variable:?}");
    }
}

#[tokio::test]
async fn contradicting_or_useless_policy_options_exit_2() {
    let live = ["resolve", "m", "--region", "us-east-1", "--live"];
    let named = ["resolve", "m", "name", "--region", "us-east-1"];
    let cases: [(&[&str], &[&str], &str); 8] = [
        (
            &live,
            &["--preference", "Fastest"],
            "invalid value 'Fastest'",
        ),
        (
            &live,
            &["--preference", "Global,Global"],
            "--preference lists Global more than once",
        ),
        (
            &live,
            &["--application-profile", "a-*"],
            "--application-profile needs Application in --preference: otherwise no application profile is ever chosen",
        ),
        (
            &live,
            &["--allowed-destination-region", "EU"],
            "must be a glob on AWS regions, such as eu-* or us-east-1",
        ),
        (
            &["discover"],
            &["--legacy", "never"],
            "invalid value 'never'",
        ),
        (
            &["discover"],
            &["--application-profile", "a-*"],
            "needs Application",
        ),
        (&named, &["--preference", "Global"], "cannot be used with"),
        (
            &named,
            &["--allowed-destination-region", "eu-*"],
            "cannot be used with",
        ),
    ];
    for (command, options, why) in cases {
        run(&[], &[command, options].concat()).await.failed(2, why);
    }
    let variable = [("LEGACY_MODELS", "Avoid")];
    run(&variable, &named)
        .await
        .failed(2, "cannot be used with");
}

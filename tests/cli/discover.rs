use std::fs;

use bedrock_simulator::{Catalog, Fault, FaultRule, Simulator};
use serde_json::{Value, json};

use crate::oracle::mapping_of;
use crate::support::{ask, assert_same, aws, bedrock, path, program, run};

#[tokio::test]
async fn json_output_has_the_bytes_of_mapping_json() {
    let simulator = bedrock().await;
    let catalog = simulator.catalog();
    let all: Vec<&str> = catalog.regions().collect();
    let done = ask(&simulator, &["discover", "-o", "json"]).await;
    assert!(
        done.stderr
            .starts_with("31 of 31 regions responded, 0 failed"),
        "{}",
        done.stderr
    );
    assert_same(&done.well(), &mapping_of(&catalog, &all));

    let one = ["discover", "--region", "eu-west-1", "-o", "json"];
    let expected = mapping_of(&catalog, &["eu-west-1"]);
    assert_same(&ask(&simulator, &one).await.well(), &expected);

    let yaml = ["discover", "--region", "eu-west-1", "-o", "yaml"];
    let yaml = ask(&simulator, &yaml).await.well();
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_same(&read.to_string(), &expected);
}

#[tokio::test]
async fn table_shows_how_each_model_is_invoked() {
    let arguments = [
        "discover",
        "--region",
        "us-east-1",
        "--region",
        "ap-southeast-2",
        "--provider",
        "anthropic",
        "--provider",
        "amazon",
        "--include",
        "*claude*-4-5*",
        "--include",
        "amazon.nova-*lite*",
        "--exclude",
        "*:256k",
    ];
    let table = ask(&bedrock().await, &arguments).await.well();
    insta::assert_snapshot!(table, @r#"
    MODEL                                      ap-southeast-2  us-east-1
    amazon.nova-2-lite-v1:0                    global          us
    amazon.nova-lite-v1:0                      on demand       on demand
    amazon.nova-lite-v1:0:24k                  -               provisioned
    amazon.nova-lite-v1:0:300k                 -               provisioned
    anthropic.claude-haiku-4-5-20251001-v1:0   au              us
    anthropic.claude-opus-4-5-20251101-v1:0    global          us
    anthropic.claude-sonnet-4-5-20250929-v1:0  au              us
    "#);
}

/// What a browser makes of it is tested in `tests/browser`.
#[tokio::test]
async fn page_is_one_file_with_the_failures() {
    let simulator = bedrock().await;
    let fault = FaultRule::new(Fault::AccessDenied).region("us-east-1");
    simulator.faults().add(fault);
    let mut arguments = vec!["discover", "-o", "html"];
    arguments.extend(["--region", "us-east-1", "--region", "eu-west-3"]);
    let done = ask(&simulator, &arguments).await;
    assert_eq!(done.code, 3, "{}", done.stderr);
    let page = done.stdout;
    assert!(page.starts_with("<!doctype html>"));
    assert!(!page.contains("src=") && !page.contains("://"));
    let (_, data) = page.split_once(r#"id="data">"#).unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["regions"][0]["name"], "eu-west-3");
    assert_eq!(data["failures"][0]["region"], "us-east-1");
    let models = data["models"].as_array().unwrap().iter();
    let listed = simulator.catalog().models("eu-west-3").len();
    assert_eq!(models.len(), listed);
}

/// What is left of a region with each filter, by the catalogue.
#[tokio::test]
async fn filter_options_select_as_the_spec_does() {
    let simulator = bedrock().await;
    let catalog = simulator.catalog();
    let all = catalog.models("us-east-1");
    let has = |key: &str, value: &str| {
        let of = |m: &&Value| m[key].as_array().unwrap().contains(&json!(value));
        all.iter().filter(of).count()
    };
    let legacy = |m: &&Value| m["modelLifecycle"]["status"] == "LEGACY";
    let cases = [
        ("--lifecycle", "legacy", all.iter().filter(legacy).count()),
        ("--input-modality", "image", has("inputModalities", "IMAGE")),
        (
            "--output-modality",
            "EMBEDDING",
            has("outputModalities", "EMBEDDING"),
        ),
    ];
    let discovered = async |option: &str, value: &str| -> Value {
        let arguments = [
            "discover",
            "-o",
            "json",
            "--region",
            "us-east-1",
            option,
            value,
        ];
        let json = ask(&simulator, &arguments).await.well();
        let mapping: Value = serde_json::from_str(&json).unwrap();
        mapping["models"]["us-east-1"].clone()
    };
    for (option, value, expected) in cases {
        let kept = discovered(option, value).await;
        assert!(expected > 0 && expected < all.len(), "{option}");
        assert_eq!(kept.as_object().unwrap().len(), expected, "{option}");
    }
    let kept = discovered("--profile-type", "application").await;
    let embedded = kept.as_object().unwrap().values();
    let embedded = embedded.filter_map(|m| m.get("referencedByInstanceProfiles")?.as_array());
    let types: Vec<_> = embedded.flatten().map(|p| &p["type"]).collect();
    assert!(types.iter().all(|t| **t == "APPLICATION"), "{types:?}");
}

#[tokio::test]
async fn partial_failure_prints_the_rest_and_exits_3() {
    let simulator = bedrock().await;
    let fault = |region: &str| FaultRule::new(Fault::AccessDenied).region(region);
    simulator.faults().add(fault("us-east-1"));
    let arguments = [
        "discover",
        "--region",
        "us-east-1",
        "--region",
        "eu-west-1",
        "-o",
        "json",
    ];
    let done = ask(&simulator, &arguments).await;
    assert_eq!(done.code, 3, "{done}");
    assert_same(
        &done.stdout,
        &mapping_of(&simulator.catalog(), &["eu-west-1"]),
    );
    assert!(
        done.stderr
            .starts_with("us-east-1: AccessDenied: bedrock:List"),
        "{done}"
    );
    assert!(
        done.stderr.contains("1 of 2 regions responded, 1 failed"),
        "{done}"
    );

    simulator.faults().add(fault("eu-west-1"));
    let done = ask(&simulator, &arguments).await;
    done.failed(1, "eu-west-1: AccessDenied");
    done.failed(1, "no region responded");
}

#[tokio::test]
async fn hanging_region_ends_at_its_timeout() {
    let simulator = bedrock().await;
    simulator
        .faults()
        .add(FaultRule::new(Fault::Hang).region("us-east-1"));
    let done = ask(
        &simulator,
        &[
            "discover",
            "--region",
            "us-east-1",
            "--region",
            "eu-west-1",
            "-o",
            "json",
            "--region-timeout-seconds",
            "2",
        ],
    )
    .await;
    assert_eq!(done.code, 3, "{done}");
    assert!(done.stderr.contains("us-east-1: Timeout"), "{done}");
}

#[tokio::test]
async fn output_dir_has_the_files_of_a_mount() {
    let simulator = bedrock().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("maps");
    let arguments = [
        "discover",
        "--region",
        "eu-west-1",
        "--output-dir",
        path(&dir),
    ];
    assert_eq!(ask(&simulator, &arguments).await.well(), "");
    let mut names: Vec<_> = fs::read_dir(dir.join("eu-west-1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["invocation.json", "metadata.json", "models.json"]);
    let models = fs::read_to_string(dir.join("eu-west-1/models.json")).unwrap();
    let expected = mapping_of(&simulator.catalog(), &["eu-west-1"]);
    assert_eq!(
        format!(r#"{{"models":{{"eu-west-1":{models}}}}}"#),
        expected
    );

    // A failed write is reported.
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let arguments = [
        "discover",
        "--region",
        "eu-west-1",
        "--output-dir",
        path(&file),
    ];
    ask(&simulator, &arguments).await.failed(1, path(&file));
}

#[tokio::test]
async fn account_without_list_regions_needs_named_regions() {
    let simulator = bedrock().await;
    let url = simulator.url();
    let mut variables = aws(&url).to_vec();
    variables.push(("AWS_REGION", "us-gov-west-1"));
    run(&variables, &["discover"])
        .await
        .failed(1, "name the regions with --region");
}

#[tokio::test]
async fn missing_credentials_and_unreachable_bedrock_are_reported() {
    let simulator = bedrock().await;
    let url = simulator.url();
    let no_keys = [("AWS_ENDPOINT_URL", url.as_str())];
    let arguments = ["discover", "--region", "us-east-1"];
    let live = ["resolve", "any", "--region", "us-east-1", "--live"];
    for arguments in [&arguments[..], &live] {
        let done = run(&no_keys, arguments).await;
        done.failed(1, "no AWS credentials found");
        done.failed(1, "log in to AWS");
        for word in ["operator", "spec.", "later"] {
            assert!(!done.stderr.contains(word), "{word}: {done}");
        }
    }
    run(&aws("http://127.0.0.1:1"), &arguments)
        .await
        .failed(1, "us-east-1: Unreachable");
}

#[tokio::test]
async fn wrong_usage_exits_2() {
    let cases: [&[&str]; 16] = [
        &["discover", "--region", "mars"],
        &["discover", "-o", "html2"],
        &["discover", "--region-timeout-seconds", "0"],
        &["discover", "surplus"],
        &["resolve", "claude", "--region", "us-east-1"],
        &["resolve", "claude", "--live"],
        &["resolve", "", "--region", "us-east-1", "--live"],
        &[
            "resolve",
            "claude",
            "name",
            "--region",
            "us-east-1",
            "--live",
        ],
        &["discover", "--lifecycle", "OLD"],
        &["discover", "--profile-type", "OWN"],
        &["discover", "--input-modality", "TEXT,IMAGE"],
        &["get"],
        &["get", "name", "--watch", "--refresh"],
        &["get", "name", "--watch", "-o", "yaml"],
        &["get", "name", "--watch", "-o", "html"],
        &["get", "name", "--timeout", "1 day"],
    ];
    for arguments in cases {
        run(&[], arguments).await.failed(2, "");
    }
}

#[tokio::test]
async fn closed_stdout_does_not_panic() {
    let simulator = bedrock().await;
    let url = simulator.url();
    let mut child = program(&aws(&url), &["discover", "-o", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[tokio::test]
async fn hostile_names_are_printed_without_control_characters() {
    let mut catalog = Catalog::new();
    let model = json!({"modelId": "evil.\u{1b}[2J-model", "modelName": "\u{1b}]0;x\u{7}", "inferenceTypesSupported": ["ON_DEMAND"]});
    catalog.set_models("us-east-1", vec![model]);
    let simulator = Simulator::start(catalog).await.unwrap();
    let cases: [&[&str]; 2] = [
        &["discover", "--region", "us-east-1"],
        &["resolve", "evil", "--region", "us-east-1", "--live"],
    ];
    for arguments in cases {
        let shown = ask(&simulator, arguments).await.well();
        assert!(shown.contains("evil.\u{fffd}[2J-model"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    }
}

/// As in an image without them.
#[tokio::test]
async fn missing_certificate_authorities_are_reported() {
    let simulator = bedrock().await;
    let url = simulator.url();
    let [endpoint, id, secret] = aws(&url);
    let none = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let variables = [endpoint, id, secret, none[0], none[1]];
    let done = run(&variables, &["discover", "--region", "us-east-1"]).await;
    done.failed(1, "no certificate authority is known");
    done.failed(1, "ca-certificates");
}

/// The SDK for Bedrock prefers such a key to any other identity.
#[tokio::test]
async fn bedrock_api_key_does_not_replace_the_credentials() {
    let simulator = bedrock().await;
    let url = simulator.url();
    let key = ("AWS_BEARER_TOKEN_BEDROCK", "key-of-another-account");
    let arguments = ["discover", "--region", "eu-west-1", "-o", "json"];
    let variables: Vec<_> = aws(&url).into_iter().chain([key]).collect();
    let done = run(&variables, &arguments).await;
    let expected = mapping_of(&simulator.catalog(), &["eu-west-1"]);
    assert_same(&done.well(), &expected);

    let done = run(&[("AWS_ENDPOINT_URL", &url), key], &arguments).await;
    done.failed(1, "no AWS credentials");
    done.failed(
        1,
        "the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK is not used",
    );
    assert!(!done.stderr.contains(key.1), "{done}");
}

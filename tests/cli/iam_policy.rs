//! The IAM policies for callers, evaluated as IAM does on what the catalogue lists.

use std::collections::BTreeSet;

use bedrock_model_map::bedrock::glob::Glob;
use serde_json::{Value, json};

use crate::support::{Done, ask, bedrock, path};

const LIMIT: usize = 6_144;

/// The documents that the command printed.
fn documents(done: Done) -> Vec<Value> {
    let stdout = done.well();
    let documents = serde_json::Deserializer::from_str(&stdout).into_iter();
    documents.map(|document| document.unwrap()).collect()
}

/// Whether a statement of the documents allows to invoke the resource in this context.
fn allows(
    documents: &[Value],
    resource: &str,
    requested_region: &str,
    profile: Option<&str>,
) -> bool {
    let has = |list: &Value, is_meant: &dyn Fn(&str) -> bool| {
        let mut items = list.as_array().unwrap().iter();
        items.any(|item| is_meant(item.as_str().unwrap()))
    };
    let allowed_by = |statement: &&Value| {
        let conditions = statement["Condition"]["StringEquals"].as_object();
        has(&statement["Action"], &|action| {
            action == "bedrock:InvokeModel"
        }) && has(&statement["Resource"], &|pattern| {
            Glob::new(pattern).is_match(resource)
        }) && conditions
            .into_iter()
            .flatten()
            .all(|(key, values)| match key.as_str() {
                "aws:RequestedRegion" => has(values, &|value| value == requested_region),
                "bedrock:InferenceProfileArn" => has(values, &|value| Some(value) == profile),
                other => panic!("{other}"),
            })
    };
    let statements = documents
        .iter()
        .flat_map(|d| d["Statement"].as_array().unwrap());
    statements.filter(allowed_by).count() > 0
}

/// The catalogue's resolutions from a region.
async fn resolutions(dir: &str, region: &str) -> Vec<Value> {
    let arguments = [
        "resolve", "*", "--region", region, "--dir", dir, "-o", "json",
    ];
    let json = crate::support::run(&[], &arguments).await.well();
    serde_json::from_str(&json).unwrap()
}

#[tokio::test]
async fn policies_grant_each_id_in_each_destination_and_nothing_else() {
    let simulator = bedrock().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = path(folder.path());
    ask(&simulator, &["discover", "--output-dir", dir])
        .await
        .well();
    let cases: [(&str, &[&str], usize); 4] = [
        (
            "eu-central-1",
            &["anthropic.claude-opus-4-8", "amazon.nova-*"],
            1,
        ),
        ("eu-central-1", &["anthropic.*"], 1),
        ("ap-southeast-2", &["anthropic.*"], 1),
        ("us-east-1", &[], 2),
    ];
    for (region, models, least) in cases {
        let mut arguments = vec!["iam-policy", "--dir", dir, "--region", region];
        for model in models {
            arguments.extend(["--model", model]);
        }
        let documents = documents(ask(&simulator, &arguments).await);
        assert!(documents.len() >= least, "{region} {models:?}");
        for document in &documents {
            assert!(document.to_string().len() <= LIMIT, "{region} {models:?}");
        }
        let is_chosen =
            |id: &str| models.is_empty() || models.iter().any(|glob| Glob::new(glob).is_match(id));
        let mut checked = 0;
        for resolution in resolutions(dir, region).await {
            let id = resolution["modelId"].as_str().unwrap();
            let is_granted = is_chosen(id) && !resolution["invokeWith"].is_null();
            let model = |region: &str| format!("arn:aws:bedrock:{region}::foundation-model/{id}");
            let Some(profile) = resolution["profile"].as_object() else {
                assert_eq!(
                    allows(&documents, &model(region), region, None),
                    is_granted,
                    "{id}"
                );
                continue;
            };
            let arn = profile["arn"].as_str().unwrap();
            assert_eq!(allows(&documents, arn, region, None), is_granted, "{arn}");
            assert!(
                !allows(&documents, &model(region), region, None),
                "{id} without its profile"
            );
            for destination in profile["destinationRegions"].as_array().unwrap() {
                let (destination, requested) = match destination.as_str().unwrap() {
                    "*" => ("", "unspecified"),
                    region => (region, region),
                };
                let allowed = allows(&documents, &model(destination), requested, Some(arn));
                assert_eq!(allowed, is_granted, "{arn} in {requested}");
                checked += usize::from(allowed);
            }
        }
        assert!(checked > 0, "{region} {models:?}");
    }
}

#[tokio::test]
async fn policy_follows_the_invocation_policy() {
    let simulator = bedrock().await;
    let base = [
        "iam-policy",
        "--live",
        "--region",
        "us-east-1",
        "--model",
        "claude-sonnet-4-5",
    ];
    let global = ["--preference", "Global"];
    let documents = documents(ask(&simulator, &[&base[..], &global].concat()).await);
    let statements = documents[0]["Statement"].as_array().unwrap();
    let sids: Vec<_> = statements.iter().map(|s| &s["Sid"]).collect();
    assert_eq!(
        sids,
        [
            "InvokeInferenceProfiles",
            "InvokeModelsOfInferenceProfiles",
            "InvokeModelsOfGlobalInferenceProfiles"
        ]
    );
    assert_eq!(
        statements[2]["Condition"]["StringEquals"]["aws:RequestedRegion"],
        json!(["unspecified"])
    );
    let none = ["--preference", "InRegion"];
    let done = ask(&simulator, &[&base[..], &none].concat()).await;
    done.failed(1, "no model matches that has an ID to pass");
    let unknown = [
        "iam-policy",
        "--live",
        "--region",
        "us-east-1",
        "--model",
        "claude-9",
    ];
    ask(&simulator, &unknown)
        .await
        .failed(1, "no model of us-east-1 matches");
}

#[tokio::test]
async fn terraform_has_the_statements_of_the_documents() {
    let simulator = bedrock().await;
    let base = ["iam-policy", "--live", "--region", "us-east-1"];
    let documents = documents(ask(&simulator, &base).await);
    let text = ask(
        &simulator,
        &[&base[..], &["--format", "terraform"]].concat(),
    )
    .await;
    let text = text.well();
    assert!(documents.len() > 1);
    for (index, document) in documents.iter().enumerate() {
        let name = format!(
            "data \"aws_iam_policy_document\" \"bedrock_invoke_{}\" {{",
            index + 1
        );
        assert_eq!(text.matches(&name).count(), 1, "{name}");
        for statement in document["Statement"].as_array().unwrap() {
            let resources = statement["Resource"].as_array().unwrap();
            let missing = resources
                .iter()
                .find(|arn| !text.contains(&arn.to_string()));
            assert_eq!(missing, None);
        }
    }
    // Each block and list is closed, and each line is one of HCL's.
    assert_eq!(text.matches('{').count(), text.matches('}').count());
    assert_eq!(text.matches('[').count(), text.matches(']').count());
    let kinds: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !word.starts_with('"'))
        .collect();
    let expected = [
        "]",
        "actions",
        "condition",
        "data",
        "resources",
        "sid",
        "statement",
        "test",
        "values",
        "variable",
        "}",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

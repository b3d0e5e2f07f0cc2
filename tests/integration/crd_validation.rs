//! What the API server takes, refuses, fills in and shows, by the CRD alone.

use std::collections::BTreeMap;

use bedrock_model_map::api::{
    AccountRegionsStatus, AliasProblem, AliasesStatus, AttemptError, BedrockModelMap,
    BedrockModelMapSpec, BedrockModelMapStatus, ClusterBedrockModelMap, ErrorCode, MappingOmitted,
    MappingStatus, RegionState, RegionStatus, Summary, VerifiedConfigMap, VerifiedStatus,
};
use bedrock_model_map::reconcile::validate::ValidatedSpec;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, CustomResourceExt as _};
use serde_json::{Value, json};

use crate::support::{Cluster, Namespace};

fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// Every field that a user can set.
fn everything() -> Value {
    json!({
        "regions": ["us-east-1", "eu-central-1"],
        "refreshInterval": "1h30m",
        "suspend": true,
        "models": {
            "include": ["anthropic.claude-*", "amazon.nova-?ro-v1:0"],
            "exclude": ["*:200k"],
            "providers": ["Anthropic", "Stability AI"],
            "lifecycle": ["ACTIVE", "LEGACY"],
            "inputModalities": ["TEXT", "IMAGE"],
            "outputModalities": ["TEXT"],
        },
        "inferenceProfiles": {"types": ["APPLICATION"]},
        "aliases": [
            {"name": "chat", "env": "ANTHROPIC_MODEL", "models": ["anthropic.claude-sonnet-5", "anthropic.claude-*"]},
            {"name": "embed", "models": ["amazon.titan-embed-*"]},
        ],
        "aws": {"roleArn": "arn:aws:iam::123456789012:role/path/bedrock-reader", "externalId": "team-a:42"},
        "output": {
            "configMapPrefix": "claude",
            "labels": {"team": "a", "example.com/cost-center": "", "app.kubernetes.io/part-of": "x_1.y"},
            "annotations": {"Reflector.example.com/allowed": "true", "note": "anything, at all\n"},
            "compression": "Always",
            "statusDetail": "Summary",
        },
        "deletionPolicy": "Retain",
    })
}

fn regions(count: usize) -> Vec<String> {
    (1..=count)
        .map(|n| format!("us-{}-{}", ["east", "west"][n % 2], n))
        .collect()
}

/// As many keys with a short value.
fn keys(count: usize) -> BTreeMap<String, String> {
    (1..=count)
        .map(|n| (format!("key-{n}"), "value".to_owned()))
        .collect()
}

/// What is wrong, the spec, and a part of what the user gets to read.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn bad_specs() -> Vec<(&'static str, Value, &'static str)> {
    let region = |name: &str| json!({"regions": [name]});
    let interval = |text: &str| json!({"refreshInterval": text});
    let models = |field: &str, item: &str| json!({"models": {field: [item]}});
    let role = |arn: &str| json!({"aws": {"roleArn": arn}});
    let prefix = |prefix: &str| json!({"output": {"configMapPrefix": prefix}});
    let label = |key: &str, value: &str| json!({"output": {"labels": {key: value}}});
    let annotation = |key: &str| json!({"output": {"annotations": {key: "value"}}});
    let aliases = |aliases: &[Value]| json!({"aliases": aliases});
    let alias = |name: &str, models: Value| json!({"aliases": [{"name": name, "models": models}]});
    vec![
        // Values outside an enumeration
        (
            "unknown deletion policy",
            json!({"deletionPolicy": "delete"}),
            "spec.deletionPolicy: Unsupported value: \"delete\": supported values: \"Delete\", \"Retain\"",
        ),
        (
            "unknown compression",
            json!({"output": {"compression": "Gzip"}}),
            "spec.output.compression: Unsupported value: \"Gzip\": supported values: \"Auto\", \"Always\", \"Never\"",
        ),
        (
            "unknown status detail",
            json!({"output": {"statusDetail": "Full"}}),
            "spec.output.statusDetail: Unsupported value: \"Full\": supported values: \"Mapping\", \"Summary\"",
        ),
        (
            "unknown lifecycle",
            models("lifecycle", "RETIRED"),
            "spec.models.lifecycle[0]: Unsupported value: \"RETIRED\": supported values: \"ACTIVE\", \"LEGACY\"",
        ),
        (
            "unknown kind of profile",
            json!({"inferenceProfiles": {"types": ["SYSTEM"]}}),
            "spec.inferenceProfiles.types[0]: Unsupported value: \"SYSTEM\": supported values: \"SYSTEM_DEFINED\", \"APPLICATION\"",
        ),
        // The invocation policy
        (
            "excluded regions beside named ones",
            json!({"regions": ["us-east-1"], "excludeRegions": ["ap-*"]}),
            "excludeRegions cannot be combined with regions: it leaves out enabled regions where regions is omitted",
        ),
        (
            "excluded region with a blank",
            json!({"excludeRegions": ["ap *"]}),
            "spec.excludeRegions[0]: Invalid value: \"ap *\": must be a glob on AWS regions, such as ap-* or us-west-2",
        ),
        (
            "unknown kind of route",
            json!({"invocation": {"preference": ["OnDemand"]}}),
            "spec.invocation.preference[0]: Unsupported value: \"OnDemand\": supported values: \"InRegion\", \"Geographic\", \"Global\", \"Application\"",
        ),
        (
            "kind of route twice",
            json!({"invocation": {"preference": ["Global", "Global"]}}),
            "spec.invocation.preference[1]: Duplicate value: \"Global\"",
        ),
        (
            "no kind of route",
            json!({"invocation": {"preference": []}}),
            "spec.invocation.preference in body should have at least 1 items",
        ),
        (
            "application profiles that are never chosen",
            json!({"invocation": {"applicationProfiles": ["team-a-*"]}}),
            "applicationProfiles needs Application in preference: otherwise no application profile is ever chosen",
        ),
        (
            "destination in upper case",
            json!({"invocation": {"allowedDestinationRegions": ["EU-*"]}}),
            "must be a glob on AWS regions, such as eu-* or us-east-1",
        ),
        (
            "unknown treatment of LEGACY models",
            json!({"invocation": {"legacy": "Deny"}}),
            "spec.invocation.legacy: Unsupported value: \"Deny\": supported values: \"Allow\", \"Avoid\"",
        ),
        // Aliases
        (
            "alias twice",
            aliases(&[
                json!({"name": "chat", "models": ["a"]}),
                json!({"name": "chat", "models": ["b"]}),
            ]),
            "spec.aliases[1]: Duplicate value: {\"name\":\"chat\"}",
        ),
        (
            "alias that is no DNS label",
            alias("Chat_1", json!(["a"])),
            "spec.aliases[0].name: Invalid value: \"Chat_1\": must be a DNS label",
        ),
        (
            "environment variable with a hyphen",
            aliases(&[json!({"name": "chat", "env": "MY-MODEL", "models": ["a"]})]),
            "spec.aliases[0].env: Invalid value: \"MY-MODEL\": must be the name of an environment variable: letters, digits and _, not beginning with a digit",
        ),
        (
            "environment variable that begins with a digit",
            aliases(&[json!({"name": "chat", "env": "1MODEL", "models": ["a"]})]),
            "must be the name of an environment variable",
        ),
        (
            "environment variable of Claude Code's settings",
            aliases(&[json!({"name": "chat", "env": "AWS_REGION", "models": ["a"]})]),
            "env cannot be AWS_REGION or CLAUDE_CODE_USE_BEDROCK: claude-code.json sets them",
        ),
        (
            "environment variable twice",
            aliases(&[
                json!({"name": "a", "env": "MODEL", "models": ["a"]}),
                json!({"name": "b", "env": "MODEL", "models": ["a"]}),
            ]),
            "two aliases have the same environment variable",
        ),
        (
            "environment variable that is another alias' default",
            aliases(&[
                json!({"name": "big-chat", "models": ["a"]}),
                json!({"name": "b", "env": "BEDROCK_MODEL_BIG_CHAT", "models": ["a"]}),
            ]),
            "two aliases have the same environment variable",
        ),
        (
            "alias without candidates",
            alias("chat", json!([])),
            "spec.aliases[0].models in body should have at least 1 items",
        ),
        (
            "alias with too many candidates",
            alias("chat", json!(vec!["a"; 17])),
            "spec.aliases[0].models: Too many: 17: must have at most 16 items",
        ),
        (
            "candidate with a blank",
            alias("chat", json!(["claude sonnet"])),
            "spec.aliases[0].models[0]: Invalid value: \"claude sonnet\": must be a model id or a glob on model ids",
        ),
        (
            "too many aliases",
            json!({"aliases": (0..65).map(|n| json!({"name": format!("a{n}"), "models": ["a"]})).collect::<Vec<_>>()}),
            "spec.aliases: Too many: 65: must have at most 64 items",
        ),
        // Regions
        (
            "region in upper case",
            region("US-EAST-1"),
            "spec.regions[0]: Invalid value: \"US-EAST-1\": must be the name of an AWS region, such as us-east-1",
        ),
        (
            "availability zone",
            region("us-east-1a"),
            "spec.regions[0]: Invalid value: \"us-east-1a\": must be the name of an AWS region",
        ),
        (
            "region without a number",
            region("us-east"),
            "Invalid value: \"us-east\": must be the name of an AWS region",
        ),
        (
            "region with a dot",
            region("us-east-1.example.com"),
            "Invalid value: \"us-east-1.example.com\": must be the name of an AWS region",
        ),
        (
            "empty region",
            region(""),
            "spec.regions[0]: Invalid value: \"\": must be the name of an AWS region",
        ),
        (
            "region too long",
            region("us-veryveryveryveryveryveryeast-1"),
            "spec.regions[0]: Too long: may not be more than 32 bytes",
        ),
        (
            "region twice",
            json!({"regions": ["us-east-1", "us-west-2", "us-east-1"]}),
            "spec.regions[2]: Duplicate value: \"us-east-1\"",
        ),
        (
            "no region",
            json!({"regions": []}),
            "spec.regions in body should have at least 1 items",
        ),
        (
            "65 regions",
            json!({"regions": regions(65)}),
            "spec.regions: Too many: 65: must have at most 64 items",
        ),
        // The interval
        (
            "interval too short",
            interval("59s"),
            "spec.refreshInterval: Invalid value: \"59s\": refreshInterval must be a Go duration between 1m and 720h (30 days), such as 6h or 1h30m",
        ),
        (
            "interval too long",
            interval("720h1ns"),
            "Invalid value: \"720h1ns\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "interval of an unknown unit",
            interval("1x"),
            "Invalid value: \"1x\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "interval in days",
            interval("30d"),
            "Invalid value: \"30d\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "empty interval",
            interval(""),
            "Invalid value: \"\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "negative interval",
            interval("-5m"),
            "Invalid value: \"-5m\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "interval without a unit",
            interval("6"),
            "Invalid value: \"6\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "zero interval",
            interval("0s"),
            "Invalid value: \"0s\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "interval with a blank",
            interval("1h 30m"),
            "Invalid value: \"1h 30m\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "interval over the numbers of a duration",
            interval("9999999h"),
            "Invalid value: \"9999999h\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "interval whose sum is as large as can be written",
            interval("999999999s999999999s999999999s"),
            "Invalid value: \"999999999s999999999s999999999s\": refreshInterval must be a Go duration between 1m and 720h",
        ),
        (
            "interval of too many digits",
            interval("000000000000000000000000000000001h"),
            "spec.refreshInterval: Too long: may not be more than 32 bytes",
        ),
        // Filters
        (
            "glob with a blank",
            models("include", "anthropic claude*"),
            "spec.models.include[0]: Invalid value: \"anthropic claude*\": must be a glob on model ids: letters, digits and . _ : / - as in an id, * and ?",
        ),
        (
            "glob with a class",
            models("exclude", "*[0-9]"),
            "spec.models.exclude[0]: Invalid value: \"*[0-9]\": must be a glob on model ids",
        ),
        (
            "empty glob",
            models("include", ""),
            "spec.models.include[0]: Invalid value: \"\": must be a glob on model ids",
        ),
        (
            "glob too long",
            models("include", &"a".repeat(257)),
            "spec.models.include[0]: Too long: may not be more than 256 bytes",
        ),
        (
            "65 globs",
            json!({"models": {"exclude": vec!["*"; 65]}}),
            "spec.models.exclude: Too many: 65: must have at most 64 items",
        ),
        (
            "empty provider",
            models("providers", ""),
            "spec.models.providers[0]: Invalid value: \"\": must not be empty or start or end with a space",
        ),
        (
            "blank provider",
            models("providers", " "),
            "spec.models.providers[0]: Invalid value: \" \": must not be empty or start or end with a space",
        ),
        (
            "lifecycle twice",
            json!({"models": {"lifecycle": ["ACTIVE", "ACTIVE"]}}),
            "spec.models.lifecycle[1]: Duplicate value: \"ACTIVE\"",
        ),
        (
            "input modality in lower case",
            models("inputModalities", "text"),
            "spec.models.inputModalities[0]: Invalid value: \"text\": must be a modality in upper case, such as TEXT or IMAGE",
        ),
        (
            "output modality in lower case",
            models("outputModalities", "Text"),
            "spec.models.outputModalities[0]: Invalid value: \"Text\": must be a modality in upper case, such as TEXT or IMAGE",
        ),
        (
            "no kind of profile",
            json!({"inferenceProfiles": {"types": []}}),
            "spec.inferenceProfiles.types in body should have at least 1 items",
        ),
        (
            "kind of profile twice",
            json!({"inferenceProfiles": {"types": ["APPLICATION", "APPLICATION"]}}),
            "spec.inferenceProfiles.types[1]: Duplicate value: \"APPLICATION\"",
        ),
        // AWS
        (
            "external id without a role",
            json!({"aws": {"externalId": "team-a"}}),
            "externalId needs roleArn: it is sent when that role is assumed",
        ),
        (
            "external id with a null for a role",
            json!({"aws": {"externalId": "team-a", "roleArn": null}}),
            "externalId needs roleArn: it is sent when that role is assumed",
        ),
        (
            "external id too short",
            json!({"aws": {"roleArn": "arn:aws:iam::123456789012:role/r", "externalId": "x"}}),
            "spec.aws.externalId in body should be at least 2 chars long",
        ),
        (
            "external id with a blank",
            json!({"aws": {"roleArn": "arn:aws:iam::123456789012:role/r", "externalId": "team a"}}),
            "spec.aws.externalId: Invalid value: \"team a\": must consist of letters, digits and + = , . @ : / _ -",
        ),
        (
            "a user for a role",
            role("arn:aws:iam::123456789012:user/bob"),
            "spec.aws.roleArn: Invalid value: \"arn:aws:iam::123456789012:user/bob\": must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/bedrock-reader",
        ),
        (
            "the name of a role for its ARN",
            role("bedrock-reader"),
            "Invalid value: \"bedrock-reader\": must be the ARN of an IAM role",
        ),
        (
            "role with a short account",
            role("arn:aws:iam::12345:role/r"),
            "Invalid value: \"arn:aws:iam::12345:role/r\": must be the ARN of an IAM role",
        ),
        (
            "empty role",
            role(""),
            "spec.aws.roleArn: Invalid value: \"\": must be the ARN of an IAM role",
        ),
        // The ConfigMaps
        (
            "prefix in upper case",
            prefix("Claude"),
            "spec.output.configMapPrefix: Invalid value: \"Claude\": must be the start of an object name: lower-case letters, digits, - and ., each part between dots beginning and ending with a letter or a digit",
        ),
        (
            "prefix with an underscore",
            prefix("claude_3"),
            "Invalid value: \"claude_3\": must be the start of an object name",
        ),
        (
            "prefix that begins with a dash",
            prefix("-claude"),
            "Invalid value: \"-claude\": must be the start of an object name",
        ),
        (
            "prefix that ends with a dash",
            prefix("claude-"),
            "Invalid value: \"claude-\": must be the start of an object name",
        ),
        (
            "prefix with two dots",
            prefix("claude..3"),
            "Invalid value: \"claude..3\": must be the start of an object name",
        ),
        (
            "empty prefix",
            prefix(""),
            "spec.output.configMapPrefix: Invalid value: \"\": must be the start of an object name",
        ),
        (
            "prefix too long",
            prefix(&"a".repeat(201)),
            "spec.output.configMapPrefix: Too long: may not be more than 200 bytes",
        ),
        (
            "label that says who manages",
            label("app.kubernetes.io/managed-by", "me"),
            "reserved for the operator: app.kubernetes.io/managed-by",
        ),
        (
            "label of the operator",
            label("bedrock.modelmap.dev/anything", "x"),
            "reserved for the operator: bedrock.modelmap.dev/anything",
        ),
        (
            "label key with a blank",
            label("my key", "x"),
            "not a label key (at most 63 letters, digits, -, _ and ., with an optional DNS name and / before them): my key",
        ),
        (
            "label key with a prefix that is no DNS name",
            label("a..b/c", "x"),
            "before them): a..b/c",
        ),
        (
            "label key too long",
            label(&"k".repeat(64), "x"),
            "not a label key (at most 63 letters",
        ),
        (
            "label value with a blank",
            label("team", "a b"),
            "spec.output.labels[team]: Invalid value: \"a b\": must be a label value: letters, digits, -, _ and ., beginning and ending with a letter or a digit",
        ),
        (
            "label value too long",
            label("team", &"a".repeat(64)),
            "spec.output.labels.team: Too long: may not be more than 63 bytes",
        ),
        (
            "33 labels",
            json!({"output": {"labels": keys(33)}}),
            "spec.output.labels: Too many: 33: must have at most 32 items",
        ),
        (
            "annotation of the operator",
            annotation("bedrock.modelmap.dev/content-sha256"),
            "reserved for the operator: bedrock.modelmap.dev/content-sha256",
        ),
        (
            "annotation key with a blank",
            annotation("my key"),
            "not an annotation key (at most 63 letters, digits, -, _ and ., with an optional DNS name and / before them): my key",
        ),
        (
            "annotation too long",
            json!({"output": {"annotations": {"note": "a".repeat(1025)}}}),
            "spec.output.annotations.note: Too long: may not be more than 1024 bytes",
        ),
        (
            "33 annotations",
            json!({"output": {"annotations": keys(33)}}),
            "spec.output.annotations: Too many: 33: must have at most 32 items",
        ),
        // Fields and types
        (
            "unknown field",
            json!({"region": "us-east-1"}),
            "unknown field \"spec.region\"",
        ),
        (
            "unknown field further down",
            models("includes", "*"),
            "unknown field \"spec.models.includes\"",
        ),
        (
            "one region instead of a list",
            json!({"regions": "us-east-1"}),
            "spec.regions in body must be of type array: \"string\"",
        ),
        (
            "null in a list",
            json!({"regions": [null]}),
            "spec.regions[0] in body must be of type string: \"null\"",
        ),
        (
            "text instead of true",
            json!({"suspend": "yes"}),
            "spec.suspend in body must be of type boolean: \"string\"",
        ),
        (
            "number instead of an interval",
            json!({"refreshInterval": 6}),
            "spec.refreshInterval in body must be of type string: \"integer\"",
        ),
        (
            "number for a label",
            json!({"output": {"labels": {"team": 1}}}),
            "spec.output.labels.team in body must be of type string: \"integer\"",
        ),
        (
            "list instead of an object",
            json!({"models": ["anthropic.claude-*"]}),
            "spec.models in body must be of type object: \"array\"",
        ),
        ("no spec", Value::Null, "spec: Required value"),
    ]
}

#[tokio::test]
async fn invalid_specs_are_rejected_with_message() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.name;
    let mut failures = Vec::new();
    let named = bad_specs()
        .into_iter()
        .map(|(what, spec, message)| (what, object("bad", &spec), message));
    let long_name = (
        "name too long",
        object(&"n".repeat(64), &json!({})),
        "metadata.name must have at most 63 characters: it is used as a label value",
    );
    for (what, object, message) in named.chain([long_name]) {
        let arguments = ["apply", "-n", &namespace, "-f", "-"];
        let output = cluster.kubectl(&arguments, &object.to_string()).await;
        if output.success {
            failures.push(format!("{what}: accepted"));
        } else if !(output.stderr.contains(message)
            || without_values(&output.stderr).contains(&without_values(message)))
        {
            failures.push(format!("{what}: wanted {message:?}, got: {output}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The lines without the invalid or duplicate values: an older API server shows the type of some instead.
fn without_values(message: &str) -> String {
    let lines = message.lines().map(|line| {
        let Some((before, value)) = line.split_once(" value: ") else {
            return line.to_owned();
        };
        let (_, after) = value.split_once(": ").unwrap_or_default();
        format!("{before} value: {after}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is special, the name of the resource, and its spec.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn good_specs() -> Vec<(&'static str, String, Value)> {
    let mut rows = Vec::new();
    let mut good = |what, spec| rows.push((what, format!("good-{}", rows.len()), spec));
    good("minimal", json!({}));
    good("everything set", everything());
    good(
        "empty objects",
        json!({"models": {}, "inferenceProfiles": {}, "aws": {}, "output": {}}),
    );
    good(
        "empty lists and maps",
        json!({
            "models": {"include": [], "exclude": [], "providers": [], "lifecycle": [], "inputModalities": [], "outputModalities": []},
            "output": {"labels": {}, "annotations": {}},
        }),
    );
    for interval in [
        "1m",
        "60s",
        "90s",
        "60000ms",
        "1m0.5s",
        "1.5h",
        "1h30m",
        "6h0m0s",
        "30m1h",
        "719h59m59.999999999s",
        "720h",
        "43200m",
        "2592000s",
    ] {
        good(interval, json!({"refreshInterval": interval}));
    }
    for region in [
        "us-gov-west-1",
        "eusc-de-east-1",
        "ap-southeast-7",
        "cn-northwest-1",
        "us-isob-east-1",
        "mx-central-1",
        "us-east-12",
    ] {
        good(region, json!({"regions": [region]}));
    }
    good("64 regions", json!({"regions": regions(64)}));
    for role in [
        "arn:aws-us-gov:iam::123456789012:role/r",
        "arn:aws-cn:iam::123456789012:role/service-role/r+=,.@_-1",
        "arn:aws-iso-b:iam::123456789012:role/r",
    ] {
        good(role, json!({"aws": {"roleArn": role}}));
    }
    good(
        "excluded regions",
        json!({"excludeRegions": ["ap-*", "*", "us-west-?"]}),
    );
    good("empty policy", json!({"invocation": {}}));
    good(
        "full policy",
        json!({"invocation": {
            "preference": ["Application", "InRegion", "Geographic", "Global"],
            "applicationProfiles": ["team-a-*", "Ünïcode (x)"],
            "allowedDestinationRegions": ["eu-*", "*"],
            "legacy": "Avoid",
        }}),
    );
    good(
        "aliases at their bounds",
        json!({"aliases": (0..64).map(|n| json!({
            "name": format!("{}{}", "n".repeat(61), 10 + n),
            "env": format!("_{}{n}", "E".repeat(125)),
            "models": vec!["a".repeat(192); 16],
        })).collect::<Vec<_>>()}),
    );
    good(
        "alias of one character",
        json!({"aliases": [{"name": "4", "models": ["*"]}]}),
    );
    good(
        "longest external id",
        json!({"aws": {"roleArn": "arn:aws:iam::123456789012:role/r", "externalId": "+=,.@:/_-x".repeat(122) + "abcd"}}),
    );
    good(
        "shortest external id",
        json!({"aws": {"roleArn": "arn:aws:iam::123456789012:role/r", "externalId": "42"}}),
    );
    good(
        "prefix of 200 characters",
        json!({"output": {"configMapPrefix": "a".repeat(200)}}),
    );
    good(
        "prefix of one character",
        json!({"output": {"configMapPrefix": "0"}}),
    );
    good(
        "prefix with dots",
        json!({"output": {"configMapPrefix": "team-a.claude.3"}}),
    );
    good(
        "labels at their bounds",
        json!({"output": {"labels": {
            "k".repeat(63): "v".repeat(63),
            format!("{}.example/k", ["d"; 122].join(".")): "",
        }}}),
    );
    good(
        "as many labels and annotations as can be",
        json!({"output": {"labels": keys(32), "annotations": keys(32)}}),
    );
    good(
        "labels that only resemble the operator's",
        json!({"output": {
            "labels": {"x.bedrock.modelmap.dev/name": "x", "app.kubernetes.io/name": "x"},
            "annotations": {"app.kubernetes.io/managed-by": "me"},
        }}),
    );
    good(
        "longest annotation",
        json!({"output": {"annotations": {"note": "ü".repeat(1024)}}}),
    );
    good(
        "lists at their bounds",
        json!({"models": {
            "include": vec!["a".repeat(256); 64],
            "exclude": vec!["*"; 64],
            "providers": vec!["A".repeat(128); 64],
            "inputModalities": vec!["T".repeat(64); 16],
            "outputModalities": vec!["NEW_KIND_2"; 16],
        }}),
    );
    good(
        "ARN as a glob",
        json!({"models": {"include": ["arn:aws:bedrock:*:*:foundation-model/*"]}}),
    );
    good(
        "both kinds of profiles",
        json!({"inferenceProfiles": {"types": ["APPLICATION", "SYSTEM_DEFINED"]}}),
    );
    rows.push(("name of 63 characters", "n".repeat(63), json!({})));
    rows.push(("name with dots", "team-a.claude.v3".to_owned(), json!({})));
    rows
}

/// The resources as they are stored, with nothing lost on the way through our types.
fn untyped(namespace: &Namespace) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<BedrockModelMap>(&());
    Api::namespaced_with(namespace.client.clone(), &namespace.name, &kind)
}

/// The value without its empty lists and maps, which mean the same as none.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), without_empty(value)))
            .filter(|(_, value)| *value != json!([]) && *value != json!({}))
            .collect(),
        _ => value.clone(),
    }
}

/// Whether everything of one value is in another, which may have more fields.
fn includes(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| includes(whole, part))),
        _ => whole == part,
    }
}

#[tokio::test]
async fn valid_specs_are_stored_unchanged_and_accepted_by_operator() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await;
    let raw = untyped(&namespace);
    let typed: Api<BedrockModelMap> = namespace.api();
    let mut failures = Vec::new();
    for (what, name, spec) in good_specs() {
        let arguments = ["apply", "-n", &namespace.name, "-f", "-"];
        let output = cluster
            .kubectl(&arguments, &object(&name, &spec).to_string())
            .await;
        if !output.success {
            failures.push(format!("{what}: refused: {output}"));
            continue;
        }
        if !output.stderr.is_empty() {
            failures.push(format!("{what}: {}", output.stderr));
        }
        let stored = raw.get(&name).await.unwrap().data["spec"].clone();
        if !includes(&stored, &spec) {
            failures.push(format!("{what}: {spec} is stored as {stored}"));
        }
        let resource = typed.get(&name).await.unwrap();
        if let Err(error) = ValidatedSpec::of(&resource) {
            failures.push(format!("{what}: not valid to the operator: {error}"));
        }
        let read = json!(resource.spec);
        if without_empty(&read) != without_empty(&stored) {
            failures.push(format!("{what}: {stored} is read as {read}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn defaults_match_contract() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await;
    let stored = create(&untyped(&namespace), &object("minimal", &json!({})))
        .await
        .unwrap();
    let defaults = json!({
        "refreshInterval": "6h",
        "suspend": false,
        "models": {},
        "inferenceProfiles": {"types": ["SYSTEM_DEFINED", "APPLICATION"]},
        "output": {"compression": "Auto", "statusDetail": "Mapping"},
        "deletionPolicy": "Delete",
    });
    assert_eq!(stored, defaults);
    // What the operator takes for granted where nothing is stored is the same.
    assert_eq!(
        json!(serde_json::from_value::<BedrockModelMapSpec>(json!({})).unwrap()),
        defaults
    );
}

/// kstatus counts a resource without an observed generation as done.
#[tokio::test]
async fn unseen_resource_reports_no_generation() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await;
    let parameters = PostParams::default();
    let fresh = object("unseen", &json!({}));
    let untyped: Api<DynamicObject> = untyped(&namespace);
    untyped
        .create(&parameters, &serde_json::from_value(fresh).unwrap())
        .await
        .unwrap();
    let stored = untyped.get("unseen").await.unwrap();
    assert_eq!(stored.data["status"], json!({"observedGeneration": -1}));
    let typed: Api<BedrockModelMap> = namespace.api();
    let status = typed.get("unseen").await.unwrap().status.unwrap();
    assert_eq!(status, BedrockModelMapStatus::default());
}

/// The spec as stored, after a creation that leaves nothing behind.
async fn create(api: &Api<DynamicObject>, object: &Value) -> kube::Result<Value> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object = serde_json::from_value(object.clone()).unwrap();
    Ok(api.create(&dry_run, &object).await?.data["spec"].clone())
}

#[tokio::test]
async fn null_field_equals_omitted_field() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await;
    let api = untyped(&namespace);
    let mut failures = Vec::new();
    let mut fields = 0;
    for field in described_fields(&schema()["properties"]["spec"], "") {
        fields += 1;
        // `.output.labels` as `{"output": {"labels": null}}`, and as `{"output": {}}`.
        let (parents, name) = field.path.rsplit_once('.').unwrap();
        let within = |leaf: Value| {
            parents
                .split('.')
                .filter(|parent| !parent.is_empty())
                .rev()
                .fold(leaf, |inner, parent| json!({parent: inner}))
        };
        let with_null = create(&api, &object("null", &within(json!({name: null})))).await;
        let omitted = create(&api, &object("omitted", &within(json!({}))))
            .await
            .unwrap();
        match with_null {
            Ok(stored) if stored == omitted => {}
            outcome => failures.push(format!("{}: {outcome:?} instead of {omitted}", field.path)),
        }
    }
    assert!(fields > 20, "{fields}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn repeated_apply_changes_nothing() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await;
    let api = untyped(&namespace);
    let mut failures = Vec::new();
    for (name, spec) in [("minimal", json!({})), ("everything", everything())] {
        for how in [&["apply", "--server-side"][..], &["apply"]] {
            let name = format!("{name}-{}", how.len());
            let arguments = [how, &["-n", &namespace.name, "-f", "-"]].concat();
            let manifest = object(&name, &spec).to_string();
            cluster.run(&arguments, &manifest).await.unwrap();
            // The first update stores the default of the status, which a creation drops.
            cluster.run(&arguments, &manifest).await.unwrap();
            let first = api.get(&name).await.unwrap();
            cluster.run(&arguments, &manifest).await.unwrap();
            let second = api.get(&name).await.unwrap();
            if first != second {
                failures.push(format!(
                    "{how:?} of {name}: {second:?} instead of {first:?}"
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn crd_installs_without_warning() {
    let cluster = Cluster::shared().await;
    // kubectl says there what the API server warns of, such as formats that it does not know.
    assert_eq!(cluster.installation.stderr, "");
}

/// The schema of the whole resource, as generated.
fn schema() -> Value {
    schema_of(&BedrockModelMap::crd())
}

fn schema_of(crd: &CustomResourceDefinition) -> Value {
    let crd = json!(crd);
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// A field, however deep.
struct Field {
    path: String,
    schema: Value,
}

/// Every field below a schema.
fn described_fields(schema: &Value, path: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields.extend(described_fields(schema, &path));
        fields.push(Field {
            path,
            schema: schema.clone(),
        });
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "[*]")] {
        if schema[inner].is_object() {
            fields.extend(described_fields(&schema[inner], &format!("{path}{mark}")));
        }
    }
    fields
}

#[test]
fn every_field_has_description() {
    let fields = [schema(), schema_of(&ClusterBedrockModelMap::crd())];
    let fields = fields
        .iter()
        .flat_map(|schema| described_fields(schema, ""));
    let fields: Vec<Field> = fields.collect();
    let mut failures = Vec::new();
    for Field { path, schema } in &fields {
        let description = schema["description"].as_str().unwrap_or_default();
        if description.is_empty() {
            failures.push(format!("{path}: no description"));
        }
        // kubectl keeps line breaks, and breaks long lines besides.
        if description.contains('\n') {
            failures.push(format!("{path}: {description:?} has a line break"));
        }
        let values = [&schema["enum"], &schema["items"]["enum"]];
        for value in values.into_iter().filter_map(Value::as_array).flatten() {
            let value = value.as_str().unwrap();
            if !description.contains(value) {
                failures.push(format!("{path}: {description:?} does not explain {value}"));
            }
        }
        // A null in any other field is dropped by the API server. The status as a whole is made nullable by kube.
        if schema["nullable"] == true && path != ".status" {
            failures.push(format!("{path}: nullable"));
        }
    }
    assert!(fields.len() > 70, "{}", fields.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn kubectl_explain_describes_every_field() {
    let cluster = Cluster::shared().await;
    let mut failures = Vec::new();
    let of_cluster_maps = schema_of(&ClusterBedrockModelMap::crd());
    for (kind, schema, part) in [
        ("bmm", &schema(), "spec"),
        ("bmm", &schema(), "status"),
        ("cbmm", &of_cluster_maps, "spec"),
        ("cbmm", &of_cluster_maps, "status"),
    ] {
        let explained = format!("{kind}.{part}");
        let explain = ["explain", "--recursive", &explained];
        let tree = cluster.run(&explain, "").await.unwrap();
        for Field { path, .. } in described_fields(&schema["properties"][part], "") {
            let name = path.rsplit('.').next().unwrap();
            if !tree
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("{name}\t<")))
            {
                failures.push(format!("{kind}.{part}{path} is not in the tree"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let models = cluster
        .run(&["explain", "bmm.spec.models"], "")
        .await
        .unwrap();
    let expected = "\
  lifecycle\t<[]string>
    Lifecycle states as in Bedrock's `modelLifecycle.status`. `ACTIVE`: offered
    and maintained. `LEGACY`: still offered, with an announced end of life.
    Default: every state.
";
    assert!(models.contains(expected), "{models}");
}

fn whole_condition(kind: &str, status: &str, message: &str) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: "Published".to_owned(),
        message: message.to_owned(),
        observed_generation: Some(3),
        last_transition_time: Time("2026-11-02T00:00:00Z".parse().unwrap()),
    }
}

fn whole_record() -> VerifiedStatus {
    let verified = VerifiedConfigMap {
        resource_version: "12345".to_owned(),
        bytes: 910_000,
        inputs: "0".repeat(16),
    };
    VerifiedStatus {
        operator_version: "0.1.0".to_owned(),
        config_maps: BTreeMap::from([("claude-mapping".to_owned(), verified)]),
    }
}

fn whole_aliases() -> AliasesStatus {
    AliasesStatus {
        config_map: "claude-us-east-1-aliases".to_owned(),
        sha256: "ab".repeat(32),
        env_config_map: "claude-us-east-1-env".to_owned(),
        env_sha256: "cd".repeat(32),
        resolved: 1,
        unresolved: 1,
        problems: vec![AliasProblem {
            alias: "chat".to_owned(),
            reason: "NotListed".to_owned(),
            message: "no such model".to_owned(),
        }],
        held_loss: Some("ef".repeat(32)),
        next_end_of_life: Some(Time("2027-04-08T08:00:00Z".parse().unwrap())),
        error: None,
    }
}

/// A status with every field set, and every state.
fn whole_status() -> BedrockModelMapStatus {
    let time = |text: &str| Some(Time(text.parse().unwrap()));
    let error = AttemptError {
        code: ErrorCode::Throttled,
        message: "AWS throttles the request".to_owned(),
        retry_after_seconds: Some(30),
    };
    let region = |state| RegionStatus {
        state,
        config_map: Some("claude-us-east-1".to_owned()),
        sha256: Some("0".repeat(64)),
        bytes: 124_205,
        models: 125,
        profiles: 94,
        associations: 180,
        requiring_profile: 61,
        invocable: Some(120),
        aliases: Some(Box::new(whole_aliases())),
        not_invocable: BTreeMap::from([("ProvisionedOnly".to_owned(), 5)]),
        ambiguous_profile_names: vec!["team-a-claude".to_owned()],
        orphan_profiles: 2,
        discovered_at: time("2026-11-01T00:00:00Z"),
        last_success_time: time("2026-11-02T00:00:00Z"),
        last_attempt_time: time("2026-11-02T01:00:00Z"),
        stale_since: time("2026-11-02T02:00:00Z"),
        consecutive_failures: 3,
        observed_generation: Some(4),
        held_answer: Some("0".repeat(64)),
        error: Some(error.clone()),
        mapping: Some(BTreeMap::from([
            (
                "amazon.nova-pro-v1:0".to_owned(),
                vec!["us.amazon.nova-pro-v1:0".to_owned()],
            ),
            ("amazon.titan-embed-text-v2:0".to_owned(), Vec::new()),
        ])),
    };
    let states = [
        RegionState::Fresh,
        RegionState::Empty,
        RegionState::Stale,
        RegionState::Failed,
        RegionState::Unsupported,
        RegionState::Disabled,
        RegionState::Denied,
    ];
    let mapping = MappingStatus {
        config_map: "claude-mapping".to_owned(),
        sha256: "0".repeat(64),
        bytes: 900_000,
        compressed: true,
        error: Some(error.clone()),
    };
    BedrockModelMapStatus {
        observed_generation: Some(3),
        conditions: vec![
            whole_condition("Ready", "True", "33 of 34 regions are fresh"),
            whole_condition("Reconciling", "False", ""),
            whole_condition("Stalled", "Unknown", ""),
            whole_condition("Degraded", "True", "eu-north-1 is stale"),
        ],
        last_refresh_time: time("2026-11-02T00:00:00Z"),
        next_refresh_time: time("2026-11-02T06:00:00Z"),
        last_handled_refresh_request: Some("now".to_owned()),
        summary: Some(Summary {
            regions: 34,
            regions_fresh: "33/34".to_owned(),
            fresh: 33,
            stale: 7,
            failed: 8,
            models: 1880,
            profiles: 1521,
            associations: 3010,
            requiring_profile: 1136,
            invocable: Some(1801),
            aliases: Some(60),
            aliases_unresolved: Some(2),
        }),
        mapping: Some(mapping),
        mapping_omitted: Some(MappingOmitted::TooLarge),
        account_regions: Some(AccountRegionsStatus {
            last_attempt_time: time("2026-11-02T00:00:00Z"),
            consecutive_failures: 1,
            observed_generation: Some(4),
            held_answer: Some("0".repeat(64)),
            unmatched_excludes: vec!["app-*".to_owned()],
            error: Some(error.clone()),
        }),
        verified: Some(whole_record()),
        regions: states
            .into_iter()
            .enumerate()
            .map(|(n, state)| (format!("us-east-{n}"), region(state)))
            .collect(),
    }
}

/// A row of a table that kubectl printed: its columns are two blanks apart, at least.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[tokio::test]
async fn status_round_trips_and_fills_columns() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await;
    let api: Api<BedrockModelMap> = namespace.api();
    api.create(
        &PostParams::default(),
        &BedrockModelMap::new("claude", BedrockModelMapSpec::default()),
    )
    .await
    .unwrap();
    let patch = json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "status": whole_status(),
    });
    let parameters = PatchParams::apply("test").validation_strict();
    api.patch_status("claude", &parameters, &Patch::Apply(&patch))
        .await
        .unwrap();
    assert_eq!(
        api.get("claude").await.unwrap().status,
        Some(whole_status())
    );

    let table = async |arguments: &[&str]| {
        let arguments = [&["get", "bmm", "-n", &namespace.name][..], arguments].concat();
        cluster.run(&arguments, "").await.unwrap()
    };
    let narrow = [
        "NAME",
        "READY",
        "REASON",
        "REGIONS",
        "MODELS",
        "PROFILES",
        "LAST REFRESH",
        "AGE",
    ];
    let wide = ["NEXT REFRESH", "STALE", "FAILED", "SUSPENDED", "STATUS"];
    let printed = table(&[]).await;
    let lines: Vec<_> = printed.lines().map(cells).collect();
    assert_eq!(lines[0], narrow, "{printed}");
    assert_eq!(
        lines[1][..6],
        ["claude", "True", "Published", "33/34", "1880", "1521"],
        "{printed}"
    );
    let printed = table(&["-o", "wide"]).await;
    let lines: Vec<_> = printed.lines().map(cells).collect();
    assert_eq!(lines[0], [&narrow[..], &wide].concat(), "{printed}");
    assert_eq!(
        lines[1][8..],
        [
            "2026-11-02T06:00:00Z",
            "7",
            "8",
            "false",
            "33 of 34 regions are fresh"
        ],
        "{printed}"
    );
}

use serde_json::json;

use super::*;
use crate::bedrock::policy::InvocationPolicy;

fn models(items: &[Value]) -> Models {
    let item = |v: &Value| {
        (
            v["modelId"].as_str().unwrap().to_owned(),
            serde_json::from_value(v.clone()).unwrap(),
        )
    };
    items.iter().map(item).collect()
}

fn model(id: &str, name: &str) -> Value {
    json!({"modelId": id, "modelName": name, "inferenceTypesSupported": ["ON_DEMAND"]})
}

fn some_models() -> Models {
    models(&[
        model("amazon.nova-lite-v1:0", "Nova Lite"),
        model("amazon.nova-lite-v1:0:24k", "Nova Lite"),
        model("amazon.nova-2-lite-v1:0", "Nova 2 Lite"),
        model("anthropic.claude-sonnet-4-20250514-v1:0", "Claude Sonnet 4"),
        model(
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "Claude Sonnet 4.5",
        ),
        model("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
    ])
}

fn ids(models: &Models, wanted: &str) -> Result<Vec<String>, ResolveError> {
    let policy = InvocationPolicy::default();
    let regions = Regions::from([("us-east-1", RegionView::with_policy(models, &policy))]);
    let found = resolve(&regions, "us-east-1", wanted)?;
    Ok(found.into_iter().map(|r| r.model_id).collect())
}

#[test]
fn name_resolves_to_the_closest_matches() {
    let sonnet_4 = "anthropic.claude-sonnet-4-20250514-v1:0";
    let sonnet_4_5 = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let nova = ["amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0:24k"];
    let cases: [(&str, &[&str]); 14] = [
        // The ID itself, although other IDs contain it.
        ("amazon.nova-lite-v1:0", &nova[..1]),
        ("AMAZON.Nova-Lite-v1:0", &nova[..1]),
        // A whole name, though other names contain it.
        ("Claude Sonnet 4", &[sonnet_4]),
        ("claude-sonnet-4", &[sonnet_4]),
        ("claude-sonnet-4-5", &[sonnet_4_5]),
        ("claude sonnet 4.5", &[sonnet_4_5]),
        ("nova-lite", &nova),
        // A part of either.
        ("sonnet", &[sonnet_4, sonnet_4_5]),
        ("20250514", &[sonnet_4]),
        ("GPT-OSS", &["openai.gpt-oss-120b-1:0"]),
        // Globs are on the whole id.
        ("anthropic.*", &[sonnet_4, sonnet_4_5]),
        ("*:24k", &nova[1..]),
        ("amazon.nova-?-lite*", &["amazon.nova-2-lite-v1:0"]),
        (
            "*",
            &[
                "amazon.nova-2-lite-v1:0",
                nova[0],
                nova[1],
                sonnet_4,
                sonnet_4_5,
                "openai.gpt-oss-120b-1:0",
            ],
        ),
    ];
    for (wanted, expected) in cases {
        assert_eq!(ids(&some_models(), wanted).unwrap(), expected, "{wanted}");
    }
}

#[test]
fn unknown_name_has_suggestions() {
    let cases: [(&str, &[&str]); 8] = [
        (
            "claude-sonet-4-5",
            &[
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
                "anthropic.claude-sonnet-4-20250514-v1:0",
            ],
        ),
        ("gpt-osss", &["openai.gpt-oss-120b-1:0"]),
        ("gpt-oss*", &["openai.gpt-oss-120b-1:0"]),
        ("something quite different", &[]),
        ("", &[]),
        ("--", &[]),
        ("[", &[]),
        ("*[", &[]),
    ];
    for (wanted, expected) in cases {
        let error = ids(&some_models(), wanted).unwrap_err();
        let ResolveError::UnknownModel { nearest, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(nearest, expected, "{wanted}");
    }
    let long = "x".repeat(1_000_000);
    assert!(ids(&some_models(), &long).is_err());
}

#[test]
fn other_regions_and_unknown_ones() {
    let (here, there) = (
        models(&[model("a.one", "One")]),
        models(&[model("a.two", "Two")]),
    );
    let policy = InvocationPolicy::default();
    let view = |models| RegionView::with_policy(models, &policy);
    let regions = Regions::from([("here-a-1", view(&here)), ("there-a-1", view(&there))]);
    let error = resolve(&regions, "here-a-1", "two").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"no model of here-a-1 matches "two"; regions that have it: there-a-1"#
    );
    let error = resolve(&regions, "mars-a-1", "two").unwrap_err();
    assert_eq!(
        error.to_string(),
        "region mars-a-1 is not available; available regions: here-a-1, there-a-1"
    );
    let error = resolve(&Regions::new(), "mars-a-1", "two").unwrap_err();
    assert!(
        error.to_string().ends_with("available regions: none"),
        "{error}"
    );
}

#[test]
fn routes() {
    let profile = |id: &str, kind: &str, status: &str, regions: &[&str]| {
        let arn =
            |r: &&str| json!({"modelArn": format!("arn:aws:bedrock:{r}::foundation-model/a.b")});
        json!({
            "inferenceProfileId": id, "type": kind, "status": status,
            "models": regions.iter().map(arn).collect::<Vec<_>>(),
        })
    };
    let us = || {
        profile(
            "us.a.b",
            "SYSTEM_DEFINED",
            "ACTIVE",
            &["us-west-2", "us-east-1"],
        )
    };
    let global = || profile("global.a.b", "SYSTEM_DEFINED", "ACTIVE", &["", "us-east-1"]);
    let old = || profile("eu.a.b", "SYSTEM_DEFINED", "RETIRED", &["eu-west-1"]);
    let own = || profile("ab12", "APPLICATION", "ACTIVE", &["us-east-1"]);
    let cases = [
        (
            json!(["ON_DEMAND"]),
            vec![us()],
            "on demand",
            Some("a.b"),
            "on demand: the model's own ID can be passed",
        ),
        (
            json!(["INFERENCE_PROFILE"]),
            vec![global(), us(), own()],
            "us",
            Some("us.a.b"),
            "not on demand; the profile of the geography us, which routes to us-east-1, us-west-2",
        ),
        (
            json!([]),
            vec![old(), global()],
            "global",
            Some("global.a.b"),
            "not on demand; the global profile, which routes to any region",
        ),
        (
            json!(["INFERENCE_PROFILE"]),
            vec![own(), old()],
            "application",
            None,
            "not on demand; only application profiles lead to it, pass the ARN of yours: ab12",
        ),
        (
            json!(["INFERENCE_PROFILE"]),
            vec![old()],
            "inactive",
            None,
            "not on demand; none of its profiles is active: eu.a.b",
        ),
        (
            json!(["PROVISIONED"]),
            vec![],
            "provisioned",
            None,
            "only with provisioned throughput: pass the ARN of the account's Provisioned Throughput",
        ),
        (
            json!([]),
            vec![],
            "none",
            None,
            "AWS states no way to invoke it from here",
        ),
        (
            Value::Null,
            vec![],
            "none",
            None,
            "AWS states no way to invoke it from here",
        ),
    ];
    for (types, profiles, short, invoke_with, why) in cases {
        let item = json!({
            "modelId": "a.b", "inferenceTypesSupported": types,
            "referencedByInstanceProfiles": profiles,
        });
        let models = models(&[item]);
        let policy = InvocationPolicy::default();
        let view = RegionView::with_policy(&models, &policy);
        let regions = Regions::from([("us-east-1", view)]);
        let found = resolve(&regions, "us-east-1", "a.b").unwrap().remove(0);
        let facts = view.facts("us-east-1", "a.b", &models["a.b"]);
        assert_eq!(Explanation::new(&facts).short(), short);
        assert_eq!(found.invoke_with.as_deref(), invoke_with, "{short}");
        assert_eq!(found.explanation, why);
        let profile = found.profile.map(|p| p.id);
        assert_eq!(profile.as_deref(), invoke_with.filter(|_| !found.on_demand));
    }
}

#[test]
fn as_json_it_is_what_the_contract_says() {
    let models = models(&[json!({
        "modelId": "a.b", "modelName": "B", "inferenceTypesSupported": ["INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "LEGACY", "endOfLifeTime": "2027-04-08T08:00:00Z"},
        "referencedByInstanceProfiles": [{
            "inferenceProfileId": "us.a.b", "type": "SYSTEM_DEFINED", "status": "ACTIVE",
            "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a.b"}],
        }],
    })]);
    let policy = InvocationPolicy::default();
    let view = RegionView::with_policy(&models, &policy);
    let regions = Regions::from([("us-east-1", view)]);
    let found = resolve(&regions, "us-east-1", "b").unwrap();
    let expected = json!([{
        "region": "us-east-1", "modelId": "a.b", "modelName": "B", "invokeWith": "us.a.b", "route": "Geographic",
        "onDemand": false, "requiresInferenceProfile": true,
        "profile": {
            "id": "us.a.b", "type": "SYSTEM_DEFINED", "status": "ACTIVE", "geography": "us",
            "destinationRegions": ["us-east-1"],
        },
        "lifecycle": {"status": "LEGACY", "endOfLifeTime": "2027-04-08T08:00:00Z"},
    }]);
    assert_eq!(serde_json::to_value(found).unwrap(), expected);
}

#[test]
fn references_from_configurations_resolve_to_their_models() {
    let profile = |id: &str, kind: &str, arn: &str| {
        json!({"inferenceProfileId": id, "inferenceProfileArn": arn, "type": kind,
               "status": "ACTIVE", "models": []})
    };
    let sonnet = |profiles: &[Value]| {
        json!({"modelId": "a.sonnet-v1:0", "modelName": "Sonnet", "inferenceTypesSupported": [],
               "referencedByInstanceProfiles": profiles})
    };
    let application = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/ab12";
    let here = models(&[
        sonnet(&[
            profile(
                "eu.a.sonnet-v1:0",
                "SYSTEM_DEFINED",
                "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.a.sonnet-v1:0",
            ),
            profile("ab12", "APPLICATION", application),
        ]),
        model("a.sonnet-v1:0:24k", "Sonnet"),
    ]);
    let there = models(&[sonnet(&[profile("special.sonnet", "SYSTEM_DEFINED", "")])]);
    let policy = InvocationPolicy::default();
    let view = |models| RegionView::with_policy(models, &policy);
    let regions = Regions::from([("eu-west-1", view(&here)), ("us-east-1", view(&there))]);
    let found = |wanted: &str| -> Vec<String> {
        let found = resolve(&regions, "eu-west-1", wanted).unwrap_or_default();
        found.into_iter().map(|r| r.model_id).collect()
    };
    for wanted in [
        "a.sonnet-v1:0",
        "eu.a.sonnet-v1:0",
        // Not listed anywhere: the model ID with a geography before it.
        "us.a.sonnet-v1:0",
        // Listed in another region.
        "special.sonnet",
        "ab12",
        application,
        "arn:aws:bedrock:us-east-1:2:inference-profile/us.a.sonnet-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/a.sonnet-v1:0",
        "bedrock/eu.a.sonnet-v1:0",
        "bedrock/converse/us-east-1/us.a.sonnet-v1:0",
        "bedrock_converse:a.sonnet-v1:0",
    ] {
        assert_eq!(found(wanted), ["a.sonnet-v1:0"], "{wanted}");
    }
    for wanted in [
        "arn:aws:bedrock:eu-west-1:1:application-inference-profile/other",
        "arn:aws:bedrock:us-east-1::foundation-model/sonnet",
        "us.b.sonnet",
    ] {
        assert_eq!(found(wanted), [""; 0], "{wanted}");
    }
}

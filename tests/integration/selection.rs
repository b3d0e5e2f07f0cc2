//! Which regions, models and profiles are published.

use serde_json::{Value, json};

use crate::oracle;
use crate::support::{Fixture, catalog_of, condition, data};

/// A name, the spec, and whether it keeps a model.
type Selector<'a> = (&'static str, Value, &'a dyn Fn(&Value) -> bool);

#[tokio::test]
async fn selectors_filter_published_models() {
    let fixture = Fixture::with_regions(&["us-east-1"]).await;
    let whole = fixture.simulator.catalog();
    let text = |model: &Value, key: &str| model[key].as_str().unwrap().to_owned();
    let has = |model: &Value, key: &str, value: &str| {
        model[key].as_array().unwrap().contains(&json!(value))
    };
    // Of each selector what it keeps, said a second time in other words.
    let cases: [Selector<'_>; 5] = [
        (
            "include",
            json!({"models": {"include": ["anthropic.claude-*", "amazon.nova-pro-v?:0"]}}),
            &|m| {
                let id = text(m, "modelId");
                id.starts_with("anthropic.claude-") || id == "amazon.nova-pro-v1:0"
            },
        ),
        (
            "exclude",
            json!({"models": {"include": ["amazon.*"], "exclude": ["*:*k", "*embed*"]}}),
            &|m| {
                let id = text(m, "modelId");
                let context_window = id.contains(':') && id.ends_with('k');
                id.starts_with("amazon.") && !context_window && !id.contains("embed")
            },
        ),
        (
            "provider",
            json!({"models": {"providers": ["aNTHROPIC"]}}),
            &|m| text(m, "providerName") == "Anthropic",
        ),
        (
            "modality",
            json!({"models": {"inputModalities": ["IMAGE", "TEXT"], "outputModalities": ["TEXT"]}}),
            &|m| {
                has(m, "inputModalities", "IMAGE")
                    && has(m, "inputModalities", "TEXT")
                    && has(m, "outputModalities", "TEXT")
            },
        ),
        (
            "lifecycle",
            json!({"models": {"lifecycle": ["LEGACY"]}}),
            &|m| m["modelLifecycle"]["status"] == "LEGACY",
        ),
    ];
    for (name, mut spec, keeps) in cases {
        spec["regions"] = json!(["us-east-1"]);
        fixture.create(name, spec).await;
        fixture.sound(name).await;
        let kept: Vec<Value> = whole
            .models("us-east-1")
            .iter()
            .filter(|m| keeps(m))
            .cloned()
            .collect();
        assert!(
            !kept.is_empty() && kept.len() < whole.models("us-east-1").len(),
            "{name}"
        );
        let mut expected = whole.clone();
        expected.set_models("us-east-1", kept);
        let published = fixture.config_map(&format!("{name}-us-east-1")).await;
        let expected = oracle::models_json(&expected, "us-east-1");
        assert!(data(&published, "models.json") == expected, "{name}");
    }
    // Five resources, one region, one fetch: its three lists.
    assert_eq!(fixture.simulator.total(), 3);
}

#[tokio::test]
async fn profile_types_filter_embedded_profiles() {
    let fixture = Fixture::with_regions(&["us-east-1"]).await;
    for (name, kind) in [("system", "SYSTEM_DEFINED"), ("application", "APPLICATION")] {
        let spec = json!({"regions": ["us-east-1"], "inferenceProfiles": {"types": [kind]}});
        fixture.create(name, spec).await;
        fixture.sound(name).await;
        let mut expected = fixture.simulator.catalog();
        let mut profiles = expected.profiles("us-east-1").to_vec();
        profiles.retain(|profile| profile["type"] == kind);
        assert!(!profiles.is_empty());
        expected.set_profiles("us-east-1", profiles);
        let published = fixture.config_map(&format!("{name}-us-east-1")).await;
        let expected = oracle::models_json(&expected, "us-east-1");
        assert!(data(&published, "models.json") == expected, "{name}");
    }
}

#[tokio::test]
async fn disabled_regions_are_not_queried() {
    let catalog = {
        let mut catalog = catalog_of(&["us-west-1", "eu-central-2", "ap-east-2"]);
        catalog.set_status("eu-central-2", bedrock_simulator::RegionOptStatus::Disabled);
        catalog
    };
    let fixture = Fixture::new(catalog, &[]).await;
    fixture.create("claude", json!({})).await;
    let status = fixture.sound("claude").await.status.unwrap();
    let regions: Vec<&String> = status.regions.keys().collect();
    assert_eq!(regions, ["ap-east-2", "us-west-1"]);
    // Enabled meanwhile: the next forced refresh finds it.
    fixture.simulator.edit_catalog(|catalog| {
        catalog.set_status("eu-central-2", bedrock_simulator::RegionOptStatus::Enabled);
    });
    fixture.refresh("claude", "1").await;
    fixture.sound("claude").await;
    assert!(fixture.has_config_map("claude-eu-central-2").await);
}

#[tokio::test]
async fn policy_that_leaves_no_id_is_a_condition_and_no_error() {
    let fixture = Fixture::with_regions(&["us-west-1"]).await;
    let policy = json!({"allowedDestinationRegions": ["eu-*"]});
    let spec = json!({"regions": ["us-west-1"], "invocation": policy});
    fixture.create("claude", spec).await;
    let resource = fixture.sound("claude").await;
    let [status, reason, message] = condition(&resource, "IdsAvailable");
    assert_eq!([status, reason], ["False", "NoIds"]);
    assert!(message.starts_with("0 of 39 models have an ID to pass; without one: "));
    assert!(message.contains(" DestinationNotAllowed"), "{message}");
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
}

//! What is published, to the byte.

use std::collections::{BTreeMap, BTreeSet};

use bedrock_simulator::Catalog;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::oracle;
use crate::support::{
    Cluster, Stage, catalog_of, condition, data, file, mapping_json, mapping_value, whole_catalog,
};

/// (region, model) pairs of the catalogue that can only be invoked through a profile.
const REQUIRING_PROFILE: usize = 1114;

#[tokio::test]
async fn whole_catalogue_is_what_the_oracle_makes_of_it() {
    let stage = Stage::with(whole_catalog(), &[]).await;
    stage.create("all", json!({})).await;
    let resource = stage.sound("all").await;
    let catalog = stage.simulator.catalog();
    let regions: Vec<&str> = catalog.regions().collect();
    assert_eq!(regions.len(), 31);

    let config_maps = stage.config_maps("all").await;
    assert_eq!(config_maps.len(), 32);
    for region in &regions {
        let published = &config_maps[&format!("all-{region}")];
        let expected = oracle::models_json(&catalog, region);
        assert!(
            data(published, "models.json") == expected,
            "{region} differs"
        );
    }
    let mapping = &config_maps["all-mapping"];
    let expected = oracle::mapping_json(&catalog, regions.iter().copied());
    assert!(mapping_json(mapping) == expected, "the mapping differs");
    // 2 MB: over the limit of a ConfigMap, so `Auto` compressed it.
    assert!(mapping.binary_data.is_some());

    let resolved: usize = regions
        .iter()
        .map(|region| resolved(&catalog, region, &config_maps[&format!("all-{region}")]))
        .sum();
    assert_eq!(resolved, REQUIRING_PROFILE);
    let summary = resource.status.as_ref().unwrap().summary.clone().unwrap();
    assert_eq!(summary.requiring_profile, 1114);
    assert_eq!(summary.models, 1840);
    assert_eq!(summary.regions_fresh, "31/31");
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Degraded")[0], "False");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);

    let columns = columns(&stage, "all").await;
    let shown = [
        "all",
        "True",
        "31/31",
        "1840",
        &summary.profiles.to_string(),
    ]
    .map(str::to_owned);
    assert_eq!(columns[..5], shown);
}

/// How many models that need a profile are invoked with an active one of this very region.
fn resolved(catalog: &Catalog, region: &str, published: &ConfigMap) -> usize {
    let facts = file(published, "invocation.json");
    let profiles: BTreeSet<&str> = catalog
        .profiles(region)
        .iter()
        .filter(|p| p["status"] == "ACTIVE" && p["type"] == "SYSTEM_DEFINED")
        .map(|p| p["inferenceProfileId"].as_str().unwrap())
        .collect();
    let mut resolved = 0;
    for model in oracle::associated(catalog, region) {
        let id = model["modelId"].as_str().unwrap();
        let facts = &facts[id];
        let types = model["inferenceTypesSupported"].as_array().unwrap();
        let on_demand = types.contains(&json!("ON_DEMAND"));
        let requires = !on_demand && model["referencedByInstanceProfiles"].is_array();
        assert_eq!(facts["onDemand"], on_demand, "{region} {id}");
        assert_eq!(facts["requiresInferenceProfile"], requires, "{region} {id}");
        if on_demand {
            assert_eq!(facts["invokeWith"], id, "{region}");
        } else if requires {
            let chosen = facts["invokeWith"].as_str().unwrap_or_default();
            assert!(profiles.contains(chosen), "{region} {id}: {chosen:?}");
            assert!(chosen.ends_with(id), "{region} {id}: {chosen:?}");
            resolved += 1;
        } else {
            assert_eq!(facts["invokeWith"], Value::Null, "{region} {id}");
        }
    }
    resolved
}

async fn columns(stage: &Stage, name: &str) -> Vec<String> {
    let arguments = [
        "get",
        "bmm",
        name,
        "--no-headers",
        "-n",
        &stage.namespace.name,
    ];
    let printed = Cluster::shared().await.run(&arguments, "").await.unwrap();
    printed.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn objects_carry_labels_annotations_and_owner() {
    let stage = Stage::of(&["us-west-1", "eu-central-2"]).await;
    stage
        .create("claude", json!({"regions": ["us-west-1", "eu-central-2"]}))
        .await;
    let resource = stage.sound("claude").await;
    let status = resource.status.as_ref().unwrap();
    let config_maps = stage.config_maps("claude").await;
    let names: Vec<&str> = config_maps.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["claude-eu-central-2", "claude-mapping", "claude-us-west-1"]
    );

    for (name, content, region) in [
        ("claude-us-west-1", "region", Some("us-west-1")),
        ("claude-mapping", "mapping", None),
    ] {
        let published = &config_maps[name];
        let mut labels = BTreeMap::from([
            ("app.kubernetes.io/managed-by", "bedrock-model-map"),
            ("bedrock.modelmap.dev/name", "claude"),
            ("bedrock.modelmap.dev/content", content),
        ]);
        labels.extend(region.map(|region| ("bedrock.modelmap.dev/region", region)));
        assert_eq!(json!(published.labels()), json!(labels));
        let hash = match region {
            Some(region) => status.regions[region].sha256.clone().unwrap(),
            None => status.mapping.as_ref().unwrap().sha256.clone(),
        };
        let annotations = json!({"bedrock.modelmap.dev/content-sha256": hash});
        assert_eq!(json!(published.annotations()), annotations);
        let owners = json!([{
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "name": "claude",
            "uid": resource.uid(),
            "controller": true,
        }]);
        assert_eq!(json!(published.owner_references()), owners);
        let managers = published.managed_fields().iter();
        let managers: Vec<_> = managers.map(|m| m.manager.as_deref()).collect();
        assert_eq!(managers, [Some("bedrock-model-map")]);
    }
    // Only the named regions were asked, and the account was not.
    let asked: BTreeSet<String> = stage
        .simulator
        .requests()
        .into_iter()
        .map(|r| r.region)
        .collect();
    assert_eq!(
        asked,
        ["eu-central-2", "us-west-1"].map(str::to_owned).into()
    );
    assert_eq!(stage.simulator.total(), 6);
}

#[tokio::test]
async fn selectors_decide_what_is_published() {
    let stage = Stage::of(&["us-east-1"]).await;
    let whole = stage.simulator.catalog();
    let text = |model: &Value, key: &str| model[key].as_str().unwrap().to_owned();
    let has = |model: &Value, key: &str, value: &str| {
        model[key].as_array().unwrap().contains(&json!(value))
    };
    // Of each selector what it keeps, said a second time in other words.
    let cases: [(&str, Value, &dyn Fn(&Value) -> bool); 5] = [
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
        stage.create(name, spec).await;
        stage.sound(name).await;
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
        let published = stage.config_map(&format!("{name}-us-east-1")).await;
        let expected = oracle::models_json(&expected, "us-east-1");
        assert!(data(&published, "models.json") == expected, "{name}");
    }
    // Five resources, one region, one fetch: its three lists.
    assert_eq!(stage.simulator.total(), 3);
}

#[tokio::test]
async fn types_of_profiles_decide_what_is_embedded() {
    let stage = Stage::of(&["us-east-1"]).await;
    for (name, kind) in [("system", "SYSTEM_DEFINED"), ("application", "APPLICATION")] {
        let spec = json!({"regions": ["us-east-1"], "inferenceProfiles": {"types": [kind]}});
        stage.create(name, spec).await;
        stage.sound(name).await;
        let mut expected = stage.simulator.catalog();
        let mut profiles = expected.profiles("us-east-1").to_vec();
        profiles.retain(|profile| profile["type"] == kind);
        assert!(!profiles.is_empty());
        expected.set_profiles("us-east-1", profiles);
        let published = stage.config_map(&format!("{name}-us-east-1")).await;
        let expected = oracle::models_json(&expected, "us-east-1");
        assert!(data(&published, "models.json") == expected, "{name}");
    }
}

#[tokio::test]
async fn compression_is_as_the_spec_says() {
    let stage = Stage::of(&["us-west-1"]).await;
    let spec = json!({"regions": ["us-west-1"]});
    stage.create("claude", spec).await;
    let is_compressed = async || {
        stage.sound("claude").await;
        let mapping = stage.config_map("claude-mapping").await;
        let expected = oracle::mapping_json(&stage.simulator.catalog(), ["us-west-1"]);
        assert!(mapping_json(&mapping) == expected);
        mapping.binary_data.is_some()
    };
    assert!(!is_compressed().await);
    for (compression, compressed) in [("Always", true), ("Never", false), ("Auto", false)] {
        stage
            .patch(
                "claude",
                json!({"spec": {"output": {"compression": compression}}}),
            )
            .await;
        assert_eq!(is_compressed().await, compressed, "{compression}");
    }
}

#[tokio::test]
async fn mapping_over_a_mebibyte_is_refused_while_its_regions_are_published() {
    let stage = Stage::with(whole_catalog(), &[]).await;
    stage
        .create("large", json!({"output": {"compression": "Never"}}))
        .await;
    let resource = stage.sound("large").await;
    let [ready, reason, message] = condition(&resource, "Ready");
    assert_eq!([ready, reason], ["False", "PayloadTooLarge"]);
    assert!(message.contains("compression"), "{message}");
    assert_eq!(
        condition(&resource, "Stalled")[..2],
        ["True", "PayloadTooLarge"]
    );
    let config_maps = stage.config_maps("large").await;
    assert_eq!(config_maps.len(), 31);
    assert!(!config_maps.contains_key("large-mapping"));

    stage
        .patch(
            "large",
            json!({"spec": {"output": {"compression": "Auto"}}}),
        )
        .await;
    let resource = stage.sound("large").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    let last_good = stage.config_map("large-mapping").await;

    stage
        .patch(
            "large",
            json!({"spec": {"output": {"compression": "Never"}}}),
        )
        .await;
    let resource = stage.settled("large").await;
    assert_eq!(condition(&resource, "Stalled")[1], "PayloadTooLarge");
    let kept = stage.config_map("large-mapping").await;
    assert_eq!(kept.resource_version(), last_good.resource_version());
}

#[tokio::test]
async fn status_shows_as_much_as_wanted() {
    let stage = Stage::of(&["us-west-1"]).await;
    let spec = json!({"regions": ["us-west-1"], "output": {"statusDetail": "Summary"}});
    stage.create("claude", spec).await;
    let mapping = async || {
        let resource = stage.sound("claude").await;
        resource.status.unwrap().regions["us-west-1"]
            .mapping
            .clone()
    };
    assert_eq!(mapping().await, None);
    stage
        .patch(
            "claude",
            json!({"spec": {"output": {"statusDetail": "Mapping"}}}),
        )
        .await;
    assert_eq!(mapping().await.unwrap().len(), 39);
}

#[tokio::test]
async fn labels_and_annotations_of_the_user_come_and_go() {
    let stage = Stage::of(&["us-west-1"]).await;
    let output = json!({"labels": {"team": "a", "tier": "1"}, "annotations": {"note": "x"}});
    stage
        .create(
            "claude",
            json!({"regions": ["us-west-1"], "output": output}),
        )
        .await;
    stage.sound("claude").await;
    // What others put on the object is theirs.
    for name in ["claude-us-west-1", "claude-mapping"] {
        let theirs =
            json!({"metadata": {"labels": {"theirs": "l"}, "annotations": {"theirs": "a"}}});
        stage.patch_config_map(name, theirs).await;
    }
    let shown = async || {
        stage.sound("claude").await;
        let mut shown = Vec::new();
        for name in ["claude-us-west-1", "claude-mapping"] {
            let published = stage.config_map(name).await;
            let labels = published.labels();
            let labels = ["team", "tier", "theirs"].map(|key| labels.get(key).cloned());
            let annotations = published.annotations();
            let annotations = ["note", "theirs"].map(|key| annotations.get(key).cloned());
            shown.push(json!([labels, annotations]));
        }
        assert_eq!(shown[0], shown[1]);
        shown.remove(0)
    };
    assert_eq!(shown().await, json!([["a", "1", "l"], ["x", "a"]]));
    let output = json!({"labels": {"team": "b", "tier": null}, "annotations": {"note": null}});
    stage
        .patch("claude", json!({"spec": {"output": output}}))
        .await;
    assert_eq!(shown().await, json!([["b", null, "l"], [null, "a"]]));
}

#[tokio::test]
async fn what_is_not_wanted_any_more_goes() {
    let stage = Stage::of(&["us-west-1", "eu-central-2", "ap-east-2"]).await;
    let names = async || {
        stage.sound("claude").await;
        stage
            .config_maps("claude")
            .await
            .into_keys()
            .collect::<Vec<_>>()
    };
    stage.create("claude", json!({})).await;
    let all = [
        "claude-ap-east-2",
        "claude-eu-central-2",
        "claude-mapping",
        "claude-us-west-1",
    ];
    assert_eq!(names().await, all);
    stage
        .patch(
            "claude",
            json!({"spec": {"regions": ["us-west-1", "eu-central-2"]}}),
        )
        .await;
    assert_eq!(
        names().await,
        ["claude-eu-central-2", "claude-mapping", "claude-us-west-1"]
    );
    let mapping = mapping_value(&stage.config_map("claude-mapping").await);
    let regions: Vec<&String> = mapping["models"].as_object().unwrap().keys().collect();
    assert_eq!(regions, ["eu-central-2", "us-west-1"]);
    stage
        .patch(
            "claude",
            json!({"spec": {"output": {"configMapPrefix": "other.name"}}}),
        )
        .await;
    assert_eq!(
        names().await,
        [
            "other.name-eu-central-2",
            "other.name-mapping",
            "other.name-us-west-1"
        ]
    );
    // A region of which nothing is left has no ConfigMap and is not in the mapping.
    let only_here = "nowhere.*";
    stage
        .patch(
            "claude",
            json!({"spec": {"models": {"include": [only_here]}}}),
        )
        .await;
    assert_eq!(names().await, ["other.name-mapping"]);
    let mapping = mapping_json(&stage.config_map("other.name-mapping").await);
    assert_eq!(mapping, r#"{"models":{}}"#);
}

#[tokio::test]
async fn regions_that_are_not_enabled_are_not_asked() {
    let catalog = {
        let mut catalog = catalog_of(&["us-west-1", "eu-central-2", "ap-east-2"]);
        catalog.set_status("eu-central-2", bedrock_simulator::RegionOptStatus::Disabled);
        catalog
    };
    let stage = Stage::with(catalog, &[]).await;
    stage.create("claude", json!({})).await;
    let status = stage.sound("claude").await.status.unwrap();
    let regions: Vec<&String> = status.regions.keys().collect();
    assert_eq!(regions, ["ap-east-2", "us-west-1"]);
    // Enabled meanwhile: the next forced refresh finds it.
    stage.simulator.edit_catalog(|catalog| {
        catalog.set_status("eu-central-2", bedrock_simulator::RegionOptStatus::Enabled);
    });
    stage.refresh("claude", "1").await;
    stage.sound("claude").await;
    assert!(stage.has_config_map("claude-eu-central-2").await);
}

//! What is published, to the byte.

use std::collections::{BTreeMap, BTreeSet};

use bedrock_simulator::Catalog;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::oracle;
use crate::support::{Cluster, Fixture, condition, data, file, mapping_json, whole_catalog};

/// (region, model) pairs of the catalogue that can only be invoked through a profile.
const REQUIRING_PROFILE: usize = 1114;

#[tokio::test]
async fn published_catalog_matches_oracle() {
    let fixture = Fixture::new(whole_catalog(), &[]).await;
    fixture.create("all", json!({})).await;
    let resource = fixture.sound("all").await;
    let catalog = fixture.simulator.catalog();
    let regions: Vec<&str> = catalog.regions().collect();
    assert_eq!(regions.len(), 31);

    let config_maps = fixture.config_maps("all").await;
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

    let columns = columns(&fixture, "all").await;
    let shown = [
        "all",
        "True",
        "Published",
        "31/31",
        "1840",
        &summary.profiles.to_string(),
    ]
    .map(str::to_owned);
    assert_eq!(columns[..6], shown);
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

async fn columns(fixture: &Fixture, name: &str) -> Vec<String> {
    let arguments = [
        "get",
        "bmm",
        name,
        "--no-headers",
        "-n",
        &fixture.namespace.name,
    ];
    let printed = Cluster::shared().await.run(&arguments, "").await.unwrap();
    printed.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn objects_carry_labels_annotations_and_owner() {
    let fixture = Fixture::with_regions(&["us-west-1", "eu-central-2"]).await;
    fixture
        .create("claude", json!({"regions": ["us-west-1", "eu-central-2"]}))
        .await;
    let resource = fixture.sound("claude").await;
    let status = resource.status.as_ref().unwrap();
    let config_maps = fixture.config_maps("claude").await;
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
    // Only the named regions were queried, not the account.
    let queried: BTreeSet<String> = fixture
        .simulator
        .requests()
        .into_iter()
        .map(|r| r.region)
        .collect();
    assert_eq!(
        queried,
        ["eu-central-2", "us-west-1"].map(str::to_owned).into()
    );
    assert_eq!(fixture.simulator.total(), 6);
}

//! What is true of any status.

use std::collections::{BTreeMap, BTreeSet};

use bedrock_model_map::api::{BedrockModelMap, RegionState, RegionStatus, StatusDetail};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Fixture, condition, data, eventually, file, mapping_json, mapping_value};

/// Panics with the number of the rule that the status breaks. The resource has to be settled.
pub async fn check_status(fixture: &Fixture, resource: &BedrockModelMap) {
    let name = resource.metadata.name.clone().unwrap();
    let config_maps = fixture.config_maps(&name).await;
    let status = resource.status.clone().unwrap();
    // 1: it speaks of no spec that there never was.
    assert!(
        status.observed_generation <= resource.metadata.generation,
        "1"
    );
    conditions(resource);
    let mut named = BTreeSet::new();
    for (region, of_region) in &status.regions {
        region_by_itself(region, of_region);
        if let Some(config_map) = &of_region.config_map {
            named.insert(config_map.clone());
            let published = config_maps.get(config_map);
            let published = published.unwrap_or_else(|| panic!("9: {config_map} is not there"));
            region_as_published(region, of_region, published);
            mapping_of_region(resource, region, of_region, published);
            if let Some(aliases) = &of_region.aliases {
                named.extend([aliases.config_map.clone(), aliases.env_config_map.clone()]);
            }
        }
    }
    summary(resource);
    if let Some(mapping) = &status.mapping
        && !mapping.config_map.is_empty()
    {
        named.insert(mapping.config_map.clone());
        if mapping.error.is_none() {
            merged(resource, &config_maps);
        }
    }
    // 20: no other ConfigMap is left; what the status no longer speaks of goes right after it was written.
    eventually(async || {
        let there: BTreeSet<String> = fixture.config_maps(&name).await.into_keys().collect();
        if there == named {
            Ok(())
        } else {
            Err(format!(
                "20: {there:?} are there, the status speaks of {named:?}"
            ))
        }
    })
    .await;
    // 21: what is published was last confirmed when its youngest part was.
    let confirmed = status.regions.values().map(|r| r.last_success_time.clone());
    let confirmed = confirmed.flatten().max_by_key(|time| time.0);
    assert_eq!(status.last_refresh_time, confirmed, "21");
}

fn conditions(resource: &BedrockModelMap) {
    let conditions = &resource.status.as_ref().unwrap().conditions;
    let kinds: Vec<&str> = conditions.iter().map(|c| c.type_.as_str()).collect();
    // 2: each condition is there once.
    let distinct: BTreeSet<&str> = kinds.iter().copied().collect();
    assert_eq!(distinct.len(), kinds.len(), "2: {kinds:?}");
    // 3: the two that are always there are.
    assert!(
        distinct.contains("Ready") && distinct.contains("Degraded"),
        "3: {kinds:?}"
    );
    for c in conditions {
        // 4: each says of which generation it speaks, and why.
        assert!(
            c.observed_generation <= resource.metadata.generation,
            "4: {c:?}"
        );
        assert!(!c.reason.is_empty() && !c.message.is_empty(), "4: {c:?}");
    }
    // 5: nothing is under way when only the user can help.
    let both = ["Stalled", "Reconciling"].map(|kind| condition(resource, kind)[0]);
    assert_ne!(both, ["True", "True"], "5");
}

fn region_by_itself(region: &str, status: &RegionStatus) {
    let failed = status.error.is_some() && status.last_attempt_time.is_some();
    let published = status.config_map.is_some();
    let sound = match status.state {
        // 6: what is fresh has no fault.
        RegionState::Fresh | RegionState::Empty => {
            status.error.is_none()
                && status.stale_since.is_none()
                && status.consecutive_failures == 0
                && published == (status.state == RegionState::Fresh)
                && status.last_success_time.is_some()
        }
        // 7: what is stale says why and since when, and has something to be stale.
        RegionState::Stale => {
            failed && published && status.stale_since.is_some() && status.consecutive_failures > 0
        }
        // 7: what is denied may keep what was published.
        RegionState::Denied => failed && published == status.stale_since.is_some(),
        // 8: what never answered has nothing published.
        RegionState::Failed | RegionState::Unsupported | RegionState::Disabled => {
            failed && !published && status.stale_since.is_none()
        }
        _ => false,
    };
    assert!(sound, "6-8: {region} contradicts itself: {status:#?}");
    if !published {
        let counts = [status.models, status.associations, status.bytes];
        assert_eq!(counts, [0; 3], "8: {region} counts what is not published");
    }
    if let Some(error) = &status.error {
        assert!(
            !error.message.is_empty() && error.message.len() < 1024,
            "8: {error:?}"
        );
    }
}

fn region_as_published(region: &str, status: &RegionStatus, published: &ConfigMap) {
    let text = data(published, "models.json");
    // 10: hash and size are those of the file; the annotation says the same.
    assert_eq!(status.sha256.as_ref(), Some(&sha256(text)), "10: {region}");
    assert_eq!(status.bytes, count(text.len()), "10: {region}");
    assert_eq!(
        annotation(published),
        status.sha256.as_deref(),
        "10: {region}"
    );
    // 11: the counts are those of the file.
    let models = file(published, "models.json");
    let models: Vec<&Value> = models.as_object().unwrap().values().collect();
    let embedded: Vec<&str> = models.iter().flat_map(|model| profile_ids(model)).collect();
    let distinct: BTreeSet<&&str> = embedded.iter().collect();
    let requiring = models.iter().filter(|model| requires_profile(model));
    assert_eq!(
        [
            status.models,
            status.profiles,
            status.associations,
            status.requiring_profile
        ],
        [
            models.len(),
            distinct.len(),
            embedded.len(),
            requiring.count()
        ]
        .map(count),
        "11: {region}"
    );
    // 12: metadata.json says the same.
    let mut expected = json!({
        "schemaVersion": 1,
        "region": region,
        "state": freshness(status),
        "discoveredAt": status.discovered_at,
        "models": status.models,
        "profiles": status.profiles,
        "associations": status.associations,
    });
    if let Some(since) = &status.stale_since {
        expected["staleSince"] = json!(since);
    }
    assert_eq!(file(published, "metadata.json"), expected, "12: {region}");
    // 13: each model has its facts.
    let ids = |name| -> Vec<String> {
        let object = file(published, name);
        object.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(ids("invocation.json"), ids("models.json"), "13: {region}");
    let facts = file(published, "invocation.json");
    let facts = facts.as_object().unwrap().values();
    let with_id = facts.clone().filter(|facts| !facts["invokeWith"].is_null());
    assert_eq!(
        status.invocable,
        Some(count(with_id.count())),
        "13: {region}"
    );
    let mut reasons = BTreeMap::new();
    for reason in facts.filter_map(|facts| facts["reason"].as_str()) {
        *reasons.entry(reason.to_owned()).or_default() += 1;
    }
    assert_eq!(status.not_invocable, reasons, "13: {region}");
}

/// 14: the compact mapping is that of the file, unless it is not wanted or does not fit.
fn mapping_of_region(
    resource: &BedrockModelMap,
    region: &str,
    status: &RegionStatus,
    published: &ConfigMap,
) {
    let omitted = resource.status.as_ref().unwrap().mapping_omitted.is_some();
    if omitted || resource.spec.output.status_detail == StatusDetail::Summary {
        assert_eq!(status.mapping, None, "14: {region}");
        return;
    }
    let models = file(published, "models.json");
    let expected: BTreeMap<String, Vec<String>> = models
        .as_object()
        .unwrap()
        .iter()
        .map(|(id, model)| {
            let mut ids: Vec<String> = profile_ids(model).into_iter().map(str::to_owned).collect();
            ids.sort();
            (id.clone(), ids)
        })
        .collect();
    assert_eq!(status.mapping, Some(expected), "14: {region}");
}

/// 15: the totals are those of the regions.
fn summary(resource: &BedrockModelMap) {
    let status = resource.status.as_ref().unwrap();
    let Some(summary) = &status.summary else {
        assert!(status.regions.is_empty(), "15: no summary");
        return;
    };
    let named = resource.spec.regions.is_some();
    let of = |states: &[RegionState]| {
        count(
            status
                .regions
                .values()
                .filter(|r| states.contains(&r.state))
                .count(),
        )
    };
    let absent = of(&[
        RegionState::Unsupported,
        RegionState::Disabled,
        RegionState::Denied,
    ]);
    let fresh = of(&[RegionState::Fresh, RegionState::Empty]);
    let failed = of(&[RegionState::Failed]) + if named { absent } else { 0 };
    let regions = count(status.regions.len()) - if named { 0 } else { absent };
    let total = |field: fn(&RegionStatus) -> i64| status.regions.values().map(field).sum::<i64>();
    assert_eq!(
        [
            summary.regions,
            summary.fresh,
            summary.stale,
            summary.failed
        ],
        [regions, fresh, of(&[RegionState::Stale]), failed],
        "15"
    );
    assert_eq!(
        [
            summary.models,
            summary.profiles,
            summary.associations,
            summary.requiring_profile
        ],
        [
            total(|r| r.models),
            total(|r| r.profiles),
            total(|r| r.associations),
            total(|r| r.requiring_profile)
        ],
        "15"
    );
    let published = status.regions.values().filter(|r| r.config_map.is_some());
    let invocable: i64 = published.filter_map(|r| r.invocable).sum();
    assert_eq!(summary.invocable, Some(invocable), "15");
    assert_eq!(summary.regions_fresh, format!("{fresh}/{regions}"), "15");
    // 16: degraded is what is not fresh.
    let degraded = if summary.stale + summary.failed > 0 {
        "True"
    } else {
        "False"
    };
    assert_eq!(condition(resource, "Degraded")[0], degraded, "16");
}

fn merged(resource: &BedrockModelMap, config_maps: &BTreeMap<String, ConfigMap>) {
    let status = resource.status.as_ref().unwrap();
    let mapping = status.mapping.as_ref().unwrap();
    // 17: the merged ConfigMap is there, with this hash and size.
    let published = config_maps.get(&mapping.config_map).expect("17");
    let text = mapping_json(published);
    assert_eq!(mapping.sha256, sha256(&text), "17");
    assert_eq!(annotation(published), Some(mapping.sha256.as_str()), "17");
    let binary = published.binary_data.as_ref();
    let compressed = binary.and_then(|files| files.get("mapping.json.gz"));
    assert_eq!(mapping.compressed, compressed.is_some(), "17");
    let bytes = compressed.map_or(text.len(), |bytes| bytes.0.len());
    assert_eq!(mapping.bytes, count(bytes), "17");
    // 18: it holds what the regions' ConfigMaps hold, and nothing else.
    let regions = status.regions.iter();
    let expected: BTreeMap<&String, Value> = regions
        .filter_map(|(region, r)| Some((region, r.config_map.as_ref()?)))
        .map(|(region, name)| (region, file(&config_maps[name], "models.json")))
        .collect();
    assert_eq!(
        mapping_value(published),
        json!({ "models": expected }),
        "18"
    );
    // 19: its metadata has each region's state.
    let metadata = file(published, "metadata.json");
    for region in expected.keys() {
        let state = freshness(&status.regions[*region]);
        assert_eq!(metadata["regions"][region]["state"], state, "19: {region}");
    }
}

fn freshness(status: &RegionStatus) -> &'static str {
    match status.state {
        RegionState::Fresh => "Fresh",
        _ => "Stale",
    }
}

fn profile_ids(model: &Value) -> Vec<&str> {
    let profiles = model["referencedByInstanceProfiles"].as_array();
    let ids = profiles
        .into_iter()
        .flatten()
        .map(|p| p["inferenceProfileId"].as_str());
    ids.map(Option::unwrap).collect()
}

fn requires_profile(model: &Value) -> bool {
    let types = model["inferenceTypesSupported"].as_array();
    let on_demand = types.is_some_and(|types| types.contains(&json!("ON_DEMAND")));
    !on_demand && !profile_ids(model).is_empty()
}

fn annotation(config_map: &ConfigMap) -> Option<&str> {
    let annotations = config_map.metadata.annotations.as_ref()?;
    let hash = annotations.get("bedrock.modelmap.dev/content-sha256");
    hash.map(String::as_str)
}

pub fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.concat()
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

//! What the aliases of a region must be, worked out from its published models.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::environment::Environment;

/// The ID of each alias, if it has one.
pub type Ids = BTreeMap<String, Option<String>>;

/// The IDs in `aliases.json`.
pub fn published(config_map: &ConfigMap) -> Option<Ids> {
    let json = config_map.data.as_ref()?.get("aliases.json")?;
    let entries: BTreeMap<String, Value> = serde_json::from_str(json).ok()?;
    let id = |entry: &Value| entry["invokeWith"].as_str().map(str::to_owned);
    Some(
        entries
            .iter()
            .map(|(name, entry)| (name.clone(), id(entry)))
            .collect(),
    )
}

/// The IDs that the published models of a region give. No model of the simulated regions is on demand,
/// has a start or an end: of several that a glob matches, the greatest ID wins.
pub fn resolved(environment: &Environment, region: &ConfigMap) -> Ids {
    let models = &region.data.as_ref().unwrap()["models.json"];
    let models: BTreeMap<String, Value> = serde_json::from_str(models).unwrap();
    // Every profile is active, in one geography, with two destinations in one region.
    let id = |model: &Value| {
        let profiles = model["referencedByInstanceProfiles"].as_array()?;
        let ids = profiles
            .iter()
            .filter_map(|p| p["inferenceProfileId"].as_str());
        ids.min().map(str::to_owned)
    };
    let matches = |candidate: &str, model: &str| match candidate.strip_suffix('*') {
        Some(start) => model.starts_with(start),
        None => model == candidate,
    };
    let of = |candidates: &[&str]| {
        candidates.iter().find_map(|candidate| {
            let listed = models.iter().rev();
            let mut matching = listed.filter(|(model, _)| matches(candidate, model));
            matching.find_map(|(_, model)| id(model))
        })
    };
    let aliases = environment.spec.aliases();
    aliases
        .map(|(name, candidates)| (name.to_owned(), of(candidates)))
        .collect()
}

/// The environment variables of aliases with default names.
pub fn variables(ids: &Ids) -> BTreeMap<String, String> {
    let named = ids
        .iter()
        .filter_map(|(name, id)| Some((name, id.clone()?)));
    named
        .map(|(name, id)| (format!("BEDROCK_MODEL_{}", name.to_uppercase()), id))
        .collect()
}

/// Whether the ConfigMap holds what its annotation says, and nothing else.
pub fn is_sound(config_map: &ConfigMap) -> bool {
    let Some(data) = &config_map.data else {
        return config_map.binary_data.is_none();
    };
    let names: Vec<&str> = data.keys().map(String::as_str).collect();
    match data.get("aliases.json") {
        Some(json) => {
            let annotations = config_map.metadata.annotations.as_ref();
            let hash = annotations.and_then(|a| a.get("bedrock.modelmap.dev/content-sha256"));
            names == ["aliases.json", "claude-code.json", "litellm.yaml"]
                && hash == Some(&bedrock_model_map::digest::sha256_hex(json.as_bytes()))
        }
        None => names.iter().all(|name| name.starts_with("BEDROCK_MODEL_")),
    }
}

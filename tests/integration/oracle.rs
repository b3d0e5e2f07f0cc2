//! The seed's algorithm, naive, over the simulator's catalogue: what has to be published. Shares no code with the
//! product.

use bedrock_simulator::Catalog;
use serde_json::{Map, Value, json};

/// Lists whose order means nothing.
const SETS: [&str; 4] = [
    "inputModalities",
    "outputModalities",
    "customizationsSupported",
    "inferenceTypesSupported",
];

/// The models of a region, with the profiles that reference them.
pub fn associated(catalog: &Catalog, region: &str) -> Vec<Value> {
    let mut models = catalog.models(region).to_vec();
    for profile in catalog.profiles(region) {
        for reference in profile["models"].as_array().into_iter().flatten() {
            let arn = reference["modelArn"].as_str().unwrap_or_default();
            if !arn.contains('/') {
                continue;
            }
            let id = arn.split('/').next_back().unwrap();
            for model in &mut models {
                if model["modelId"] != id {
                    continue;
                }
                let model = model.as_object_mut().unwrap();
                let embedded = model
                    .entry("referencedByInstanceProfiles")
                    .or_insert_with(|| json!([]));
                let embedded = embedded.as_array_mut().unwrap();
                let already = embedded
                    .iter()
                    .any(|p| p["inferenceProfileId"] == profile["inferenceProfileId"]);
                if !already {
                    embedded.push(profile.clone());
                }
            }
        }
    }
    models
}

/// `models.json` of a region.
pub fn models_json(catalog: &Catalog, region: &str) -> String {
    canonical(&by_id(catalog, region))
}

/// `mapping.json` of these regions.
pub fn mapping_json<'a>(catalog: &Catalog, regions: impl IntoIterator<Item = &'a str>) -> String {
    let mut all = Map::new();
    for region in regions {
        if !catalog.models(region).is_empty() {
            all.insert(region.to_owned(), by_id(catalog, region));
        }
    }
    canonical(&json!({ "models": all }))
}

fn by_id(catalog: &Catalog, region: &str) -> Value {
    let mut models = Map::new();
    for mut model in associated(catalog, region) {
        for key in SETS {
            sort(&mut model[key], Value::to_string);
        }
        if let Some(profiles) = model.get_mut("referencedByInstanceProfiles") {
            for profile in profiles.as_array_mut().unwrap() {
                sort(&mut profile["models"], |entry| {
                    entry["modelArn"].to_string()
                });
            }
            sort(profiles, |profile| {
                profile["inferenceProfileId"].to_string()
            });
        }
        plain_times(&mut model);
        // Indexing made those that were absent null, which the API never is.
        model
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        models.insert(model["modelId"].as_str().unwrap().to_owned(), model);
    }
    models.into()
}

/// Times without the zeros at the end of a fraction.
fn plain_times(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain_times),
        Value::Object(object) => {
            for (key, value) in object {
                let is_time = ["createdAt", "updatedAt"].contains(&key.as_str());
                match value.as_str().and_then(|text| text.strip_suffix('Z')) {
                    Some(text) if is_time && text.contains('.') => {
                        let text = text.trim_end_matches('0').trim_end_matches('.');
                        *value = format!("{text}Z").into();
                    }
                    _ => plain_times(value),
                }
            }
        }
        _ => {}
    }
}

fn sort(list: &mut Value, key: impl Fn(&Value) -> String) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(key);
    }
}

/// Compact, with the keys sorted, whatever order the maps are kept in.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", json!(key), canonical(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        other => other.to_string(),
    }
}

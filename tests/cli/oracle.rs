//! What the commands have to print, computed another way.

use std::collections::BTreeMap;

use bedrock_simulator::Catalog;
use serde_json::{Map, Value, json};

/// `mapping.json`, computed from the catalogue as naively as can be.
pub fn mapping_of(catalog: &Catalog, regions: &[&str]) -> String {
    let mut merged = Map::new();
    for region in regions {
        let mut models = Map::new();
        for model in catalog.models(region) {
            let id = model["modelId"].as_str().unwrap();
            let mut embedded = BTreeMap::new();
            for profile in catalog.profiles(region) {
                let arns = profile["models"].as_array().unwrap().iter();
                let mut arns = arns.map(|m| m["modelArn"].as_str().unwrap());
                if arns.any(|arn| arn.ends_with(&format!("/{id}"))) {
                    let mut profile = profile.clone();
                    let arn = |m: &Value| m["modelArn"].as_str().unwrap().to_owned();
                    profile["models"].as_array_mut().unwrap().sort_by_key(arn);
                    embedded.insert(profile["inferenceProfileId"].to_string(), profile);
                }
            }
            let mut model = model.clone();
            for key in [
                "inputModalities",
                "outputModalities",
                "customizationsSupported",
                "inferenceTypesSupported",
            ] {
                if let Some(values) = model.get_mut(key).and_then(Value::as_array_mut) {
                    values.sort_by_key(ToString::to_string);
                }
            }
            if !embedded.is_empty() {
                model["referencedByInstanceProfiles"] = embedded.into_values().collect();
            }
            models.insert(id.to_owned(), model);
        }
        merged.insert((*region).to_owned(), models.into());
    }
    let mut mapping = json!({ "models": merged });
    canonical_times(&mut mapping);
    mapping.to_string()
}

/// Without the zeros at the end of a fraction, and with `Z`.
fn canonical_times(value: &mut Value) {
    let times = ["createdAt", "updatedAt"];
    match value {
        Value::Array(items) => items.iter_mut().for_each(canonical_times),
        Value::Object(fields) => {
            for (key, value) in fields {
                if times.contains(&key.as_str()) || key.ends_with("Time") {
                    let text = value.as_str().unwrap().replace("+00:00", "Z");
                    let text = text.trim_end_matches('Z');
                    let text = match text.split_once('.') {
                        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
                        None => text,
                    };
                    *value = json!(format!("{text}Z"));
                } else {
                    canonical_times(value);
                }
            }
        }
        _ => {}
    }
}

//! The reference model: the association algorithm in its naive form, with its own writer of the
//! canonical bytes. It uses nothing of the crate.

use serde_json::Value;

use crate::answers::{Lists, TIMES};

/// `models.json` of a region.
pub fn models_json(lists: &Lists) -> String {
    let mut models: Vec<Value> = lists.models.iter().map(canonical_model).collect();
    let profiles: Vec<Value> = lists.profiles.iter().map(canonical_profile).collect();

    for profile in &profiles {
        let Some(references) = profile["models"].as_array() else {
            continue;
        };
        for item in references {
            let Some(arn) = item["modelArn"].as_str() else {
                continue;
            };
            if !arn.contains('/') {
                continue;
            }
            let model_id = arn.split('/').next_back();
            for model in &mut models {
                if model["modelId"].as_str() != model_id {
                    continue;
                }
                let model = model.as_object_mut().unwrap();
                let embedded = model
                    .entry("referencedByInstanceProfiles")
                    .or_insert(Value::Array(Vec::new()));
                let embedded = embedded.as_array_mut().unwrap();
                let id = &profile["inferenceProfileId"];
                if !embedded.iter().any(|p| p["inferenceProfileId"] == *id) {
                    embedded.push(profile.clone());
                }
            }
        }
    }

    let mut members: Vec<(String, String)> = Vec::new();
    for mut model in models {
        if let Some(Value::Array(embedded)) = model.get_mut("referencedByInstanceProfiles") {
            embedded.sort_by_key(|p| p["inferenceProfileId"].as_str().unwrap().to_owned());
        }
        let id = model["modelId"].as_str().unwrap().to_owned();
        members.retain(|(other, _)| *other != id);
        members.push((id, serialize(&model)));
    }
    object(members)
}

/// Whether the profile references no listed model.
pub fn is_orphan(profile: &Value, lists: &Lists) -> bool {
    profile["models"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reference| reference["modelArn"].as_str())
        .filter_map(|arn| Some(arn.rsplit_once('/')?.1))
        .all(|id| lists.models.iter().all(|model| model["modelId"] != id))
}

fn canonical_model(model: &Value) -> Value {
    let mut model = without_nulls(model);
    let fields = model.as_object_mut().unwrap();
    fields.remove("referencedByInstanceProfiles");
    for key in [
        "inputModalities",
        "outputModalities",
        "customizationsSupported",
        "inferenceTypesSupported",
    ] {
        if let Some(Value::Array(values)) = fields.get_mut(key) {
            values.sort_by_key(|value| (value.as_str().unwrap_or("").to_owned(), serialize(value)));
        }
    }
    if let Some(Value::Object(lifecycle)) = fields.get_mut("modelLifecycle") {
        for (key, value) in lifecycle {
            if key.ends_with("Time") {
                canonical_time(value);
            }
        }
    }
    model
}

fn canonical_profile(profile: &Value) -> Value {
    let mut profile = without_nulls(profile);
    let fields = profile.as_object_mut().unwrap();
    if let Some(Value::Array(models)) = fields.get_mut("models") {
        models.sort_by_key(|entry| {
            let arn = entry["modelArn"].as_str().unwrap_or("");
            (arn.to_owned(), serialize(entry))
        });
    }
    for key in ["createdAt", "updatedAt"] {
        if let Some(value) = fields.get_mut(key) {
            canonical_time(value);
        }
    }
    profile
}

fn canonical_time(value: &mut Value) {
    if let Some((_, published)) = TIMES.iter().find(|(response, _)| value == response) {
        *value = Value::from(*published);
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn serialize(value: &Value) -> String {
    match value {
        Value::Object(fields) => object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), serialize(value)))
                .collect(),
        ),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(serialize).collect();
            format!("[{}]", items.join(","))
        }
        leaf => leaf.to_string(),
    }
}

fn object(mut members: Vec<(String, String)>) -> String {
    members.sort();
    let members: Vec<String> = members
        .into_iter()
        .map(|(key, value)| format!("{}:{value}", Value::from(key)))
        .collect();
    format!("{{{}}}", members.join(","))
}

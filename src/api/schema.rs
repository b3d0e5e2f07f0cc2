//! What the derived schema lacks for Kubernetes.

use schemars::transform::{Transform as _, transform_subschemas};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Makes a schema read and behave well in Kubernetes:
///
/// - Lines of a description are joined, for `kubectl explain` breaks them anew.
/// - No field is `nullable`: the API server then takes a null for an omitted field, and does not store it.
pub fn plain(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    if let Some(kind) = schema.get_mut("type")
        && let Some([other, null]) = kind.as_array().map(Vec::as_slice)
        && null == "null"
    {
        *kind = other.clone();
    }
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        variants.retain(|variant| variant["type"] != "null");
        if let [Value::Object(only)] = variants.as_mut_slice() {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            for (key, value) in only {
                schema.ensure_object().entry(key).or_insert(value);
            }
        }
    }
    transform_subschemas(&mut plain, schema);
}

/// Has the API server say in words what the pattern asks for of the value, the items or the values of a map. The
/// pattern stays: editors and offline checks read it, and not the rules.
pub fn worded(message: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
            let rule = format!("self.matches(r'{pattern}')");
            schema.insert(
                "x-kubernetes-validations".to_owned(),
                json!([{ "rule": rule, "message": message }]),
            );
        }
        for key in ["items", "additionalProperties"] {
            if let Some(Ok(inner)) = schema.get_mut(key).map(<&mut Schema>::try_from) {
                worded(message).transform(inner);
            }
        }
    }
}

pub fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        },
    })
}

// 32 values of 1024 characters of 4 bytes, and their keys, stay within the 256 KiB that the annotations of an
// object may have.
pub fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 1024 },
    })
}

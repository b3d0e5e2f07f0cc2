//! Transformations that make the derived schema fit Kubernetes.

use schemars::transform::{Transform as _, transform_subschemas};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Adapts a schema to Kubernetes:
///
/// - Joins the lines of a description, because `kubectl explain` wraps them itself.
/// - Removes `nullable`, so that the API server treats null as an omitted field and does not store it.
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

/// Adds a rule with a readable message beside the pattern of the value, the items or the map values. The pattern stays,
/// because editors and offline checks read patterns and ignore rules.
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

// CEL rules for labels and annotations that the operator adds to its objects.

/// No key is the operator's.
pub const NOT_RESERVED: &str = "self.all(k, !k.startsWith('bedrock.modelmap.dev/'))";
/// Names the first key that is.
pub const RESERVED_MESSAGE: &str =
    "'reserved for the operator: ' + self.filter(k, k.startsWith('bedrock.modelmap.dev/'))[0]";
/// Each key is one of a label.
pub const LABEL_KEYS: &str = "self.all(k, !format.qualifiedName().validate(k).hasValue())";
/// Names the first that is not.
pub const LABEL_KEYS_MESSAGE: &str = "'not a label key (at most 63 letters, digits, -, _ and ., with an optional DNS name and / before them): ' + self.filter(k, format.qualifiedName().validate(k).hasValue())[0]";
/// Each key is one of an annotation.
pub const ANNOTATION_KEYS: &str =
    "self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())";
/// Names the first that is not.
pub const ANNOTATION_KEYS_MESSAGE: &str = "'not an annotation key (at most 63 letters, digits, -, _ and ., with an optional DNS name and / before them): ' + self.filter(k, format.qualifiedName().validate(k.lowerAscii()).hasValue())[0]";
/// The form of a label's value, for [`worded`].
pub const LABEL_VALUE_MESSAGE: &str = "must be a label value: letters, digits, -, _ and ., beginning and ending with a letter or a digit";

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

// 32 values of 1024 characters of up to 4 bytes, with their keys, stay below the 256 KiB that Kubernetes allows for the
// annotations of an object.
pub fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 1024 },
    })
}

//! The canonical form of the objects that Bedrock lists: `null` dropped, set-like arrays sorted,
//! timestamps RFC 3339 in UTC. A JSON map sorts its keys by itself.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// An item of a response that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The item is not a JSON object.
    #[error("item {index} of {list} is not an object")]
    NotAnObject {
        /// Name of the list.
        list: &'static str,
        /// Index of the item, from 0.
        index: usize,
    },
    /// The item has no ID, or an empty one.
    #[error("item {index} of {list} has no {key}")]
    NoId {
        /// Name of the list.
        list: &'static str,
        /// Index of the item, from 0.
        index: usize,
        /// The missing key.
        key: &'static str,
    },
}

/// The object without `null`, if it has an ID.
pub(super) fn identified(
    list: &'static str,
    key: &'static str,
    index: usize,
    item: Value,
) -> Result<Map<String, Value>, ItemError> {
    let Value::Object(mut fields) = item else {
        return Err(ItemError::NotAnObject { list, index });
    };
    drop_nulls(&mut fields);
    if string(&fields, key).is_empty() {
        return Err(ItemError::NoId { list, index, key });
    }
    Ok(fields)
}

/// The string of a field; empty if the field is absent or not a string.
pub(super) fn string<'m>(fields: &'m Map<String, Value>, key: &str) -> &'m str {
    fields.get(key).map_or("", text)
}

/// The items of an array; none if the field is absent or not an array.
pub(super) fn items<'m>(
    fields: &'m Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'m Value> + use<'m> {
    fields
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The text of a JSON string; empty for any other value.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Sorts by text, then by bytes, so that items without a text or with the same one have one order too.
pub(super) fn sort_by_text(values: &mut [Value], text: fn(&Value) -> &str) {
    values.sort_by(|a, b| {
        text(a)
            .cmp(text(b))
            .then_with(|| a.to_string().cmp(&b.to_string()))
    });
}

/// Writes a timestamp in UTC with `Z` and without trailing zeros; keeps any other value.
pub(super) fn canonicalize_time(value: &mut Value) {
    if let Ok(time) = text(value).parse::<Timestamp>() {
        *value = Value::String(time.to_string());
    }
}

/// The AWS SDKs read `null` as absent.
fn drop_nulls(object: &mut Map<String, Value>) {
    object.retain(|_, value| !value.is_null());
    object.values_mut().for_each(drop_nulls_within);
}

fn drop_nulls_within(value: &mut Value) {
    match value {
        Value::Object(inner) => drop_nulls(inner),
        Value::Array(items) => items.iter_mut().for_each(drop_nulls_within),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

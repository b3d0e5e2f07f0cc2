//! Foundation models and inference profiles as Bedrock lists them.
//!
//! Both are kept as the JSON objects of the API, so that what AWS adds tomorrow is not lost, in one
//! canonical form: keys sorted, `null` dropped, set-like arrays sorted, timestamps RFC 3339 in UTC.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Key under which a model carries the inference profiles that reference it.
pub const REFERENCED_BY: &str = "referencedByInstanceProfiles";

const SET_LIKE: [&str; 4] = [
    "inputModalities",
    "outputModalities",
    "customizationsSupported",
    "inferenceTypesSupported",
];

/// A foundation model: its id, and its summary as `ListFoundationModels` returns it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundationModel {
    id: String,
    summary: Map<String, Value>,
}

/// An inference profile: its id, and its summary as `ListInferenceProfiles` returns it.
#[derive(Clone, Debug, PartialEq)]
pub struct InferenceProfile {
    id: String,
    summary: Map<String, Value>,
}

/// What one region answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// In the order of the answer.
    pub models: Vec<FoundationModel>,
    /// In the order of the answer, system-defined ones first.
    pub profiles: Vec<InferenceProfile>,
    /// When the region was asked.
    pub taken_at: Timestamp,
    /// Size of the answers in bytes.
    pub bytes: usize,
}

/// Why an item of an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// It is not a JSON object.
    #[error("item {index} of {list} is not an object")]
    NotAnObject {
        /// The list it stands in.
        list: &'static str,
        /// Its place in the list, from 0.
        index: usize,
    },
    /// It has no id, or an empty one.
    #[error("item {index} of {list} has no {key}")]
    NoId {
        /// The list it stands in.
        list: &'static str,
        /// Its place in the list, from 0.
        index: usize,
        /// The key that is missing.
        key: &'static str,
    },
}

impl FoundationModel {
    /// The name of the list in the API's answer.
    pub const LIST: &'static str = "modelSummaries";

    /// Takes the item at `index` of the list that the API answered.
    pub fn from_answer(index: usize, item: Value) -> Result<Self, ItemError> {
        let (id, mut summary) = identified(Self::LIST, "modelId", index, item)?;
        // Not part of the API: what stands there would pass for our own work.
        summary.remove(REFERENCED_BY);
        for key in SET_LIKE {
            if let Some(Value::Array(values)) = summary.get_mut(key) {
                sort_by_text(values, text);
            }
        }
        if let Some(Value::Object(lifecycle)) = summary.get_mut("modelLifecycle") {
            for (key, value) in lifecycle.iter_mut() {
                if key.ends_with("Time") {
                    canonical_time(value);
                }
            }
        }
        Ok(Self { id, summary })
    }

    /// The model id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The summary, in canonical form.
    pub fn summary(&self) -> &Map<String, Value> {
        &self.summary
    }
}

impl InferenceProfile {
    /// The name of the list in the API's answer.
    pub const LIST: &'static str = "inferenceProfileSummaries";

    /// Takes the item at `index` of the list that the API answered.
    pub fn from_answer(index: usize, item: Value) -> Result<Self, ItemError> {
        let (id, mut summary) = identified(Self::LIST, "inferenceProfileId", index, item)?;
        if let Some(Value::Array(models)) = summary.get_mut("models") {
            sort_by_text(models, model_arn);
        }
        for key in ["createdAt", "updatedAt"] {
            if let Some(value) = summary.get_mut(key) {
                canonical_time(value);
            }
        }
        Ok(Self { id, summary })
    }

    /// The inference profile's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The summary, in canonical form.
    pub fn summary(&self) -> &Map<String, Value> {
        &self.summary
    }

    /// The profile's type, such as `SYSTEM_DEFINED`; empty where AWS names none.
    pub fn profile_type(&self) -> &str {
        self.summary.get("type").map_or("", text)
    }

    /// The ids of the models that the profile's ARNs name: what follows the last `/`. An ARN
    /// without `/` names none. A model can come several times, once for each destination region.
    pub fn model_ids(&self) -> impl Iterator<Item = &str> {
        let models = self.summary.get("models").and_then(Value::as_array);
        models
            .into_iter()
            .flatten()
            .filter_map(|model| model_arn(model).rsplit_once('/').map(|(_, id)| id))
    }
}

/// The text of a JSON string; empty for anything else.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The ARN in an entry of a profile's `models`; empty where there is none.
pub(super) fn model_arn(entry: &Value) -> &str {
    entry.get("modelArn").map_or("", text)
}

fn identified(
    list: &'static str,
    key: &'static str,
    index: usize,
    item: Value,
) -> Result<(String, Map<String, Value>), ItemError> {
    let Value::Object(mut summary) = item else {
        return Err(ItemError::NotAnObject { list, index });
    };
    drop_nulls(&mut summary);
    let id = summary.get(key).map_or("", text).to_owned();
    if id.is_empty() {
        return Err(ItemError::NoId { list, index, key });
    }
    Ok((id, summary))
}

/// Also what has the same text, or none, comes in one order, whatever the order of the answer.
fn sort_by_text(values: &mut [Value], text: fn(&Value) -> &str) {
    values.sort_by(|a, b| {
        let by_text = text(a).cmp(text(b));
        by_text.then_with(|| a.to_string().cmp(&b.to_string()))
    });
}

/// The AWS SDKs read the `null` of a key as absent.
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

/// Writes a timestamp in UTC with `Z`, without trailing zeros; leaves alone what is none.
fn canonical_time(value: &mut Value) {
    if let Ok(time) = text(value).parse::<Timestamp>() {
        *value = Value::String(time.to_string());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_kept_as_the_api_gave_it_in_canonical_form() {
        let model = FoundationModel::from_answer(
            0,
            json!({
                "modelId": "a.b-v1:0",
                "brandNewField": {"z": 1, "a": [3, 1, 2], "gone": null},
                "inputModalities": ["TEXT", "HOLOGRAM", "IMAGE"],
                "inferenceTypesSupported": [],
                "providerName": null,
                "modelLifecycle": {"status": "WANING", "endOfLifeTime": "2027-03-09T10:00:00.500+02:00"},
                "referencedByInstanceProfiles": [{"inferenceProfileId": "planted"}],
            }),
        )
        .unwrap();
        let expected = r#"{"brandNewField":{"a":[3,1,2],"z":1},"inferenceTypesSupported":[],"inputModalities":["HOLOGRAM","IMAGE","TEXT"],"modelId":"a.b-v1:0","modelLifecycle":{"endOfLifeTime":"2027-03-09T08:00:00.5Z","status":"WANING"}}"#;
        assert_eq!(serde_json::to_string(model.summary()).unwrap(), expected);
    }

    #[test]
    fn a_profile_is_kept_as_the_api_gave_it_in_canonical_form() {
        let profile = InferenceProfile::from_answer(
            0,
            json!({
                "inferenceProfileId": "us.a",
                "createdAt": "2026-03-09T10:00:00.120+02:00",
                "updatedAt": "last week",
                "description": null,
                "models": [
                    {"modelArn": "y/a", "more": null},
                    {"modelArn": "x/a", "n": 2},
                    {"modelArn": "x/a", "n": 1},
                    7,
                    null,
                    {"modelArn": null},
                ],
            }),
        )
        .unwrap();
        let expected = r#"{"createdAt":"2026-03-09T08:00:00.12Z","inferenceProfileId":"us.a","models":[7,null,{},{"modelArn":"x/a","n":1},{"modelArn":"x/a","n":2},{"modelArn":"y/a"}],"updatedAt":"last week"}"#;
        assert_eq!(serde_json::to_string(profile.summary()).unwrap(), expected);
    }

    #[test]
    fn set_like_arrays_come_in_one_order_whatever_is_in_them() {
        let summary = |values: serde_json::Value| {
            let item = json!({"modelId": "m", "inputModalities": values});
            FoundationModel::from_answer(0, item).unwrap()
        };
        assert_eq!(
            summary(json!([2, "TEXT", {"b": 1}, 1, "IMAGE", null])),
            summary(json!([null, 1, {"b": 1}, "IMAGE", 2, "TEXT"]))
        );
    }

    #[test]
    fn a_profile_names_models_by_the_last_part_of_their_arns() {
        let cases = [
            (
                "arn:aws:bedrock:us-east-1::foundation-model/a.b-v1:0",
                Some("a.b-v1:0"),
            ),
            ("arn:aws:bedrock:::foundation-model/a.b", Some("a.b")),
            ("x/y/z", Some("z")),
            ("ends-with/", Some("")),
            ("no-slash", None),
            ("", None),
        ];
        for (arn, expected) in cases {
            let profile = InferenceProfile::from_answer(
                0,
                json!({"inferenceProfileId": "p", "models": [{"modelArn": arn}]}),
            )
            .unwrap();
            assert_eq!(profile.model_ids().next(), expected, "{arn}");
        }
    }

    #[test]
    fn entries_that_are_not_what_the_api_promises_name_no_model() {
        let profile = InferenceProfile::from_answer(
            0,
            json!({"inferenceProfileId": "p", "models": [7, null, {"modelArn": 7}, {}, "a/b"]}),
        )
        .unwrap();
        assert_eq!(profile.model_ids().count(), 0);
    }

    #[test]
    fn an_item_without_id_is_an_error_that_says_where() {
        let cases = [
            (json!("text"), "item 3 of modelSummaries is not an object"),
            (json!({}), "item 3 of modelSummaries has no modelId"),
            (
                json!({"modelId": ""}),
                "item 3 of modelSummaries has no modelId",
            ),
            (
                json!({"modelId": 7}),
                "item 3 of modelSummaries has no modelId",
            ),
        ];
        for (item, message) in cases {
            let error = FoundationModel::from_answer(3, item).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}

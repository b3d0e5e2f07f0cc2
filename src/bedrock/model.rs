//! A foundation model as `ListFoundationModels` returns it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bedrock::canonical::{
    self, ItemError, canonicalize_time, identified, sort_by_text, string, text,
};
use crate::bedrock::lifecycle::Lifecycle;
use crate::bedrock::profile::ProfileSummary;

const ID: &str = "modelId";
const NAME: &str = "modelName";
const PROVIDER: &str = "providerName";
const LIFECYCLE: &str = "modelLifecycle";
const INPUT_MODALITIES: &str = "inputModalities";
const OUTPUT_MODALITIES: &str = "outputModalities";
const CUSTOMIZATIONS: &str = "customizationsSupported";
const INFERENCE_TYPES: &str = "inferenceTypesSupported";
/// The key of the embedded inference profiles. It is part of the published format, whose first
/// version wrote Instance for Inference.
const PROFILES: &str = "referencedByInstanceProfiles";

/// The inference type of a model that its own ID invokes.
const ON_DEMAND: &str = "ON_DEMAND";
/// The inference type of a model that bought throughput invokes.
const PROVISIONED: &str = "PROVISIONED";

const SET_LIKE: [&str; 4] = [
    INPUT_MODALITIES,
    OUTPUT_MODALITIES,
    CUSTOMIZATIONS,
    INFERENCE_TYPES,
];

/// The models of a region by model ID.
pub type Models = BTreeMap<String, ModelSummary>;

/// The IDs of the inference profiles that at least one of the models embeds.
pub(crate) fn embedded_profile_ids(models: &Models) -> BTreeSet<&str> {
    models
        .values()
        .flat_map(ModelSummary::profile_ids)
        .collect()
}

/// A foundation model: the JSON object of the API, so that fields which AWS adds later are published
/// too. A published model also embeds the inference profiles that reference it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelSummary(Map<String, Value>);

impl ModelSummary {
    /// The name of the list in the response.
    pub const LIST: &'static str = "modelSummaries";

    /// Reads the item at `index` of the list, and brings it into canonical form.
    pub fn from_response(index: usize, item: Value) -> Result<Self, ItemError> {
        let mut fields = identified(Self::LIST, ID, index, item)?;
        // The API has no such field. If it did, readers would take it for the embedded profiles.
        fields.remove(PROFILES);
        for key in SET_LIKE {
            if let Some(Value::Array(values)) = fields.get_mut(key) {
                sort_by_text(values, text);
            }
        }
        if let Some(Value::Object(lifecycle)) = fields.get_mut(LIFECYCLE) {
            for (key, value) in lifecycle.iter_mut() {
                if key.ends_with("Time") {
                    canonicalize_time(value);
                }
            }
        }
        Ok(Self(fields))
    }

    /// All fields.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// `modelId`.
    pub fn id(&self) -> &str {
        string(&self.0, ID)
    }

    /// `modelName`, if AWS gives one.
    pub fn name(&self) -> Option<&str> {
        self.0.get(NAME).and_then(Value::as_str)
    }

    /// `providerName`; empty if AWS gives none.
    pub fn provider(&self) -> &str {
        string(&self.0, PROVIDER)
    }

    /// The lifecycle's status and end.
    pub fn lifecycle(&self) -> Lifecycle {
        self.lifecycle_fields()
            .map(Lifecycle::from_fields)
            .unwrap_or_default()
    }

    /// All fields of `modelLifecycle`, if it is an object.
    pub fn lifecycle_fields(&self) -> Option<&Map<String, Value>> {
        self.0.get(LIFECYCLE).and_then(Value::as_object)
    }

    /// `inputModalities`.
    pub fn input_modalities(&self) -> impl Iterator<Item = &str> {
        self.texts(INPUT_MODALITIES)
    }

    /// `outputModalities`.
    pub fn output_modalities(&self) -> impl Iterator<Item = &str> {
        self.texts(OUTPUT_MODALITIES)
    }

    /// `inferenceTypesSupported`.
    pub fn inference_types(&self) -> impl Iterator<Item = &str> {
        self.texts(INFERENCE_TYPES)
    }

    /// Whether the model ID itself can be passed.
    pub fn is_on_demand(&self) -> bool {
        self.inference_types().any(|name| name == ON_DEMAND)
    }

    /// Whether throughput that the account has bought invokes the model.
    pub(crate) fn is_provisioned(&self) -> bool {
        self.inference_types().any(|name| name == PROVISIONED)
    }

    /// Whether the model is not on demand, and at least one profile references it.
    pub fn requires_inference_profile(&self) -> bool {
        !self.is_on_demand() && self.profile_ids().next().is_some()
    }

    /// The embedded inference profiles, in the order of their IDs.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileSummary<'_>> {
        canonical::items(&self.0, PROFILES).filter_map(ProfileSummary::from_embedded)
    }

    /// The IDs of the embedded inference profiles.
    pub fn profile_ids(&self) -> impl Iterator<Item = &str> {
        canonical::items(&self.0, PROFILES).filter_map(ProfileSummary::embedded_id)
    }

    /// The model with these inference profiles embedded. A model without profiles has no such key.
    #[must_use]
    pub fn with_profiles<'p>(
        mut self,
        profiles: impl IntoIterator<Item = &'p ProfileSummary<'static>>,
    ) -> Self {
        let profiles: Vec<Value> = profiles
            .into_iter()
            .map(|profile| Value::Object(profile.fields().clone()))
            .collect();
        if !profiles.is_empty() {
            self.0.insert(PROFILES.to_owned(), Value::Array(profiles));
        }
        self
    }

    fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        canonical::items(&self.0, key).map(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn model_keeps_all_fields_in_canonical_form() {
        let model = ModelSummary::from_response(
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
        assert_eq!(serde_json::to_string(&model).unwrap(), expected);
    }

    #[test]
    fn set_like_arrays_are_sorted_with_items_of_any_type() {
        let summary = |values: serde_json::Value| {
            let item = json!({"modelId": "m", "inputModalities": values});
            ModelSummary::from_response(0, item).unwrap()
        };
        assert_eq!(
            summary(json!([2, "TEXT", {"b": 1}, 1, "IMAGE", null])),
            summary(json!([null, 1, {"b": 1}, "IMAGE", 2, "TEXT"]))
        );
    }

    #[test]
    fn item_without_id_is_an_error_with_its_index() {
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
            let error = ModelSummary::from_response(3, item).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}

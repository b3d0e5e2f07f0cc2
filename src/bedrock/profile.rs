//! An inference profile as `ListInferenceProfiles` returns it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::ProfileType;
use crate::bedrock::canonical::{
    ItemError, canonicalize_time, identified, items, sort_by_text, string, text,
};

const ID: &str = "inferenceProfileId";
const ARN: &str = "inferenceProfileArn";
const NAME: &str = "inferenceProfileName";
const TYPE: &str = "type";
const STATUS: &str = "status";
const MODELS: &str = "models";
const MODEL_ARN: &str = "modelArn";
/// The status of a profile that can be invoked.
const ACTIVE: &str = "ACTIVE";

/// An inference profile: the JSON object of the API, owned or borrowed from the model that embeds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileSummary<'a>(Cow<'a, Map<String, Value>>);

impl ProfileSummary<'static> {
    /// The name of the list in the response.
    pub const LIST: &'static str = "inferenceProfileSummaries";

    /// Reads the item at `index` of the list, and brings it into canonical form.
    pub fn from_response(index: usize, item: Value) -> Result<Self, ItemError> {
        let mut fields = identified(Self::LIST, ID, index, item)?;
        if let Some(Value::Array(models)) = fields.get_mut(MODELS) {
            sort_by_text(models, model_arn);
        }
        for key in ["createdAt", "updatedAt"] {
            if let Some(value) = fields.get_mut(key) {
                canonicalize_time(value);
            }
        }
        Ok(Self(Cow::Owned(fields)))
    }
}

impl<'a> ProfileSummary<'a> {
    pub(super) fn from_embedded(value: &'a Value) -> Option<Self> {
        value.as_object().map(|fields| Self(Cow::Borrowed(fields)))
    }
}

impl ProfileSummary<'_> {
    pub(super) fn embedded_id(value: &Value) -> Option<&str> {
        value.get(ID)?.as_str()
    }

    /// All fields.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// `inferenceProfileId`.
    pub fn id(&self) -> &str {
        string(&self.0, ID)
    }

    /// `inferenceProfileArn`; empty if AWS gives none.
    pub fn arn(&self) -> &str {
        string(&self.0, ARN)
    }

    /// `inferenceProfileName`; empty if AWS gives none.
    pub fn name(&self) -> &str {
        string(&self.0, NAME)
    }

    /// `type`, such as `SYSTEM_DEFINED`; empty if AWS gives none.
    pub fn profile_type(&self) -> &str {
        string(&self.0, TYPE)
    }

    /// `status`, such as `ACTIVE`; empty if AWS gives none.
    pub fn status(&self) -> &str {
        string(&self.0, STATUS)
    }

    /// The ARNs of the profile's models, one for each destination region. Empty for an entry without
    /// ARN.
    pub fn model_arns(&self) -> impl Iterator<Item = &str> {
        items(&self.0, MODELS).map(model_arn)
    }

    /// The model IDs in the profile's ARNs: the text after the last `/`. An ARN without `/` has none.
    /// The same ID occurs once for each destination region.
    pub fn model_ids(&self) -> impl Iterator<Item = &str> {
        self.model_arns()
            .filter_map(|arn| arn.rsplit_once('/'))
            .map(|(_, id)| id)
    }
}

/// Whether Bedrock defines profiles of this `type`. A type that AWS adds counts as the account's own,
/// so that no caller is sent to it.
pub(super) fn is_system_defined(profile_type: &str) -> bool {
    profile_type == ProfileType::SystemDefined.as_str()
}

/// Whether a profile of this `status` can be invoked.
pub(super) fn is_active(status: &str) -> bool {
    status == ACTIVE
}

fn model_arn(entry: &Value) -> &str {
    entry.get(MODEL_ARN).map_or("", text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn profile_keeps_all_fields_in_canonical_form() {
        let profile = ProfileSummary::from_response(
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
        assert_eq!(serde_json::to_string(&profile).unwrap(), expected);
    }

    #[test]
    fn model_id_is_last_part_of_arn() {
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
            let profile = ProfileSummary::from_response(
                0,
                json!({"inferenceProfileId": "p", "models": [{"modelArn": arn}]}),
            )
            .unwrap();
            assert_eq!(profile.model_ids().next(), expected, "{arn}");
        }
    }

    #[test]
    fn malformed_entries_have_no_model_id() {
        let profile = ProfileSummary::from_response(
            0,
            json!({"inferenceProfileId": "p", "models": [7, null, {"modelArn": 7}, {}, "a/b"]}),
        )
        .unwrap();
        assert_eq!(profile.model_ids().count(), 0);
    }
}

//! What a caller should know of a model's lifecycle before they pass its ID.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Resolution;
use crate::api::LifecycleStatus;

/// A model that AWS has marked as LEGACY, or whose end of life has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleNote {
    model_id: String,
    /// The day since which the model is LEGACY, if AWS states it.
    legacy_since: Option<String>,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Unknown,
    Ahead(String),
    Passed(String),
}

impl LifecycleNote {
    /// None: the model is neither LEGACY nor past its end of life.
    pub fn new(resolution: &Resolution, now: Timestamp) -> Option<Self> {
        let fields = &resolution.lifecycle;
        let is_legacy = text(fields, "status") == Some(LifecycleStatus::Legacy.as_str());
        let end = text(fields, "endOfLifeTime");
        let has_ended = end
            .and_then(|end| end.parse::<Timestamp>().ok())
            .is_some_and(|end| end <= now);
        let end = match end.map(day) {
            Some(day) if has_ended => End::Passed(day),
            Some(day) => End::Ahead(day),
            None => End::Unknown,
        };
        (is_legacy || has_ended).then(|| Self {
            model_id: resolution.model_id.clone(),
            legacy_since: text(fields, "legacyTime").map(day),
            end,
        })
    }
}

impl fmt::Display for LifecycleNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = &self.model_id;
        if let End::Passed(day) = &self.end {
            return write!(
                f,
                "{model} reached its end of life on {day}: calls fail unless AWS has agreed otherwise with you"
            );
        }
        write!(f, "{model} is LEGACY")?;
        if let Some(day) = &self.legacy_since {
            write!(f, " since {day}")?;
        }
        f.write_str(": calls fail for accounts that have not used it lately")?;
        match &self.end {
            End::Ahead(day) => write!(f, ", and for all from {day}"),
            End::Passed(_) | End::Unknown => Ok(()),
        }
    }
}

fn text<'f>(fields: &'f Map<String, Value>, key: &str) -> Option<&'f str> {
    fields.get(key).and_then(Value::as_str)
}

/// The day is precise enough for a line of text.
fn day(time: &str) -> String {
    time.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bedrock::model::Models;
    use crate::bedrock::policy::InvocationPolicy;
    use crate::bedrock::resolve::resolve;
    use crate::bedrock::view::{RegionView, Regions};

    #[test]
    fn legacy_models_and_models_past_their_end_have_a_note() {
        let now = "2026-11-28T00:00:00Z".parse().unwrap();
        let cases = [
            (json!({"status": "ACTIVE"}), None),
            (
                json!({"status": "ACTIVE", "endOfLifeTime": "2027-01-01T00:00:00Z"}),
                None,
            ),
            (
                json!({"status": "LEGACY"}),
                Some("m is LEGACY: calls fail for accounts that have not used it lately"),
            ),
            (
                json!({"status": "LEGACY", "legacyTime": "2026-07-01T08:00:00Z", "endOfLifeTime": "2027-04-08T08:00:00Z"}),
                Some(
                    "m is LEGACY since 2026-07-01: calls fail for accounts that have not used it lately, and for all from 2027-04-08",
                ),
            ),
            (
                json!({"status": "LEGACY", "endOfLifeTime": "soon"}),
                Some(
                    "m is LEGACY: calls fail for accounts that have not used it lately, and for all from soon",
                ),
            ),
            (
                json!({"status": "LEGACY", "endOfLifeTime": "2026-10-14T00:00:00Z"}),
                Some(
                    "m reached its end of life on 2026-10-14: calls fail unless AWS has agreed otherwise with you",
                ),
            ),
            (
                json!({"status": "ACTIVE", "endOfLifeTime": "2026-11-28T00:00:00Z"}),
                Some(
                    "m reached its end of life on 2026-11-28: calls fail unless AWS has agreed otherwise with you",
                ),
            ),
            (json!(null), None),
        ];
        let policy = InvocationPolicy::default();
        for (lifecycle, expected) in cases {
            let models: Models =
                serde_json::from_value(json!({"m": {"modelLifecycle": lifecycle}})).unwrap();
            let view = RegionView::with_policy(&models, &policy);
            let found = resolve(&Regions::from([("us-east-1", view)]), "us-east-1", "m").unwrap();
            let note = LifecycleNote::new(&found[0], now).map(|note| note.to_string());
            assert_eq!(note.as_deref(), expected, "{lifecycle}");
        }
    }
}

//! The summary of the lifecycles of models: how many are LEGACY, and when models reach their end of life.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::bedrock::model::Models;

/// The number of LEGACY models, and the models' ends of life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LifecycleSummary {
    /// Number of models whose lifecycle status is `LEGACY`.
    pub legacy: usize,
    /// The time from which calls fail, by model ID. Models without such a time are absent.
    pub end_of_life: BTreeMap<String, Timestamp>,
}

impl LifecycleSummary {
    /// Summarizes a region's models.
    pub fn from_models(models: &Models) -> Self {
        let mut summary = Self::default();
        for (id, model) in models {
            let lifecycle = model.lifecycle();
            summary.legacy += usize::from(lifecycle.is_legacy());
            if let Ok(time) = lifecycle.end_of_life_time.parse() {
                summary.end_of_life.insert(id.clone(), time);
            }
        }
        summary
    }

    /// Adds another region's models; a model in both regions keeps its earlier end of life.
    pub fn add(&mut self, other: &Self) {
        self.legacy += other.legacy;
        for (id, time) in &other.end_of_life {
            let known = self.end_of_life.entry(id.clone()).or_insert(*time);
            *known = (*known).min(*time);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn legacy_models_add_up_and_earlier_end_of_life_wins() {
        let models = |lifecycles: &[(&str, serde_json::Value)]| {
            let model = |lifecycle| serde_json::from_value(json!({"modelLifecycle": lifecycle}));
            lifecycles
                .iter()
                .map(|(id, lifecycle)| ((*id).to_owned(), model(lifecycle).unwrap()))
                .collect::<Models>()
        };
        let mut summary = LifecycleSummary::from_models(&models(&[
            (
                "a",
                json!({"status": "LEGACY", "endOfLifeTime": "2027-03-22T08:00:00Z"}),
            ),
            ("b", json!({"status": "ACTIVE", "endOfLifeTime": "soon"})),
            ("c", json!({"status": "LEGACY"})),
            ("d", json!(7)),
        ]));
        summary.add(&LifecycleSummary::from_models(&models(&[
            (
                "a",
                json!({"status": "LEGACY", "endOfLifeTime": "2027-01-01T00:00:00Z"}),
            ),
            (
                "b",
                json!({"status": "ACTIVE", "endOfLifeTime": "2028-01-01T00:00:00Z"}),
            ),
        ])));
        let times: Vec<String> = summary
            .end_of_life
            .iter()
            .map(|(id, time)| format!("{id} {time}"))
            .collect();
        assert_eq!(summary.legacy, 3);
        assert_eq!(times, ["a 2027-01-01T00:00:00Z", "b 2028-01-01T00:00:00Z"]);
    }
}

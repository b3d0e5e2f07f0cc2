//! Which models are about to go.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::bedrock::diff::Lifecycle;
use crate::bedrock::resolve::Models;

/// The status of a model that AWS is going to withdraw.
pub const LEGACY: &str = "LEGACY";

/// How many models are LEGACY, and when models come to their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleSummary {
    /// Models whose lifecycle status is LEGACY.
    pub legacy: usize,
    /// When calls begin to fail, by model id; only of models that have such a time.
    pub end_of_life: BTreeMap<String, Timestamp>,
}

impl LifecycleSummary {
    /// Of a region's models.
    pub fn of(models: &Models) -> Self {
        let mut ends = Self::default();
        for (id, summary) in models {
            let lifecycle = Lifecycle::of(summary);
            ends.legacy += usize::from(lifecycle.status == LEGACY);
            if let Ok(time) = lifecycle.end_of_life_time.parse() {
                ends.end_of_life.insert(id.clone(), time);
            }
        }
        ends
    }

    /// With those of another region: of a model the earlier end.
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
    fn ends_are_counted_over_regions_and_the_earlier_counts() {
        let models = |lifecycles: &[(&str, serde_json::Value)]| {
            let summary = |lifecycle| json!({"modelLifecycle": lifecycle}).as_object().cloned();
            let models = lifecycles.iter();
            models
                .map(|(id, lifecycle)| ((*id).to_owned(), summary(lifecycle).unwrap()))
                .collect::<Models>()
        };
        let mut ends = LifecycleSummary::of(&models(&[
            (
                "a",
                json!({"status": "LEGACY", "endOfLifeTime": "2027-03-22T08:00:00Z"}),
            ),
            ("b", json!({"status": "ACTIVE", "endOfLifeTime": "soon"})),
            ("c", json!({"status": "LEGACY"})),
            ("d", json!(7)),
        ]));
        ends.add(&LifecycleSummary::of(&models(&[
            (
                "a",
                json!({"status": "LEGACY", "endOfLifeTime": "2027-01-01T00:00:00Z"}),
            ),
            (
                "b",
                json!({"status": "ACTIVE", "endOfLifeTime": "2028-01-01T00:00:00Z"}),
            ),
        ])));
        let times: Vec<String> = ends
            .end_of_life
            .iter()
            .map(|(id, time)| format!("{id} {time}"))
            .collect();
        assert_eq!(ends.legacy, 3);
        assert_eq!(times, ["a 2027-01-01T00:00:00Z", "b 2028-01-01T00:00:00Z"]);
    }
}

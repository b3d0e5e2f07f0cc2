//! The summary of the lifecycles of models: how many are LEGACY, and the times that AWS announces.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::bedrock::canonical::string;
use crate::bedrock::model::Models;

/// The number of LEGACY models, and the times of the models' lifecycles, by model ID. A map lacks the
/// models for which AWS announces no such time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LifecycleSummary {
    /// Number of models whose lifecycle status is `LEGACY`.
    pub legacy: usize,
    /// `legacyTime`: from then on, accounts that have not used the model lately may be refused.
    pub legacy_since: BTreeMap<String, Timestamp>,
    /// `publicExtendedAccessTime`: from then on, the provider may raise the price.
    pub extended_access_since: BTreeMap<String, Timestamp>,
    /// `endOfLifeTime`: from then on, all calls fail.
    pub end_of_life: BTreeMap<String, Timestamp>,
}

impl LifecycleSummary {
    /// Summarizes a region's models.
    pub fn from_models(models: &Models) -> Self {
        let mut summary = Self::default();
        for (id, model) in models {
            let lifecycle = model.lifecycle();
            summary.legacy += usize::from(lifecycle.is_legacy());
            let Some(fields) = model.lifecycle_fields() else {
                continue;
            };
            for (field, times) in summary.times() {
                if let Ok(time) = string(fields, field).parse() {
                    times.insert(id.clone(), time);
                }
            }
        }
        summary
    }

    /// Adds another region's models; a model in both regions keeps the earlier of each time.
    pub fn add(&mut self, other: &Self) {
        self.legacy += other.legacy;
        let mut other = other.clone();
        for ((_, times), (_, added)) in self.times().into_iter().zip(other.times()) {
            for (id, time) in std::mem::take(added) {
                let known = times.entry(id).or_insert(time);
                *known = (*known).min(time);
            }
        }
    }

    /// The times with their names in `modelLifecycle`.
    fn times(&mut self) -> [(&'static str, &mut BTreeMap<String, Timestamp>); 3] {
        [
            ("legacyTime", &mut self.legacy_since),
            ("publicExtendedAccessTime", &mut self.extended_access_since),
            ("endOfLifeTime", &mut self.end_of_life),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn legacy_models_add_up_and_earlier_times_win() {
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
                json!({"status": "LEGACY", "legacyTime": "2026-09-22T08:00:00Z",
                       "publicExtendedAccessTime": "2026-12-22T08:00:00Z",
                       "endOfLifeTime": "2027-03-22T08:00:00Z"}),
            ),
            ("b", json!({"status": "ACTIVE", "endOfLifeTime": "soon"})),
            ("c", json!({"status": "LEGACY"})),
            ("d", json!(7)),
        ]));
        summary.add(&LifecycleSummary::from_models(&models(&[
            (
                "a",
                json!({"status": "LEGACY", "legacyTime": "2026-11-15T00:00:00Z",
                       "endOfLifeTime": "2027-01-01T00:00:00Z"}),
            ),
            (
                "b",
                json!({"status": "ACTIVE", "endOfLifeTime": "2028-01-01T00:00:00Z"}),
            ),
        ])));
        let listed = |times: &BTreeMap<String, Timestamp>| -> Vec<String> {
            let times = times.iter();
            times.map(|(id, time)| format!("{id} {time}")).collect()
        };
        assert_eq!(summary.legacy, 3);
        assert_eq!(listed(&summary.legacy_since), ["a 2026-09-22T08:00:00Z"]);
        assert_eq!(
            listed(&summary.extended_access_since),
            ["a 2026-12-22T08:00:00Z"]
        );
        assert_eq!(
            listed(&summary.end_of_life),
            ["a 2027-01-01T00:00:00Z", "b 2028-01-01T00:00:00Z"]
        );
    }
}

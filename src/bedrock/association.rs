//! The association of inference profiles with models, by the ARNs in each profile.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bedrock::catalog::Snapshot;
use crate::bedrock::model::{ModelSummary, Models};
use crate::bedrock::profile::ProfileSummary;
use crate::bedrock::selection::Selection;

/// The selected models of a region, each with the profiles that reference it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RegionCatalog {
    /// The model summaries by model ID, profiles embedded.
    pub models: Models,
    /// Number of selected profiles that reference no listed model.
    pub orphan_profiles: usize,
}

/// Selects the models, and embeds in each the profiles that reference it, ordered by ID.
///
/// Of models with the same ID the last counts, of profiles the first. The time is linear in the number
/// of models and ARNs.
///
/// ```
/// use bedrock_model_map::bedrock::association::associate;
/// use bedrock_model_map::bedrock::catalog::Snapshot;
/// use bedrock_model_map::bedrock::invocation::facts;
/// use bedrock_model_map::bedrock::model::ModelSummary;
/// use bedrock_model_map::bedrock::policy::InvocationPolicy;
/// use bedrock_model_map::bedrock::profile::ProfileSummary;
/// use bedrock_model_map::bedrock::selection::Selection;
/// use serde_json::json;
///
/// let model = json!({
///     "modelId": "a.model-v1:0",
///     "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a.model-v1:0",
///     "inferenceTypesSupported": ["INFERENCE_PROFILE"],
/// });
/// let profile = json!({
///     "inferenceProfileId": "us.a.model-v1:0",
///     "inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:inference-profile/us.a.model-v1:0",
///     "type": "SYSTEM_DEFINED",
///     "status": "ACTIVE",
///     "models": [{"modelArn": "arn:aws:bedrock:us-west-2::foundation-model/a.model-v1:0"}],
/// });
/// let snapshot = Snapshot {
///     models: vec![ModelSummary::from_response(0, model)?],
///     profiles: vec![ProfileSummary::from_response(0, profile)?],
///     taken_at: jiff::Timestamp::now(),
/// };
/// let everything = Selection::new(&Default::default(), &Default::default());
/// let catalog = associate(&snapshot, &everything);
/// assert_eq!(catalog.models["a.model-v1:0"].profile_ids().count(), 1);
/// let facts = facts("us-east-1", &catalog.models, &InvocationPolicy::default());
/// let invoke_with = facts["a.model-v1:0"].invoke_with.as_deref();
/// assert_eq!(invoke_with, Some("us.a.model-v1:0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn associate(snapshot: &Snapshot, selection: &Selection) -> RegionCatalog {
    let listed: HashSet<&str> = snapshot.models.iter().map(ModelSummary::id).collect();
    let mut selected: HashMap<&str, SelectedModel<'_>> = snapshot
        .models
        .iter()
        .filter(|model| selection.keeps_model(model))
        .map(|model| (model.id(), SelectedModel::new(model)))
        .collect();

    let mut orphans: HashSet<&str> = HashSet::new();
    for profile in snapshot
        .profiles
        .iter()
        .filter(|profile| selection.keeps_profile(profile))
    {
        let mut is_orphan = true;
        for model_id in profile.model_ids() {
            is_orphan &= !listed.contains(model_id);
            if let Some(model) = selected.get_mut(model_id) {
                model.profiles.entry(profile.id()).or_insert(profile);
            }
        }
        if is_orphan {
            orphans.insert(profile.id());
        }
    }

    RegionCatalog {
        orphan_profiles: orphans.len(),
        models: selected
            .into_iter()
            .map(|(id, model)| (id.to_owned(), model.embed()))
            .collect(),
    }
}

struct SelectedModel<'a> {
    summary: &'a ModelSummary,
    /// By ID, so that they are embedded in this order.
    profiles: BTreeMap<&'a str, &'a ProfileSummary<'static>>,
}

impl<'a> SelectedModel<'a> {
    fn new(summary: &'a ModelSummary) -> Self {
        Self {
            summary,
            profiles: BTreeMap::new(),
        }
    }

    fn embed(self) -> ModelSummary {
        self.summary
            .clone()
            .with_profiles(self.profiles.into_values())
    }
}

#[cfg(test)]
mod tests;

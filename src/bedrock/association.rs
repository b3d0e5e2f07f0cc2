//! Which inference profile belongs to which model: by the ARNs that the profile names.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use crate::bedrock::catalog::{FoundationModel, REFERENCED_BY, Snapshot};
use crate::bedrock::selection::Selection;

/// The models of a region that a spec asks for, each with the profiles that reference it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegionCatalog {
    /// The model summaries by model id, profiles embedded.
    pub models: BTreeMap<String, Map<String, Value>>,
    /// Profiles that at least one of the models embeds.
    pub profiles: usize,
    /// Profiles embedded, counted once for each model.
    pub associations: usize,
    /// Profiles none of whose models the region lists.
    pub orphan_profiles: usize,
}

/// Selects the models, and embeds in each the profiles that reference it, ordered by id.
///
/// Where an answer names an id twice, the last model and the first profile count, as in the
/// algorithm this follows. Takes time linear in the number of models and ARNs.
///
/// ```
/// use bedrock_model_map::bedrock::association::associate;
/// use bedrock_model_map::bedrock::catalog::{FoundationModel, InferenceProfile, Snapshot};
/// use bedrock_model_map::bedrock::invocation::facts;
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
///     models: vec![FoundationModel::from_answer(0, model)?],
///     profiles: vec![InferenceProfile::from_answer(0, profile)?],
///     taken_at: jiff::Timestamp::now(),
///     bytes: 0,
/// };
/// let everything = Selection::new(&Default::default(), &Default::default());
/// let catalog = associate(&snapshot, &everything);
/// assert_eq!(catalog.associations, 1);
/// let invoke_with = &facts(&catalog.models)["a.model-v1:0"].invoke_with;
/// assert_eq!(invoke_with.as_deref(), Some("us.a.model-v1:0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn associate(snapshot: &Snapshot, selection: &Selection) -> RegionCatalog {
    let listed: HashSet<&str> = snapshot.models.iter().map(FoundationModel::id).collect();
    let mut kept: HashMap<&str, Kept<'_>> = HashMap::new();
    let models = snapshot.models.iter();
    for model in models.filter(|m| selection.keeps_model(m)) {
        kept.insert(model.id(), Kept::without_profiles(model));
    }

    let mut embedded: HashSet<&str> = HashSet::new();
    let mut orphans: HashSet<&str> = HashSet::new();
    let profiles = snapshot.profiles.iter();
    for profile in profiles.filter(|p| selection.keeps_profile(p)) {
        let mut orphan = true;
        for model_id in profile.model_ids() {
            orphan &= !listed.contains(model_id);
            if let Some(kept) = kept.get_mut(model_id) {
                kept.profiles
                    .entry(profile.id())
                    .or_insert(profile.summary());
                embedded.insert(profile.id());
            }
        }
        if orphan {
            orphans.insert(profile.id());
        }
    }

    let associations = kept.values().map(|kept| kept.profiles.len()).sum();
    RegionCatalog {
        profiles: embedded.len(),
        associations,
        orphan_profiles: orphans.len(),
        models: kept
            .into_iter()
            .map(|(id, kept)| (id.to_owned(), kept.embedded()))
            .collect(),
    }
}

/// A model on its way into the catalog.
struct Kept<'a> {
    summary: &'a Map<String, Value>,
    /// By id.
    profiles: BTreeMap<&'a str, &'a Map<String, Value>>,
}

impl<'a> Kept<'a> {
    fn without_profiles(model: &'a FoundationModel) -> Self {
        Self {
            summary: model.summary(),
            profiles: BTreeMap::new(),
        }
    }

    fn embedded(self) -> Map<String, Value> {
        let mut model = self.summary.clone();
        if !self.profiles.is_empty() {
            let profiles = self.profiles.into_values().cloned().map(Value::Object);
            model.insert(REFERENCED_BY.to_owned(), profiles.collect());
        }
        model
    }
}

#[cfg(test)]
mod tests;

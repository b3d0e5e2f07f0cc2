//! What AWS answers, from its bytes to the bytes published.

use std::collections::BTreeMap;

use bedrock_model_map::api::{InferenceProfilesSpec, ModelsSpec};
use bedrock_model_map::bedrock::association::associate;
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::bedrock::policy::InvocationPolicy;
use bedrock_model_map::bedrock::response::{models, profiles_page};
use bedrock_model_map::bedrock::selection::Selection;
use bedrock_model_map::publication::content::{RegionContent, mapping_json};
use jiff::Timestamp;
use serde_json::Value;

/// The input: an answer of `ListFoundationModels`, and pages of `ListInferenceProfiles`, with a
/// byte 0 between, which no JSON has.
pub fn holds(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let Ok(models) = models(parts.next().unwrap_or_default()) else {
        return;
    };
    let pages = parts.filter_map(|page| profiles_page(page).ok());
    let snapshot = Snapshot {
        models,
        profiles: pages.flat_map(|page| page.profiles).collect(),
        taken_at: Timestamp::UNIX_EPOCH,
        bytes: input.len(),
    };
    let everything = Selection::new(&ModelsSpec::default(), &InferenceProfilesSpec::default());
    let catalog = associate(&snapshot, &everything);
    let orphan_profiles = catalog.orphan_profiles;
    let content = RegionContent::from_catalog(catalog).unwrap();
    assert!(content.profiles() + orphan_profiles <= snapshot.profiles.len());
    assert!(content.models.len() <= snapshot.models.len());
    let ids = content.profile_ids();
    assert_eq!(
        ids.values().map(Vec::len).sum::<usize>(),
        content.associations()
    );
    is_read_back(&content);
    what_to_invoke_was_answered(&content);
}

/// What is published is found again by its hash, alone and in the merged mapping, and gives the
/// same bytes.
fn is_read_back(content: &RegionContent) {
    let read = RegionContent::read(&content.models_json, &content.sha256).unwrap();
    let again = serde_json::to_string(&read.models).unwrap();
    assert_eq!(again, content.models_json);
    let merged = mapping_json([("us-east-1", content.models_json.as_str())].into_iter()).unwrap();
    let mut merged: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(&merged).unwrap();
    let region = merged
        .get_mut("models")
        .unwrap()
        .remove("us-east-1")
        .unwrap();
    let region = serde_json::to_string(&region).unwrap();
    assert!(RegionContent::read(&region, &content.sha256).is_some());
}

fn what_to_invoke_was_answered(content: &RegionContent) {
    for (id, facts) in content.facts("us-east-1", &InvocationPolicy::default()) {
        let Some(with) = facts.invoke_with else {
            continue;
        };
        let is_profile = content.models[&id].profile_ids().any(|id| id == with);
        assert!(with == id || is_profile, "{with:?}");
    }
}

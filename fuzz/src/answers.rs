//! Responses of AWS, from their bytes to the published bytes.

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

/// The input: a response of `ListFoundationModels`, then pages of `ListInferenceProfiles`, separated by
/// a byte 0, which no JSON contains.
pub fn holds(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let Ok(models) = models(parts.next().unwrap_or_default()) else {
        return;
    };
    let snapshot = Snapshot {
        models,
        profiles: parts
            .filter_map(|page| profiles_page(page).ok())
            .flat_map(|page| page.profiles)
            .collect(),
        taken_at: Timestamp::UNIX_EPOCH,
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
    check_round_trip(&content);
    check_invocation(&content);
}

/// Content is read back by its hash, alone and from the merged mapping, with the same bytes.
fn check_round_trip(content: &RegionContent) {
    let read = RegionContent::read(&content.models_json, &content.sha256).unwrap();
    let again = serde_json::to_string(&read.models).unwrap();
    assert_eq!(again, *content.models_json);
    let merged = mapping_json([("us-east-1", &*content.models_json)].into_iter()).unwrap();
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

fn check_invocation(content: &RegionContent) {
    for (id, facts) in content.facts("us-east-1", &InvocationPolicy::default()) {
        let Some(with) = facts.invoke_with else {
            continue;
        };
        let is_profile = content.models[&id].profile_ids().any(|id| id == with);
        assert!(with == id || is_profile, "{with:?}");
    }
}

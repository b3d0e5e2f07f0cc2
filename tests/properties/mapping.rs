//! Properties of the way from a response to the published bytes.

use std::collections::{BTreeMap, BTreeSet};

use bedrock_model_map::api::{InferenceProfilesSpec, ModelsSpec};
use bedrock_model_map::bedrock::association::associate;
use bedrock_model_map::bedrock::catalog::{PackedSnapshot, Snapshot};
use bedrock_model_map::bedrock::policy::InvocationPolicy;
use bedrock_model_map::bedrock::selection::Selection;
use bedrock_model_map::publication::content::{RegionContent, mapping_json};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::answers::{Lists, lists, two_orders};
use crate::{config, reference};

const PROFILE_TYPES: [&[&str]; 3] = [
    &["SYSTEM_DEFINED", "APPLICATION"],
    &["SYSTEM_DEFINED"],
    &["APPLICATION"],
];

fn globs() -> impl Strategy<Value = Vec<String>> {
    let glob = select(&["*", "a*", "*:24k", "amazon.nova", "?", "*claude*", "none"][..]);
    vec(glob.prop_map(str::to_owned), 0..3)
}

fn selection() -> impl Strategy<Value = Selection> {
    let words = |words: &'static [&'static str]| vec(select(words), 0..2);
    let types = select(&PROFILE_TYPES[..]);
    let lifecycle = words(&["ACTIVE", "LEGACY"]);
    let modalities = words(&["TEXT", "IMAGE"]);
    let providers = words(&["anthropic", "Amazon"]);
    (globs(), globs(), providers, lifecycle, modalities, types).prop_map(
        |(include, exclude, providers, lifecycle, modalities, types)| {
            let models = json!({"include": include, "exclude": exclude, "providers": providers,
                                "lifecycle": lifecycle, "inputModalities": modalities});
            let models: ModelsSpec = serde_json::from_value(models).unwrap();
            let profiles: InferenceProfilesSpec =
                serde_json::from_value(json!({"types": types})).unwrap();
            Selection::new(&models, &profiles)
        },
    )
}

#[test]
fn real_catalogs_equal_reference_model() {
    let catalogs = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tools/bedrock-simulator/catalog"
    );
    let mut regions = 0;
    for file in std::fs::read_dir(catalogs).unwrap() {
        let path = file.unwrap().path();
        let catalog: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let list = |key: &str| catalog[key].as_array().unwrap().clone();
        let lists = Lists {
            models: list("modelSummaries"),
            profiles: list("inferenceProfileSummaries"),
        };
        let content = RegionContent::from_catalog(lists.catalog()).unwrap();
        // The reference model knows only the generated times.
        let expected = reference::models_json(&lists);
        assert_eq!(
            without_times(&content.models_json),
            without_times(&expected),
            "{path:?}"
        );
        regions += 1;
    }
    assert!(regions > 30, "only {regions}");
}

fn without_times(models_json: &str) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|key, _| key != "createdAt" && key != "updatedAt");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut models = serde_json::from_str(models_json).unwrap();
    strip(&mut models);
    models
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn models_json_equals_reference_model(lists in lists()) {
        let content = RegionContent::from_catalog(lists.catalog()).unwrap();
        prop_assert_eq!(&*content.models_json, reference::models_json(&lists));
    }

    #[test]
    fn counts_equal_embedded_profiles_and_orphans(lists in lists()) {
        let content = RegionContent::from_catalog(lists.catalog()).unwrap();
        let ids = content.profile_ids();
        let embedded: Vec<&String> = ids.values().flatten().collect();
        prop_assert_eq!(content.associations(), embedded.len());
        let distinct: BTreeSet<&String> = embedded.into_iter().collect();
        prop_assert_eq!(content.profiles(), distinct.len());
        let orphans: BTreeSet<_> = lists
            .profiles
            .iter()
            .filter(|profile| reference::is_orphan(profile, &lists))
            .map(|profile| profile["inferenceProfileId"].as_str())
            .collect();
        prop_assert_eq!(content.orphan_profiles, Some(orphans.len()));
    }

    #[test]
    fn order_of_response_changes_no_byte((one, other) in two_orders()) {
        let [one, other] = [one, other]
            .map(|lists| RegionContent::from_catalog(lists.catalog()).unwrap());
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(&one.models_json, &other.models_json);
        let invocation = |content: &RegionContent| serde_json::to_string(&content.facts("us-east-1", &InvocationPolicy::default())).unwrap();
        prop_assert_eq!(invocation(&one), invocation(&other));
    }

    #[test]
    fn snapshot_round_trips_through_packing(lists in lists()) {
        let snapshot = lists.snapshot();
        let packed = PackedSnapshot::new(&snapshot).unwrap();
        prop_assert_eq!(packed.unpack().unwrap(), snapshot);
    }

    #[test]
    fn content_round_trips_through_models_json(lists in lists()) {
        let content = RegionContent::from_catalog(lists.catalog()).unwrap();
        let read = RegionContent::read(&content.models_json, &content.sha256).unwrap();
        prop_assert_eq!(&read.models, &content.models);
        let again = serde_json::to_string(&read.models).unwrap();
        prop_assert_eq!(&*again, &*content.models_json);
    }

    #[test]
    fn region_round_trips_through_merged_mapping(
        one in lists(),
        other in lists(),
    ) {
        let regions = [("us-east-1", one), ("eu-west-1", other)]
            .map(|(region, lists)| (region, RegionContent::from_catalog(lists.catalog()).unwrap()));
        let mapping = mapping_json(regions.iter().map(|(region, content)| (*region, &*content.models_json)));
        let mut mapping: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::from_str(&mapping.unwrap()).unwrap();
        let mut mapping = mapping.remove("models").unwrap();
        for (region, content) in regions {
            let json = mapping.remove(region).unwrap().to_string();
            let read = RegionContent::read(&json, &content.sha256).unwrap();
            prop_assert_eq!(read.models, content.models);
        }
        prop_assert!(mapping.is_empty());
    }

    #[test]
    fn selection_is_idempotent(lists in lists(), selection in selection()) {
        let all = lists.snapshot();
        let once = associate(&all, &selection);
        let kept = Snapshot {
            models: all.models.into_iter().filter(|m| selection.keeps_model(m)).collect(),
            profiles: all.profiles.into_iter().filter(|p| selection.keeps_profile(p)).collect(),
            ..all
        };
        prop_assert_eq!(once.models, associate(&kept, &selection).models);
    }

    #[test]
    fn selection_removes_models_and_changes_none(
        lists in lists(),
        include in globs(),
    ) {
        let models = ModelsSpec { include, ..ModelsSpec::default() };
        let selection = Selection::new(&models, &InferenceProfilesSpec::default());
        let all = lists.catalog().models;
        for (id, model) in associate(&lists.snapshot(), &selection).models {
            prop_assert_eq!(Some(&model), all.get(&id));
        }
    }

    #[test]
    fn invoke_with_is_model_or_usable_embedded_profile(lists in lists()) {
        let content = RegionContent::from_catalog(lists.catalog()).unwrap();
        let facts = content.facts("us-east-1", &InvocationPolicy::default());
        prop_assert_eq!(
            facts.keys().collect::<Vec<_>>(),
            content.models.keys().collect::<Vec<_>>()
        );
        for (id, facts) in facts {
            let model = json!(content.models[&id]);
            let types = model["inferenceTypesSupported"].as_array();
            let on_demand = types.is_some_and(|types| types.contains(&json!("ON_DEMAND")));
            prop_assert_eq!(facts.on_demand, on_demand);
            let embedded = model["referencedByInstanceProfiles"].as_array();
            let embedded = embedded.cloned().unwrap_or_default();
            let usable = |id: &Value| embedded.iter().any(|profile| {
                profile["inferenceProfileId"] == *id
                    && profile["type"] == "SYSTEM_DEFINED"
                    && profile["status"] == "ACTIVE"
            });
            match &facts.invoke_with {
                Some(with) if on_demand => prop_assert_eq!(with, &id),
                Some(with) => prop_assert!(usable(&json!(with))),
                None => prop_assert!(!on_demand && !embedded.iter().any(
                    |profile| usable(&profile["inferenceProfileId"])
                )),
            }
            prop_assert_eq!(facts.requires_inference_profile, !on_demand && !embedded.is_empty());
            prop_assert_eq!(facts.profiles.len(), embedded.len());
        }
    }
}

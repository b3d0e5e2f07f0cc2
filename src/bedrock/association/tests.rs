use serde_json::{Value, json};

use super::*;
use crate::api::{InferenceProfilesSpec, ModelsSpec};
use crate::publication::content::RegionContent;

fn snapshot(models: &[Value], profiles: &[Value]) -> Snapshot {
    Snapshot {
        models: models
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, item)| ModelSummary::from_response(index, item).unwrap())
            .collect(),
        profiles: profiles
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, item)| ProfileSummary::from_response(index, item).unwrap())
            .collect(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn model(id: &str) -> Value {
    json!({"modelId": id})
}

fn profile(id: &str, arns: &[&str]) -> Value {
    let models: Vec<_> = arns.iter().map(|arn| json!({"modelArn": arn})).collect();
    json!({"inferenceProfileId": id, "type": "SYSTEM_DEFINED", "models": models})
}

fn selected(models: &[Value], profiles: &[Value], spec: &Value) -> RegionCatalog {
    let filters: ModelsSpec = serde_json::from_value(spec["models"].clone()).unwrap();
    let types: InferenceProfilesSpec =
        serde_json::from_value(spec["inferenceProfiles"].clone()).unwrap();
    let selection = Selection::new(&filters, &types);
    associate(&snapshot(models, profiles), &selection)
}

fn everything(models: &[Value], profiles: &[Value]) -> RegionCatalog {
    let spec = json!({"models": {}, "inferenceProfiles": {}});
    selected(models, profiles, &spec)
}

/// Such as `a: p q; b: - | 2 profiles, 2 associations, 0 orphans`.
fn short(catalog: &RegionCatalog) -> String {
    let content = RegionContent::from_catalog(catalog.clone()).unwrap();
    let ids = content.profile_ids();
    let models: Vec<_> = ids
        .iter()
        .map(|(model, profiles)| match profiles.as_slice() {
            [] => format!("{model}: -"),
            profiles => format!("{model}: {}", profiles.join(" ")),
        })
        .collect();
    format!(
        "{} | {} profiles, {} associations, {} orphans",
        models.join("; "),
        content.profiles(),
        content.associations(),
        catalog.orphan_profiles
    )
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row for each rule")]
fn profiles_are_associated_by_model_id_in_arn() {
    let (a, b) = (model("a"), model("b"));
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/a";
    // (case, models, profiles, expected)
    let cases = [
        (
            "nothing",
            vec![],
            vec![],
            " | 0 profiles, 0 associations, 0 orphans",
        ),
        (
            "no profiles",
            vec![&a, &b],
            vec![],
            "a: -; b: - | 0 profiles, 0 associations, 0 orphans",
        ),
        (
            "no models",
            vec![],
            vec![profile("p", &[arn])],
            " | 0 profiles, 0 associations, 1 orphans",
        ),
        (
            "by the last part of the ARN",
            vec![&a, &b],
            vec![profile("p", &[arn])],
            "a: p; b: - | 1 profiles, 1 associations, 0 orphans",
        ),
        (
            "any text before the ID",
            vec![&a],
            vec![profile("p", &["x/y/a"])],
            "a: p | 1 profiles, 1 associations, 0 orphans",
        ),
        (
            "an ARN without a slash",
            vec![&a],
            vec![profile("p", &["a", ":a", ""])],
            "a: - | 0 profiles, 0 associations, 1 orphans",
        ),
        (
            "an ARN that ends with a slash",
            vec![&a],
            vec![profile("p", &["a/"])],
            "a: - | 0 profiles, 0 associations, 1 orphans",
        ),
        (
            "ids match exactly",
            vec![&a],
            vec![profile("p", &["x/A", "x/a ", "x/aa", "x/a:0"])],
            "a: - | 0 profiles, 0 associations, 1 orphans",
        ),
        (
            "models that the region does not list",
            vec![&a],
            vec![profile("p", &["x/z"])],
            "a: - | 0 profiles, 0 associations, 1 orphans",
        ),
        (
            "one of its models is listed",
            vec![&a],
            vec![profile("p", &["x/z", "x/a"])],
            "a: p | 1 profiles, 1 associations, 0 orphans",
        ),
        (
            "a model named once for each destination",
            vec![&a],
            vec![profile("p", &["r1/a", "r2/a", "r3/a"])],
            "a: p | 1 profiles, 1 associations, 0 orphans",
        ),
        (
            "several models",
            vec![&a, &b],
            vec![profile("p", &["x/a", "x/b"])],
            "a: p; b: p | 1 profiles, 2 associations, 0 orphans",
        ),
        (
            "several profiles, by id",
            vec![&a],
            vec![
                profile("us.a", &["x/a"]),
                profile("eu.a", &["x/a"]),
                profile("Z", &["x/a"]),
            ],
            "a: Z eu.a us.a | 3 profiles, 3 associations, 0 orphans",
        ),
        (
            "a profile listed twice",
            vec![&a],
            vec![profile("p", &["x/a"]), profile("p", &["x/a"])],
            "a: p | 1 profiles, 1 associations, 0 orphans",
        ),
        (
            "a profile listed twice with other models",
            vec![&a, &b],
            vec![profile("p", &["x/a"]), profile("p", &["x/b"])],
            "a: p; b: p | 1 profiles, 2 associations, 0 orphans",
        ),
        (
            "an orphan listed twice",
            vec![&a],
            vec![profile("p", &["x/z"]), profile("p", &["x/z"])],
            "a: - | 0 profiles, 0 associations, 1 orphans",
        ),
        (
            "a profile without models",
            vec![&a],
            vec![profile("p", &[]), json!({"inferenceProfileId": "q"})],
            "a: - | 0 profiles, 0 associations, 2 orphans",
        ),
        (
            "a model listed twice",
            vec![&a, &a],
            vec![profile("p", &["x/a"])],
            "a: p | 1 profiles, 1 associations, 0 orphans",
        ),
    ];
    for (case, models, profiles, expected) in cases {
        let models: Vec<Value> = models.into_iter().cloned().collect();
        assert_eq!(short(&everything(&models, &profiles)), expected, "{case}");
    }
}

#[test]
fn selected_models_embed_only_selected_profiles() {
    let application = json!({"inferenceProfileId": "own", "type": "APPLICATION",
                             "models": [{"modelArn": "x/a"}]});
    let profiles = [
        profile("both", &["x/a", "x/b"]),
        profile("only-b", &["x/b"]),
        profile("gone", &["x/z"]),
        application,
    ];
    let models = [model("a"), model("b")];
    // (spec, expected)
    let cases = [
        (
            json!({"models": {"include": ["a"]}, "inferenceProfiles": {}}),
            "a: both own | 2 profiles, 2 associations, 1 orphans",
        ),
        (
            json!({"models": {"exclude": ["*"]}, "inferenceProfiles": {}}),
            " | 0 profiles, 0 associations, 1 orphans",
        ),
        (
            json!({"models": {}, "inferenceProfiles": {"types": ["APPLICATION"]}}),
            "a: own; b: - | 1 profiles, 1 associations, 0 orphans",
        ),
        (
            json!({"models": {}, "inferenceProfiles": {"types": ["SYSTEM_DEFINED"]}}),
            "a: both; b: both only-b | 2 profiles, 3 associations, 1 orphans",
        ),
    ];
    for (spec, expected) in cases {
        let catalog = selected(&models, &profiles, &spec);
        assert_eq!(short(&catalog), expected, "{spec}");
    }
}

#[test]
fn profiles_are_embedded_whole_and_key_is_absent_without_profiles() {
    let whole = json!({
        "inferenceProfileId": "us.a",
        "inferenceProfileName": "US A",
        "models": [{"modelArn": "x/a"}, {"modelArn": "y/a"}],
        "newField": {"k": [1, 2]},
        "type": "SYSTEM_DEFINED",
    });
    let catalog = everything(&[model("a"), model("b")], std::slice::from_ref(&whole));
    assert_eq!(
        json!(catalog.models),
        json!({
            "a": {"modelId": "a", "referencedByInstanceProfiles": [whole]},
            "b": {"modelId": "b"},
        })
    );
}

#[test]
fn duplicate_ids_keep_last_model_and_first_profile() {
    let named = |mut item: Value, name: &str| {
        item["name"] = json!(name);
        item
    };
    let models = [named(model("a"), "first"), named(model("a"), "last")];
    let profiles = [
        named(profile("p", &["x/a"]), "first"),
        named(profile("p", &["x/a"]), "last"),
    ];
    let catalog = everything(&models, &profiles);
    let model = json!(catalog.models["a"]);
    assert_eq!(model["name"], "last");
    assert_eq!(
        model["referencedByInstanceProfiles"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(model["referencedByInstanceProfiles"][0]["name"], "first");
}

//! The filters of a spec on the models and profiles of a response.

use crate::api::{InferenceProfilesSpec, LifecycleStatus, ModelsSpec, ProfileType};
use crate::bedrock::glob::Globs;
use crate::bedrock::model::ModelSummary;
use crate::bedrock::profile::ProfileSummary;
use crate::digest::sha256_hex;

/// The compiled filters of a spec.
#[derive(Clone, Debug)]
pub struct Selection {
    include: Option<Globs>,
    exclude: Globs,
    providers: Vec<String>,
    lifecycle: Vec<LifecycleStatus>,
    input_modalities: Vec<String>,
    output_modalities: Vec<String>,
    /// None: every profile, also of a type that AWS adds later.
    profile_types: Option<Vec<ProfileType>>,
    sha256: String,
}

impl Selection {
    /// Compiles the filters.
    pub fn new(models: &ModelsSpec, profiles: &InferenceProfilesSpec) -> Self {
        let every_type = ProfileType::ALL
            .iter()
            .all(|profile_type| profiles.types.contains(profile_type));
        Self {
            include: match models.include.as_slice() {
                [] => None,
                globs => Some(Globs::new(globs)),
            },
            exclude: Globs::new(&models.exclude),
            providers: models.providers.clone(),
            lifecycle: models.lifecycle.clone(),
            input_modalities: models.input_modalities.clone(),
            output_modalities: models.output_modalities.clone(),
            profile_types: (!every_type).then(|| profiles.types.clone()),
            sha256: sha256_hex(format!("{models:?} {profiles:?}").as_bytes()),
        }
    }

    /// Hash of the filters as written: equal ones have the same, within this version of the program.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether the model passes every filter.
    pub fn keeps_model(&self, model: &ModelSummary) -> bool {
        self.keeps_id(model.id())
            && self.keeps_provider(model.provider())
            && self.keeps_lifecycle(&model.lifecycle().status)
            && has_all(&self.input_modalities, || model.input_modalities())
            && has_all(&self.output_modalities, || model.output_modalities())
    }

    /// Whether the profile has a selected type.
    pub fn keeps_profile(&self, profile: &ProfileSummary<'_>) -> bool {
        self.profile_types
            .as_ref()
            .is_none_or(|types| types.iter().any(|t| t.as_str() == profile.profile_type()))
    }

    fn keeps_id(&self, id: &str) -> bool {
        self.include.as_ref().is_none_or(|globs| globs.is_match(id)) && !self.exclude.is_match(id)
    }

    fn keeps_provider(&self, provider: &str) -> bool {
        self.providers.is_empty() || self.providers.iter().any(|p| same_name(p, provider))
    }

    fn keeps_lifecycle(&self, status: &str) -> bool {
        self.lifecycle.is_empty() || self.lifecycle.iter().any(|l| l.as_str() == status)
    }
}

fn has_all<'m, I: Iterator<Item = &'m str>>(wanted: &[String], values: impl Fn() -> I) -> bool {
    wanted
        .iter()
        .all(|wanted| values().any(|value| value == wanted))
}

fn same_name(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model(id: &str) -> ModelSummary {
        ModelSummary::from_response(
            0,
            json!({
                "modelId": id,
                "providerName": "Anthropic",
                "inputModalities": ["TEXT", "IMAGE"],
                "outputModalities": ["TEXT"],
                "modelLifecycle": {"status": "LEGACY"},
            }),
        )
        .unwrap()
    }

    fn keeps(spec: &serde_json::Value, id: &str) -> bool {
        let models: ModelsSpec = serde_json::from_value(spec.clone()).unwrap();
        Selection::new(&models, &InferenceProfilesSpec::default()).keeps_model(&model(id))
    }

    #[test]
    fn model_is_kept_if_every_filter_matches() {
        let id = "anthropic.claude-3-haiku-20240307-v1:0:200k";
        let cases = [
            (json!({}), true),
            (json!({"include": []}), true),
            (json!({"include": ["*"]}), true),
            (json!({"include": ["anthropic.claude-*"]}), true),
            (json!({"include": ["amazon.*", "*haiku*"]}), true),
            (json!({"include": ["anthropic.claude-?-haiku-*"]}), true),
            (json!({"include": ["anthropic.claude-??-haiku-*"]}), false),
            (json!({"include": ["claude"]}), false),
            (json!({"include": ["ANTHROPIC.*"]}), false),
            (json!({"include": ["**"]}), true),
            (json!({"include": ["anthropic.**haiku***"]}), true),
            (json!({"include": ["**/anthropic.*"]}), false),
            (json!({"include": ["anthropic.*/**"]}), false),
            (json!({"include": ["anthropic[.]*"]}), false),
            (json!({"include": ["{anthropic,amazon}.*"]}), false),
            (json!({"exclude": ["*:200k"]}), false),
            (json!({"include": ["*"], "exclude": ["*:200k"]}), false),
            (json!({"exclude": ["*:24k"]}), true),
            (json!({"providers": ["anthropic"]}), true),
            (json!({"providers": ["Amazon", "ANTHROPIC"]}), true),
            (json!({"providers": ["Anthrop"]}), false),
            (json!({"lifecycle": ["LEGACY"]}), true),
            (json!({"lifecycle": ["ACTIVE"]}), false),
            (json!({"lifecycle": ["ACTIVE", "LEGACY"]}), true),
            (json!({"inputModalities": ["IMAGE", "TEXT"]}), true),
            (json!({"inputModalities": ["TEXT", "VIDEO"]}), false),
            (json!({"outputModalities": ["IMAGE"]}), false),
            (json!({"include": ["*"], "providers": ["Amazon"]}), false),
        ];
        for (spec, expected) in cases {
            assert_eq!(keeps(&spec, id), expected, "{spec}");
        }
    }

    #[test]
    fn model_without_a_field_fails_each_filter_on_it() {
        let bare = ModelSummary::from_response(0, json!({"modelId": "x"})).unwrap();
        for spec in [
            json!({"providers": ["Anthropic"]}),
            json!({"lifecycle": ["ACTIVE"]}),
            json!({"inputModalities": ["TEXT"]}),
        ] {
            let models: ModelsSpec = serde_json::from_value(spec.clone()).unwrap();
            let selection = Selection::new(&models, &InferenceProfilesSpec::default());
            assert!(!selection.keeps_model(&bare), "{spec}");
        }
    }

    #[test]
    fn profiles_are_kept_by_type_and_unknown_types_if_all_are_selected() {
        let cases = [
            (json!(["SYSTEM_DEFINED", "APPLICATION"]), [true, true, true]),
            (json!(["SYSTEM_DEFINED"]), [true, false, false]),
            (json!(["APPLICATION"]), [false, true, false]),
        ];
        for (types, expected) in cases {
            let spec: InferenceProfilesSpec =
                serde_json::from_value(json!({"types": types})).unwrap();
            let selection = Selection::new(&ModelsSpec::default(), &spec);
            let kept = ["SYSTEM_DEFINED", "APPLICATION", "BRAND_NEW"].map(|t| {
                let item = json!({"inferenceProfileId": "p", "type": t});
                selection.keeps_profile(&ProfileSummary::from_response(0, item).unwrap())
            });
            assert_eq!(kept, expected, "{types}");
        }
    }
}

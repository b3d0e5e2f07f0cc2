//! Filters of models and profiles, as in a `BedrockModelMap`'s spec.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{InferenceProfilesSpec, LifecycleStatus, ModelsSpec, ProfileType};
use crate::bedrock::selection::Selection;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Selectors {
    /// Keep only models whose ID matches this glob (* and ?); repeatable, one match suffices.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// Omit models whose ID matches this glob, even if --include matches; repeatable.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Keep only models of this provider, such as Anthropic (case-insensitive); repeatable.
    #[arg(long = "provider", value_name = "NAME")]
    providers: Vec<String>,

    /// Keep only models with this lifecycle status; repeatable.
    #[arg(long, value_name = "STATUS", ignore_case = true, value_parser = lifecycle())]
    lifecycle: Vec<LifecycleStatus>,

    /// Keep only models with this input modality, such as TEXT or IMAGE; repeatable, all must match.
    #[arg(long = "input-modality", value_name = "MODALITY", value_parser = modality)]
    input_modalities: Vec<String>,

    /// Keep only models with this output modality, such as TEXT or EMBEDDING; repeatable, all must
    /// match.
    #[arg(long = "output-modality", value_name = "MODALITY", value_parser = modality)]
    output_modalities: Vec<String>,

    /// Embed only inference profiles of this type; repeatable. Default: all types.
    #[arg(long = "profile-type", value_name = "TYPE", ignore_case = true, value_parser = profile_type())]
    profile_types: Vec<ProfileType>,
}

impl Selectors {
    pub(super) fn selection(&self) -> Selection {
        let models = ModelsSpec {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            providers: self.providers.clone(),
            lifecycle: self.lifecycle.clone(),
            input_modalities: self.input_modalities.clone(),
            output_modalities: self.output_modalities.clone(),
        };
        let profiles = if self.profile_types.is_empty() {
            InferenceProfilesSpec::default()
        } else {
            InferenceProfilesSpec {
                types: self.profile_types.clone(),
            }
        };
        Selection::new(&models, &profiles)
    }
}

fn lifecycle() -> impl clap::builder::TypedValueParser<Value = LifecycleStatus> {
    PossibleValuesParser::new(LifecycleStatus::ALL.map(LifecycleStatus::as_str)).try_map(parse_name)
}

fn profile_type() -> impl clap::builder::TypedValueParser<Value = ProfileType> {
    PossibleValuesParser::new(ProfileType::ALL.map(ProfileType::as_str)).try_map(parse_name)
}

/// Parses a name of the spec.
#[expect(clippy::needless_pass_by_value, reason = "clap passes an owned value")]
fn parse_name<T: DeserializeOwned>(name: String) -> Result<T, serde_json::Error> {
    serde_json::from_value(Value::String(name.to_uppercase()))
}

/// Takes unknown modalities too: AWS adds new ones.
fn modality(name: &str) -> Result<String, String> {
    let name = name.to_uppercase();
    let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(is_word) {
        Ok(name)
    } else {
        Err("not a modality such as TEXT or IMAGE".to_owned())
    }
}

//! The filters of the spec: models and inference profiles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Filters on models. Every model passes a filter that is omitted or empty.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelsSpec {
    /// Globs on the model ID, such as `anthropic.claude-*`: at most 64, each of 1 to 256 characters.
    /// `*` matches any number of characters, `?` exactly one. A model passes if any glob matches.
    /// Default: every model passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 256), regex(pattern = r"^[A-Za-z0-9._:*?/-]+$")),
        transform = schema::worded("must be a glob on model ids: letters, digits and . _ : / - as in an id, * and ?")
    )]
    pub include: Vec<String>,

    /// Globs on the model ID, in the syntax and bounds of `include`. A model that any glob matches is
    /// not published, even if `include` matches it. Default: no model is excluded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 256), regex(pattern = r"^[A-Za-z0-9._:*?/-]+$")),
        transform = schema::worded("must be a glob on model ids: letters, digits and . _ : / - as in an id, * and ?")
    )]
    pub exclude: Vec<String>,

    /// Provider names as in Bedrock's `providerName`, such as `Anthropic`: at most 64, each of 1 to
    /// 128 characters, compared without regard to case. Default: every provider.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 128), regex(pattern = r"^\S(.*\S)?$")),
        transform = schema::worded("must not be empty or start or end with a space")
    )]
    pub providers: Vec<String>,

    /// Lifecycle states as in Bedrock's `modelLifecycle.status`. `ACTIVE`: offered and maintained.
    /// `LEGACY`: still offered, with an announced end of life. Default: every state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub lifecycle: Vec<LifecycleStatus>,

    /// Input modalities in upper case, such as `TEXT` or `IMAGE`: at most 16, each of 1 to 64
    /// characters. A model passes if it accepts all of them. Default: every model passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(max = 64), regex(pattern = r"^[A-Z][A-Z0-9_]*$")),
        transform = schema::worded("must be a modality in upper case, such as TEXT or IMAGE")
    )]
    pub input_modalities: Vec<String>,

    /// Output modalities in upper case, such as `TEXT` or `EMBEDDING`: at most 16, each of 1 to 64
    /// characters. A model passes if it produces all of them. Default: every model passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(max = 64), regex(pattern = r"^[A-Z][A-Z0-9_]*$")),
        transform = schema::worded("must be a modality in upper case, such as TEXT or IMAGE")
    )]
    pub output_modalities: Vec<String>,
}

/// Lifecycle state of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LifecycleStatus {
    /// Offered and maintained.
    Active,
    /// Still offered, with an announced end of life.
    Legacy,
}

impl LifecycleStatus {
    /// All states.
    #[cfg(feature = "operator")]
    pub(crate) const ALL: [Self; 2] = [Self::Active, Self::Legacy];

    /// The name that the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Legacy => "LEGACY",
        }
    }
}

/// Filters on inference profiles.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceProfilesSpec {
    /// Profile types to publish: 1 or 2. `SYSTEM_DEFINED`: profiles that Bedrock provides.
    /// `APPLICATION`: profiles that users of the account created. Default: both.
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub types: Vec<ProfileType>,
}

impl Default for InferenceProfilesSpec {
    fn default() -> Self {
        Self {
            types: ProfileType::ALL.to_vec(),
        }
    }
}

/// Type of an inference profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProfileType {
    /// Provided by Amazon Bedrock.
    SystemDefined,
    /// Created by a user of the account, usually to track cost.
    Application,
}

impl ProfileType {
    /// All types.
    pub(crate) const ALL: [Self; 2] = [Self::SystemDefined, Self::Application];

    /// The name that the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemDefined => "SYSTEM_DEFINED",
            Self::Application => "APPLICATION",
        }
    }
}

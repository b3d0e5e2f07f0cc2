//! Which models and inference profiles a user asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Filters on models. An omitted or empty filter lets every model pass.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelsSpec {
    /// Globs on the model id (`*` any characters, `?` one character), such as
    /// `anthropic.claude-*`; a model passes if any of them matches. At most 64, of at most 256
    /// characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 256), regex(pattern = r"^[A-Za-z0-9._:*?/-]+$")),
        transform = schema::worded("must be a glob on model ids: letters, digits and . _ : / - as in an id, * and ?")
    )]
    pub include: Vec<String>,

    /// Globs on the model id, as in `include`; a model that any of them matches is left out, also if
    /// `include` matches. At most 64, of at most 256 characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 256), regex(pattern = r"^[A-Za-z0-9._:*?/-]+$")),
        transform = schema::worded("must be a glob on model ids: letters, digits and . _ : / - as in an id, * and ?")
    )]
    pub exclude: Vec<String>,

    /// Names of providers as Bedrock gives them in `providerName`, such as `Anthropic`, in upper or
    /// lower case. At most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 128), regex(pattern = r"^\S(.*\S)?$")),
        transform = schema::worded("must not be empty, nor start or end with a blank")
    )]
    pub providers: Vec<String>,

    /// States of a model's life, as Bedrock gives them in `modelLifecycle.status`. `ACTIVE`: offered
    /// and maintained. `LEGACY`: still offered, with an end of life announced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub lifecycle: Vec<LifecycleStatus>,

    /// Input modalities such as `TEXT` or `IMAGE`; a model passes if it takes all of them. At most 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(max = 64), regex(pattern = r"^[A-Z][A-Z0-9_]*$")),
        transform = schema::worded("must be a modality in upper case, such as TEXT or IMAGE")
    )]
    pub input_modalities: Vec<String>,

    /// Output modalities such as `TEXT` or `EMBEDDING`; a model passes if it gives all of them. At
    /// most 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(max = 64), regex(pattern = r"^[A-Z][A-Z0-9_]*$")),
        transform = schema::worded("must be a modality in upper case, such as TEXT or IMAGE")
    )]
    pub output_modalities: Vec<String>,
}

/// A state of a model's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LifecycleStatus {
    /// Offered and maintained.
    Active,
    /// Still offered, with an end of life announced.
    Legacy,
}

impl LifecycleStatus {
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
    /// Kinds of profiles to embed; both if omitted. `SYSTEM_DEFINED`: those of Bedrock.
    /// `APPLICATION`: those that the account made itself.
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub types: Vec<ProfileType>,
}

impl Default for InferenceProfilesSpec {
    fn default() -> Self {
        Self {
            types: vec![ProfileType::SystemDefined, ProfileType::Application],
        }
    }
}

/// A kind of inference profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProfileType {
    /// Made by Amazon Bedrock.
    SystemDefined,
    /// Made by a user of the account, mostly to tell costs apart.
    Application,
}

impl ProfileType {
    /// The name that the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemDefined => "SYSTEM_DEFINED",
            Self::Application => "APPLICATION",
        }
    }
}

//! Logical names for models, which applications read in place of IDs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// The start of an environment variable's name, where an alias sets none.
const DEFAULT_ENV_PREFIX: &str = "BEDROCK_MODEL_";

/// A logical name for a model. Each region resolves it by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AliasSpec {
    /// Name of the alias, such as `chat`: a DNS label of at most 63 lower-case letters, digits and
    /// `-`, unique in the resource. LiteLLM knows the model by this name.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        transform = schema::worded("must be a DNS label: lower-case letters, digits and -, beginning and ending with a letter or a digit")
    )]
    pub name: String,

    /// Name of the environment variable, such as `ANTHROPIC_MODEL`: at most 128 letters, digits and
    /// `_`, not beginning with a digit, unique in the resource. `AWS_REGION` and
    /// `CLAUDE_CODE_USE_BEDROCK` are refused, because `claude-code.json` sets them. Default:
    /// `BEDROCK_MODEL_` and the name of the alias in upper case, with `_` for `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"),
        transform = schema::worded("must be the name of an environment variable: letters, digits and _, not beginning with a digit")
    )]
    pub env: Option<String>,

    /// Model IDs and globs on model IDs (`*` any characters, `?` one character) in order of
    /// preference: 1 to 16, of at most 256 characters. In each region the first one wins that names a
    /// published model which has an ID to pass (`invokeWith`) and has not reached its
    /// `endOfLifeTime`. Of several models that one glob matches, the one with the latest
    /// `startOfLifeTime` wins, then the greatest ID. `status.regions[].aliases`
    /// states why an alias has no such model.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(max = 256), regex(pattern = r"^[A-Za-z0-9._:*?/-]+$")),
        transform = schema::worded("must be a model id or a glob on model ids: letters, digits and . _ : / - as in an id, * and ?")
    )]
    pub models: Vec<String>,
}

impl AliasSpec {
    /// Name of the environment variable, the default included.
    pub fn env_name(&self) -> String {
        self.env.clone().unwrap_or_else(|| {
            let name = self.name.to_ascii_uppercase().replace('-', "_");
            format!("{DEFAULT_ENV_PREFIX}{name}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_name_defaults_to_the_name_in_upper_case() {
        let of = |name: &str, env: Option<&str>| {
            AliasSpec {
                name: name.into(),
                env: env.map(Into::into),
                models: Vec::new(),
            }
            .env_name()
        };
        assert_eq!(of("chat", None), "BEDROCK_MODEL_CHAT");
        assert_eq!(of("4-cheap-chat", None), "BEDROCK_MODEL_4_CHEAP_CHAT");
        assert_eq!(of("chat", Some("ANTHROPIC_MODEL")), "ANTHROPIC_MODEL");
    }
}

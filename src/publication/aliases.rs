//! The ConfigMaps of a region's aliases: their content, and how it is read back.

use std::collections::BTreeMap;

use crate::bedrock::aliases::{Alias, AliasEntries};
use crate::digest::sha256_hex;
pub use crate::publication::content::ALIASES_JSON;
use crate::publication::content::json;
use crate::publication::formats::{claude_code, env, litellm, named_models};
use crate::publication::render::{ConfigMapFiles, RenderError, sorted_json};

/// A fragment of LiteLLM's configuration.
pub const LITELLM_YAML: &str = "litellm.yaml";
/// Settings of Claude Code.
pub const CLAUDE_CODE_JSON: &str = "claude-code.json";

/// The files of both ConfigMaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasFiles {
    /// Environment variables.
    pub env: ConfigMapFiles,
    /// `aliases.json` and the other formats.
    pub aliases: ConfigMapFiles,
}

/// Renders the files of both ConfigMaps.
pub fn alias_files(
    region: &str,
    aliases: &[Alias],
    entries: &AliasEntries,
) -> Result<AliasFiles, RenderError> {
    let models = named_models(aliases, entries);
    let variables = env::variables(&models);
    let aliases_json = sorted_json(ALIASES_JSON, entries)?;
    let env = ConfigMapFiles {
        sha256: sha256_hex(env::file(&variables).as_bytes()),
        data: variables,
        binary_data: BTreeMap::new(),
    };
    let aliases = ConfigMapFiles {
        sha256: sha256_hex(aliases_json.as_bytes()),
        data: BTreeMap::from([
            (ALIASES_JSON.to_owned(), aliases_json),
            (LITELLM_YAML.to_owned(), litellm::fragment(region, &models)),
            (
                CLAUDE_CODE_JSON.to_owned(),
                json(CLAUDE_CODE_JSON, &claude_code::settings(region, &models))?,
            ),
        ]),
        binary_data: BTreeMap::new(),
    };
    Ok(AliasFiles {
        env: env.checked("the environment of the aliases", "")?,
        aliases: aliases.checked(ALIASES_JSON, "")?,
    })
}

/// Reads `aliases.json` back if it has the expected hash.
pub fn read_aliases(aliases_json: &str, expected_sha256: &str) -> Option<AliasEntries> {
    (sha256_hex(aliases_json.as_bytes()) == expected_sha256).then_some(())?;
    serde_json::from_str(aliases_json).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::AliasSpec;

    fn alias(name: &str, env: Option<&str>) -> Alias {
        Alias::from(&AliasSpec {
            name: name.into(),
            env: env.map(Into::into),
            models: vec!["*".into()],
        })
    }

    fn entries() -> AliasEntries {
        let entries = json!({
            "chat": {"modelId": "a.b-v1:0", "invokeWith": "us.a.b-v1:0", "route": "Geographic",
                     "lifecycle": {"status": "ACTIVE"}},
            "gone": {"invokeWith": null, "reason": "NotListed"},
            "retired": {"invokeWith": null, "reason": "Legacy"},
        });
        serde_json::from_value(entries).unwrap()
    }

    #[test]
    fn alias_without_an_id_has_a_reason_and_no_variable() {
        let aliases = [alias("chat", Some("ANTHROPIC_MODEL")), alias("gone", None)];
        let files = alias_files("us-east-1", &aliases, &entries()).unwrap();
        let variables = BTreeMap::from([("ANTHROPIC_MODEL".to_owned(), "us.a.b-v1:0".to_owned())]);
        assert_eq!(files.env.data, variables);
        let data = &files.aliases.data;
        let names: Vec<_> = data.keys().map(String::as_str).collect();
        assert_eq!(names, [ALIASES_JSON, CLAUDE_CODE_JSON, LITELLM_YAML]);
        assert_eq!(
            data[ALIASES_JSON],
            r#"{"chat":{"invokeWith":"us.a.b-v1:0","lifecycle":{"status":"ACTIVE"},"modelId":"a.b-v1:0","route":"Geographic"},"gone":{"invokeWith":null,"reason":"NotListed"},"retired":{"invokeWith":null,"reason":"Legacy"}}"#
        );
        let settings: Value = serde_json::from_str(&data[CLAUDE_CODE_JSON]).unwrap();
        assert_eq!(settings["env"]["ANTHROPIC_MODEL"], "us.a.b-v1:0");
        let read = read_aliases(&data[ALIASES_JSON], &files.aliases.sha256);
        assert_eq!(read, Some(entries()));
        assert_eq!(read_aliases(&data[ALIASES_JSON], "other"), None);
    }

    #[test]
    fn removed_alias_changes_no_other_key_and_order_of_the_spec_changes_nothing() {
        let (a, b) = (alias("chat", None), alias("code", None));
        let mut both = entries();
        let target = both["chat"].clone();
        both.insert("code".into(), target);
        let of = |aliases: &[Alias], entries: &AliasEntries| {
            alias_files("us-east-1", aliases, entries).unwrap()
        };
        let before = of(&[a.clone(), b.clone()], &both);
        assert_eq!(before, of(&[b, a.clone()], &both));
        let mut after = of(&[a], &entries()).env.data;
        after.insert("BEDROCK_MODEL_CODE".into(), "us.a.b-v1:0".into());
        assert_eq!(before.env.data, after);
    }
}

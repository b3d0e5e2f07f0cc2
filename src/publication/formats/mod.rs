//! What consumers read in place of JSON of ours: the IDs of named models, in the consumer's own format.

pub mod claude_code;
pub mod env;
pub mod envoy_ai_gateway;
pub mod kagent;
pub mod litellm;
#[cfg(test)]
mod tests;
pub mod yaml;

use std::collections::BTreeMap;

use crate::bedrock::aliases::{Alias, AliasEntries, AliasTarget};

/// A model under the names by which a consumer knows it.
#[derive(Clone, Copy, Debug)]
pub struct NamedModel<'a> {
    /// The logical name.
    pub name: &'a str,
    /// Name of the environment variable.
    pub env: &'a str,
    /// The model, and the ID to pass.
    pub target: &'a AliasTarget,
}

/// The models of these aliases that have an ID to pass.
pub fn named_models<'a>(aliases: &'a [Alias], entries: &'a AliasEntries) -> Vec<NamedModel<'a>> {
    let env_of: BTreeMap<&str, &str> = aliases
        .iter()
        .map(|alias| (alias.name.as_str(), alias.env.as_str()))
        .collect();
    entries
        .iter()
        .filter_map(|(name, entry)| {
            Some(NamedModel {
                name,
                env: env_of.get(name.as_str())?,
                target: entry.target()?,
            })
        })
        .collect()
}

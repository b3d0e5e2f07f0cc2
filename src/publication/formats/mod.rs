//! What consumers read in place of JSON of ours: the IDs of named models, in the consumer's own format.

pub mod claude_code;
pub mod env;
pub mod litellm;
#[cfg(test)]
mod tests;

use crate::bedrock::aliases::AliasTarget;

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

//! The aliases that are rendered.

use crate::bedrock::aliases::{Alias, AliasEntries};

/// Aliases, and what they stand for in a region.
pub(super) struct RegionAliases {
    pub(super) aliases: Vec<Alias>,
    pub(super) entries: AliasEntries,
    /// The aliases without an ID to pass, with the reason.
    pub(super) unresolved: Vec<(String, String)>,
}

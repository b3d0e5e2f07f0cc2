//! What tells cached responses and rate limiters apart.

use super::identity::Identity;

/// Whose response it is, and of which region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    identity: Identity,
    region: String,
}

impl CacheKey {
    pub(super) fn new(identity: Identity, region: &str) -> Self {
        Self {
            identity,
            region: region.to_owned(),
        }
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }
}

//! The key of snapshots and rate limiters.

use super::identity::Identity;

/// An identity and a region: identities never share responses.
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

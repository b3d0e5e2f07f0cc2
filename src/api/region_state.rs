//! The state of a region.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RegionState {
    /// The last attempt succeeded.
    Fresh,
    /// The last attempt succeeded, and the filters select no model.
    Empty,
    /// The last attempt failed; the last good data stays published.
    Stale,
    /// The last attempt failed; no data is published.
    Failed,
    /// Bedrock has no endpoint in the region; no data is published.
    Unsupported,
    /// The region is not enabled for the account; no data is published.
    Disabled,
}

/// Where a resource or a command has its regions from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionSource {
    /// A user named them.
    Spec,
    /// They are enabled for the account.
    Account,
}

impl From<Option<&[String]>> for RegionSource {
    /// `spec.regions`, or what takes its place.
    fn from(named: Option<&[String]>) -> Self {
        match named {
            Some(_) => Self::Spec,
            None => Self::Account,
        }
    }
}

impl RegionState {
    /// Whether a region in this state counts as failed. A region that is absent counts only if a
    /// user named it.
    pub fn is_failure(self, source: RegionSource) -> bool {
        match self {
            Self::Stale | Self::Failed => true,
            Self::Unsupported | Self::Disabled => source == RegionSource::Spec,
            Self::Fresh | Self::Empty => false,
        }
    }

    /// The state as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "Fresh",
            Self::Empty => "Empty",
            Self::Stale => "Stale",
            Self::Failed => "Failed",
            Self::Unsupported => "Unsupported",
            Self::Disabled => "Disabled",
        }
    }
}

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

//! The state of a region.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RegionState {
    /// The last attempt succeeded.
    Fresh,
    /// The region answered, and no model is left after selection.
    Empty,
    /// The last attempt failed; older data is published.
    Stale,
    /// The last attempt failed; nothing was ever published.
    Failed,
    /// Bedrock has no endpoint of that name, and nothing was ever published.
    Unsupported,
    /// The region is not enabled for the account, and nothing was ever published.
    Disabled,
}

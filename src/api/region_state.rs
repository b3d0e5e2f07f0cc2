//! The state of a region.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The state of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
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
    /// A policy denies the requests; the last good data, if there is any, stays published.
    Denied,
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
    /// All states.
    pub(crate) const ALL: [Self; 7] = [
        Self::Fresh,
        Self::Empty,
        Self::Stale,
        Self::Failed,
        Self::Unsupported,
        Self::Disabled,
        Self::Denied,
    ];

    /// Whether a region in this state counts as failed. A region that the account cannot use counts
    /// only if a user named it.
    pub fn is_failure(self, source: RegionSource) -> bool {
        match self {
            Self::Stale | Self::Failed => true,
            Self::Unsupported | Self::Disabled | Self::Denied => source == RegionSource::Spec,
            Self::Fresh | Self::Empty => false,
        }
    }

    /// The state of published content, as its metadata has it: Fresh, or Stale if the last attempt
    /// did not confirm it.
    pub(crate) fn freshness(self) -> Self {
        match self {
            Self::Fresh => Self::Fresh,
            Self::Empty
            | Self::Stale
            | Self::Failed
            | Self::Unsupported
            | Self::Disabled
            | Self::Denied => Self::Stale,
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
            Self::Denied => "Denied",
        }
    }
}

/// A state that a later version wrote reads as Stale: not confirmed, whatever it means. So an object
/// with such a state stays readable, and the operator never writes back a state that the CRD rejects.
impl<'de> Deserialize<'de> for RegionState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .unwrap_or(Self::Stale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_round_trip_and_unknown_state_reads_as_stale() {
        for state in RegionState::ALL {
            let json = serde_json::to_value(state).unwrap();
            assert_eq!(json, state.as_str());
            assert_eq!(serde_json::from_value::<RegionState>(json).unwrap(), state);
        }
        let unknown: RegionState = serde_json::from_str(r#""Paused""#).unwrap();
        assert_eq!(unknown, RegionState::Stale);
    }
}

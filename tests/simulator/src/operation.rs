use std::fmt;

use serde::{Deserialize, Serialize};

/// An operation of AWS that the simulator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// `GET /foundation-models` of Bedrock. It is not paginated.
    ListFoundationModels,
    /// `GET /inference-profiles` of Bedrock.
    ListInferenceProfiles,
    /// `POST /listRegions` of the Account service.
    ListRegions,
}

impl Operation {
    /// The name of the operation in an IAM policy.
    pub(crate) fn action(self) -> String {
        match self {
            Self::ListFoundationModels | Self::ListInferenceProfiles => format!("bedrock:{self}"),
            Self::ListRegions => format!("account:{self}"),
        }
    }

    /// The key of the answer's list.
    pub(crate) fn list_key(self) -> &'static str {
        match self {
            Self::ListFoundationModels => "modelSummaries",
            Self::ListInferenceProfiles => "inferenceProfileSummaries",
            Self::ListRegions => "Regions",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

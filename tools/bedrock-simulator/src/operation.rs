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
    /// `AssumeRole` of STS.
    AssumeRole,
    /// `AssumeRoleWithWebIdentity` of STS, as with IRSA. It is not signed.
    AssumeRoleWithWebIdentity,
    /// `GET /v1/credentials` of the agent that gives containers their credentials, as with EKS Pod Identity.
    ContainerCredentials,
}

impl Operation {
    /// The name of the operation in an IAM policy.
    pub(crate) fn action(self) -> String {
        match self {
            Self::ListFoundationModels | Self::ListInferenceProfiles => format!("bedrock:{self}"),
            Self::ListRegions => format!("account:{self}"),
            Self::AssumeRole | Self::AssumeRoleWithWebIdentity | Self::ContainerCredentials => {
                format!("sts:{self}")
            }
        }
    }

    /// Whether STS answers, with XML.
    pub(crate) fn is_of_sts(self) -> bool {
        matches!(self, Self::AssumeRole | Self::AssumeRoleWithWebIdentity)
    }

    /// The key of the answer's list; what gives credentials has none.
    pub(crate) fn list_key(self) -> &'static str {
        match self {
            Self::ListFoundationModels => "modelSummaries",
            Self::ListInferenceProfiles => "inferenceProfileSummaries",
            Self::ListRegions => "Regions",
            Self::AssumeRole | Self::AssumeRoleWithWebIdentity | Self::ContainerCredentials => "",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

//! The error of an attempt, and its stable code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Error of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptError {
    /// Stable code for alerts and scripts, such as `AccessDenied`, `Throttled` or `Timeout`.
    #[schemars(with = "String")]
    pub code: ErrorCode,
    /// Human-readable details, with what to do.
    pub message: String,
    /// Minimum number of seconds until the next attempt, as AWS requested. Absent if AWS named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<i64>,
}

impl AttemptError {
    /// An error without a minimum wait.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_seconds: None,
        }
    }
}

/// Stable code of an error, for alerts and scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorCode {
    /// AWS denied the request: the identity lacks an IAM permission.
    AccessDenied,
    /// A policy denies the request explicitly, such as a service control policy of the organization.
    DeniedByPolicy,
    /// The credentials are missing, expired or rejected in every region.
    InvalidCredentials,
    /// The operator's configuration does not permit the role for this namespace.
    RoleNotAllowed,
    /// The region is not enabled for the account.
    RegionDisabled,
    /// The endpoint's name does not exist in DNS.
    NameNotResolved,
    /// The connection to the endpoint failed or broke.
    Unreachable,
    /// No response arrived within the deadline.
    Timeout,
    /// AWS throttled the request.
    Throttled,
    /// AWS returned a server error.
    ServiceError,
    /// AWS rejected the request as invalid.
    InvalidRequest,
    /// The response does not have the form that the API documents.
    MalformedAnswer,
    /// The pagination of the response did not end.
    EndlessPagination,
    /// The response exceeds the size limit.
    AnswerTooLarge,
    /// The response lost more than half of the published content, and waits for confirmation.
    ShrinkHeld,
    /// The spec no longer includes the region, and nothing of the new spec is published yet.
    NotInSpec,
    /// The content exceeds the size limit of a ConfigMap.
    PayloadTooLarge,
    /// A ConfigMap of that name exists and does not belong to this resource.
    TargetConflict,
    /// The Kubernetes API rejected or failed the write of the ConfigMap.
    WriteFailed,
    /// Another writer changed the ConfigMap between each read and write.
    WriteConflict,
    /// The partition has no API that lists the regions of an account.
    RegionsUnavailable,
    /// The spec is not valid.
    InvalidSpec,
    /// A code that another version of the operator wrote.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The code as the status shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::DeniedByPolicy => "DeniedByPolicy",
            Self::InvalidCredentials => "InvalidCredentials",
            Self::RoleNotAllowed => "RoleNotAllowed",
            Self::RegionDisabled => "RegionDisabled",
            Self::NameNotResolved => "NameNotResolved",
            Self::Unreachable => "Unreachable",
            Self::Timeout => "Timeout",
            Self::Throttled => "Throttled",
            Self::ServiceError => "ServiceError",
            Self::InvalidRequest => "InvalidRequest",
            Self::MalformedAnswer => "MalformedAnswer",
            Self::EndlessPagination => "EndlessPagination",
            Self::AnswerTooLarge => "AnswerTooLarge",
            Self::ShrinkHeld => "ShrinkHeld",
            Self::NotInSpec => "NotInSpec",
            Self::PayloadTooLarge => "PayloadTooLarge",
            Self::TargetConflict => "TargetConflict",
            Self::WriteFailed => "WriteFailed",
            Self::WriteConflict => "WriteConflict",
            Self::RegionsUnavailable => "RegionsUnavailable",
            Self::InvalidSpec => "InvalidSpec",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether AWS responded and the publication failed.
    pub fn concerns_publication(self) -> bool {
        match self {
            Self::PayloadTooLarge
            | Self::TargetConflict
            | Self::WriteFailed
            | Self::WriteConflict => true,
            Self::AccessDenied
            | Self::DeniedByPolicy
            | Self::InvalidCredentials
            | Self::RoleNotAllowed
            | Self::RegionDisabled
            | Self::NameNotResolved
            | Self::Unreachable
            | Self::Timeout
            | Self::Throttled
            | Self::ServiceError
            | Self::InvalidRequest
            | Self::MalformedAnswer
            | Self::EndlessPagination
            | Self::AnswerTooLarge
            | Self::ShrinkHeld
            | Self::NotInSpec
            | Self::RegionsUnavailable
            | Self::InvalidSpec
            | Self::Unknown => false,
        }
    }

    /// Whether the resource is `Stalled` until a user changes something.
    pub fn needs_user(self) -> bool {
        match self {
            Self::AccessDenied
            | Self::DeniedByPolicy
            | Self::InvalidCredentials
            | Self::RoleNotAllowed
            | Self::PayloadTooLarge
            | Self::TargetConflict
            | Self::RegionsUnavailable
            | Self::InvalidSpec => true,
            Self::RegionDisabled
            | Self::NameNotResolved
            | Self::Unreachable
            | Self::Timeout
            | Self::Throttled
            | Self::ServiceError
            | Self::InvalidRequest
            | Self::MalformedAnswer
            | Self::EndlessPagination
            | Self::AnswerTooLarge
            | Self::ShrinkHeld
            | Self::NotInSpec
            | Self::WriteFailed
            | Self::WriteConflict
            | Self::Unknown => false,
        }
    }
}

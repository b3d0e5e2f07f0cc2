//! Evidence of the other regions about one that fails: it distinguishes a missing endpoint from a broken
//! network, a disabled region from invalid credentials, and a denied region from a missing permission.

use std::collections::BTreeMap;

use crate::api::{ErrorCode, RegionState, RegionStatus};

/// Evidence of the other regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerEvidence {
    /// The name of another region's endpoint resolves.
    pub resolve: bool,
    /// Another region accepts the credentials.
    pub accept_credentials: bool,
    /// Another region grants the actions.
    pub grant_actions: bool,
}

impl PeerEvidence {
    /// No evidence.
    pub const NONE: Self = Self {
        resolve: false,
        accept_credentials: false,
        grant_actions: false,
    };
    /// Another region responded.
    pub const ANSWER: Self = Self {
        resolve: true,
        accept_credentials: true,
        grant_actions: true,
    };

    /// Evidence about one region that failed with this code. `queried` has the results of all regions
    /// queried together, this one included; `before` has the earlier status of all regions.
    pub fn of(
        region: &str,
        failed: ErrorCode,
        queried: &BTreeMap<String, Result<(), ErrorCode>>,
        before: &BTreeMap<String, RegionStatus>,
    ) -> Self {
        let evidence = queried
            .iter()
            .filter(|(other, _)| *other != region)
            .map(|(_, error_codes)| match error_codes {
                Ok(()) => Self::ANSWER,
                Err(code) => Self::of_error(*code),
            })
            .fold(Self::NONE, Self::or);
        let Some(failing) = before.get(region) else {
            return evidence;
        };
        before
            .iter()
            .filter(|(other, _)| *other != region && !queried.contains_key(*other))
            .map(|(_, other)| Self::earlier(failing, failed, other))
            .fold(evidence, Self::or)
    }

    /// Evidence of a region's error about the network and the credentials.
    pub fn of_error(code: ErrorCode) -> Self {
        match code {
            ErrorCode::AccessDenied
            | ErrorCode::DeniedByPolicy
            | ErrorCode::Throttled
            | ErrorCode::InvalidRequest => Self {
                grant_actions: false,
                ..Self::ANSWER
            },
            ErrorCode::EndlessPagination
            | ErrorCode::ShrinkHeld
            | ErrorCode::PayloadTooLarge
            | ErrorCode::TargetConflict
            | ErrorCode::WriteFailed
            | ErrorCode::WriteConflict => Self::ANSWER,
            ErrorCode::RegionDisabled | ErrorCode::InvalidCredentials | ErrorCode::ServiceError => {
                Self {
                    resolve: true,
                    ..Self::NONE
                }
            }
            ErrorCode::RoleNotAllowed
            | ErrorCode::NameNotResolved
            | ErrorCode::Unreachable
            | ErrorCode::Timeout
            | ErrorCode::MalformedAnswer
            | ErrorCode::AnswerTooLarge
            | ErrorCode::RegionsUnavailable
            | ErrorCode::InvalidSpec
            | ErrorCode::NotInSpec
            | ErrorCode::Unknown => Self::NONE,
        }
    }

    /// Evidence of a region that is not queried now. An earlier response proves nothing about the
    /// network and the credentials now, unless the failing region had failed in the same way before
    /// that response, or was concluded to be absent then.
    fn earlier(failing: &RegionStatus, failed: ErrorCode, other: &RegionStatus) -> Self {
        let answers = matches!(other.state, RegionState::Fresh | RegionState::Empty);
        let failed_before = failing.error.as_ref().map(|error| error.code);
        let (failed_alike, is_concluded) = match failed {
            ErrorCode::NameNotResolved => (
                failed_before == Some(ErrorCode::NameNotResolved),
                failing.state == RegionState::Unsupported,
            ),
            // The service has one error code for both; the recorded code is the conclusion.
            ErrorCode::RegionDisabled => (
                failed_before == Some(ErrorCode::InvalidCredentials),
                failed_before == Some(ErrorCode::RegionDisabled),
            ),
            ErrorCode::AccessDenied | ErrorCode::DeniedByPolicy => (
                matches!(
                    failed_before,
                    Some(ErrorCode::AccessDenied | ErrorCode::DeniedByPolicy)
                ),
                failing.state == RegionState::Denied,
            ),
            // Other codes need no evidence.
            _ => (false, false),
        };
        let answered = other.last_success_time.as_ref().map(|time| time.0);
        let since = answered > failing.last_attempt_time.as_ref().map(|time| time.0);
        if answers && (is_concluded || failed_alike && since) {
            Self::ANSWER
        } else {
            Self::NONE
        }
    }

    /// Combined evidence.
    fn or(self, other: Self) -> Self {
        Self {
            resolve: self.resolve || other.resolve,
            accept_credentials: self.accept_credentials || other.accept_credentials,
            grant_actions: self.grant_actions || other.grant_actions,
        }
    }
}

#[cfg(test)]
mod tests;

//! What the other regions tell about one that fails: a region that is not there from a network that
//! is not there, a region that is not enabled from credentials that nobody accepts.

use std::collections::BTreeMap;

use crate::api::{ErrorCode, RegionState, RegionStatus};

/// What is known of the other regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerEvidence {
    /// The name of another region's endpoint resolves.
    pub resolve: bool,
    /// Another region accepts the credentials.
    pub accept_credentials: bool,
}

impl PeerEvidence {
    /// Nothing is known of them.
    pub const NONE: Self = Self {
        resolve: false,
        accept_credentials: false,
    };
    /// One of them answered.
    pub const ANSWER: Self = Self {
        resolve: true,
        accept_credentials: true,
    };

    /// What is known of the others of one region that failed so. `asked` is what all regions came to
    /// that were asked together, this one too; `before` is what is known of regions from earlier.
    pub fn of(
        region: &str,
        failed: ErrorCode,
        asked: &BTreeMap<String, Result<(), ErrorCode>>,
        before: &BTreeMap<String, RegionStatus>,
    ) -> Self {
        let told = asked
            .iter()
            .filter(|(other, _)| *other != region)
            .map(|(_, error_codes)| match error_codes {
                Ok(()) => Self::ANSWER,
                Err(code) => Self::of_error(*code),
            })
            .fold(Self::NONE, Self::or);
        let Some(failing) = before.get(region) else {
            return told;
        };
        before
            .iter()
            .filter(|(other, _)| *other != region && !asked.contains_key(*other))
            .map(|(_, other)| Self::earlier(failing, failed, other))
            .fold(told, Self::or)
    }

    /// What a region's error tells about the network and the credentials.
    pub fn of_error(code: ErrorCode) -> Self {
        match code {
            ErrorCode::AccessDenied
            | ErrorCode::Throttled
            | ErrorCode::InvalidRequest
            | ErrorCode::EndlessPagination
            | ErrorCode::ShrinkHeld
            | ErrorCode::PayloadTooLarge
            | ErrorCode::TargetConflict
            | ErrorCode::WriteFailed => Self::ANSWER,
            ErrorCode::RegionDisabled | ErrorCode::InvalidCredentials | ErrorCode::ServiceError => {
                Self {
                    resolve: true,
                    accept_credentials: false,
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
            | ErrorCode::Unknown => Self::NONE,
        }
    }

    /// What a region tells that is not asked now. That it answered once is no sign that network and
    /// credentials are well now; it is, if the failing region had failed in the same way before
    /// that answer, or was found out then.
    fn earlier(failing: &RegionStatus, failed: ErrorCode, other: &RegionStatus) -> Self {
        let answers = matches!(other.state, RegionState::Fresh | RegionState::Empty);
        let failed_before = failing.error.as_ref().map(|error| error.code);
        let (failed_so, found_out) = match failed {
            ErrorCode::NameNotResolved => (
                failed_before == Some(ErrorCode::NameNotResolved),
                failing.state == RegionState::Unsupported,
            ),
            // The service says one word for both; which it was, was concluded.
            ErrorCode::RegionDisabled => (
                failed_before == Some(ErrorCode::InvalidCredentials),
                failed_before == Some(ErrorCode::RegionDisabled),
            ),
            // Nothing depends on the others.
            _ => (false, false),
        };
        let answered = other.last_success_time.as_ref().map(|time| time.0);
        let since = answered > failing.last_attempt_time.as_ref().map(|time| time.0);
        if answers && (found_out || failed_so && since) {
            Self::ANSWER
        } else {
            Self::NONE
        }
    }

    /// What both tell together.
    fn or(self, other: Self) -> Self {
        Self {
            resolve: self.resolve || other.resolve,
            accept_credentials: self.accept_credentials || other.accept_credentials,
        }
    }
}

#[cfg(test)]
mod tests;

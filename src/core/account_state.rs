//! What an answer of the account makes of the regions looked after.

use jiff::Timestamp;

use super::region_state::{error, stamp};
use crate::api::{AccountRegionsStatus, AttemptError, ErrorCode};

/// The regions to look after, and what the status says of the account.
///
/// Where the account does not tell, the regions known are kept; so they are where it suddenly tells
/// less than half of them, until it does so again: a region that is gone from the list loses its
/// `ConfigMap`.
pub fn answered(
    before: Option<&AccountRegionsStatus>,
    known: Vec<String>,
    answer: Result<Vec<String>, AttemptError>,
    guard_shrinking: bool,
    now: Timestamp,
) -> (Vec<String>, AccountRegionsStatus) {
    let held_before = before
        .and_then(|before| before.error.as_ref())
        .is_some_and(|error| error.code == ErrorCode::ShrinkHeld);
    let believed = answer.and_then(|regions| {
        if guard_shrinking && !held_before && regions.len() * 2 < known.len() {
            return Err(shrunk(regions.len(), known.len()));
        }
        Ok(regions)
    });
    let failures = before.map_or(0, |before| before.consecutive_failures.max(0));
    let (regions, consecutive_failures, error) = match believed {
        Ok(regions) => (regions, 0, None),
        Err(error) => (known, failures.saturating_add(1), Some(error)),
    };
    let status = AccountRegionsStatus {
        last_attempt_time: Some(stamp(now)),
        consecutive_failures,
        error,
    };
    (regions, status)
}

fn shrunk(regions: usize, known: usize) -> AttemptError {
    let message = format!(
        "account:ListRegions: the account has {regions} enabled regions, before it had {known}: the others go once the next attempt confirms it; to take it now, force a refresh (annotation bedrock.modelmap.dev/requestedAt)"
    );
    error(ErrorCode::ShrinkHeld, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn regions(n: usize) -> Vec<String> {
        (1..=n).map(|n| format!("us-east-{n}")).collect()
    }

    fn failed_with(code: ErrorCode) -> AccountRegionsStatus {
        AccountRegionsStatus {
            last_attempt_time: None,
            consecutive_failures: 2,
            error: Some(error(code, "why")),
        }
    }

    #[test]
    fn what_the_account_answers() {
        let denied = || Err(error(ErrorCode::AccessDenied, "denied"));
        let (held, denied_before) = (
            failed_with(ErrorCode::ShrinkHeld),
            failed_with(ErrorCode::AccessDenied),
        );
        // (case, before, known, answer, guard, regions, failures, code)
        let cases = [
            ("first", None, 0, Ok(regions(4)), true, 4, 0, None),
            ("same", None, 4, Ok(regions(4)), true, 4, 0, None),
            ("grown", None, 4, Ok(regions(9)), true, 9, 0, None),
            ("half", None, 4, Ok(regions(2)), true, 2, 0, None),
            (
                "less than half",
                None,
                4,
                Ok(regions(1)),
                true,
                4,
                1,
                Some(ErrorCode::ShrinkHeld),
            ),
            (
                "confirmed",
                Some(&held),
                4,
                Ok(regions(1)),
                true,
                1,
                0,
                None,
            ),
            (
                "on another spec",
                None,
                4,
                Ok(regions(1)),
                false,
                1,
                0,
                None,
            ),
            (
                "denied",
                None,
                4,
                denied(),
                true,
                4,
                1,
                Some(ErrorCode::AccessDenied),
            ),
            (
                "denied again",
                Some(&denied_before),
                4,
                denied(),
                true,
                4,
                3,
                Some(ErrorCode::AccessDenied),
            ),
            (
                "recovered",
                Some(&denied_before),
                4,
                Ok(regions(4)),
                true,
                4,
                0,
                None,
            ),
        ];
        for (case, before, known, answer, guard, expected, failures, code) in cases {
            let (kept, status) = answered(before, regions(known), answer, guard, NOW);
            assert_eq!(kept, regions(expected), "{case}");
            assert_eq!(status.consecutive_failures, failures, "{case}");
            assert_eq!(status.error.map(|e| e.code), code, "{case}");
        }
    }
}

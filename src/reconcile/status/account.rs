//! What an answer of the account makes of the regions looked after.

use crate::api::{AccountRegionsStatus, AttemptError, ErrorCode};
use crate::reconcile::status::region::{QueryContext, fingerprint, to_k8s_time};

/// The regions to look after, and what the status says of the account.
///
/// Where the account does not tell, the regions known are kept; so they are where it suddenly tells
/// less than half of them, until it does so again: a region that is gone from the list loses its
/// `ConfigMap`.
pub fn answered(
    before: Option<&AccountRegionsStatus>,
    known: Vec<String>,
    answer: Result<Vec<String>, AttemptError>,
    asked: QueryContext,
) -> (Vec<String>, AccountRegionsStatus) {
    let before = before.cloned().unwrap_or_default();
    let guards = asked.guards(before.observed_generation);
    let (error, held_answer) = match answer {
        Ok(regions) => {
            let fingerprint = fingerprint(regions.iter().map(String::as_str));
            let confirmed = before.held_answer.as_ref() == Some(&fingerprint);
            if !guards || confirmed || regions.len() * 2 >= known.len() {
                let status = AccountRegionsStatus {
                    last_attempt_time: Some(to_k8s_time(asked.at)),
                    consecutive_failures: 0,
                    error: None,
                    observed_generation: asked.generation,
                    held_answer: None,
                };
                return (regions, status);
            }
            (shrunk(regions.len(), known.len()), Some(fingerprint))
        }
        Err(error) => (error, before.held_answer),
    };
    let status = AccountRegionsStatus {
        last_attempt_time: Some(to_k8s_time(asked.at)),
        consecutive_failures: before.consecutive_failures.max(0).saturating_add(1),
        error: Some(error),
        observed_generation: before.observed_generation,
        held_answer,
    };
    (known, status)
}

fn shrunk(regions: usize, known: usize) -> AttemptError {
    let message = format!(
        "account:ListRegions: the account has {regions} enabled regions, before it had {known}: the others go once the next attempt confirms it; to take it now, force a refresh (annotation bedrock.modelmap.dev/requestedAt)"
    );
    AttemptError::new(ErrorCode::ShrinkHeld, message)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn regions(n: usize) -> Vec<String> {
        (1..=n).map(|n| format!("us-east-{n}")).collect()
    }

    fn known(failures: i64, held: Option<&[String]>) -> AccountRegionsStatus {
        AccountRegionsStatus {
            last_attempt_time: None,
            consecutive_failures: failures,
            error: (failures > 0).then(|| AttemptError::new(ErrorCode::AccessDenied, "why")),
            observed_generation: Some(1),
            held_answer: held.map(|held| fingerprint(held.iter().map(String::as_str))),
        }
    }

    #[test]
    fn what_the_account_answers() {
        let denied = || Err(AttemptError::new(ErrorCode::AccessDenied, "denied"));
        let held = |n| known(2, Some(&regions(n)));
        let (told, denied_before) = (known(0, None), known(2, None));
        let never = AccountRegionsStatus {
            observed_generation: None,
            ..known(2, None)
        };
        // (case, before, known, answer, guard, regions, failures, code)
        let (no_code, shrink) = (None, Some(ErrorCode::ShrinkHeld));
        let no_access = Some(ErrorCode::AccessDenied);
        let cases = [
            ("first", None, 0, Ok(4), true, 4, 0, no_code),
            ("same", Some(told.clone()), 4, Ok(4), true, 4, 0, no_code),
            ("grown", Some(told.clone()), 4, Ok(9), true, 9, 0, no_code),
            ("half", Some(told.clone()), 4, Ok(2), true, 2, 0, no_code),
            ("less", Some(told.clone()), 4, Ok(1), true, 4, 1, shrink),
            ("confirmed", Some(held(1)), 4, Ok(1), true, 1, 0, no_code),
            ("others", Some(held(0)), 4, Ok(1), true, 4, 3, shrink),
            ("forced", Some(told.clone()), 4, Ok(1), false, 1, 0, no_code),
            ("never told", Some(never), 4, Ok(1), true, 1, 0, no_code),
            ("denied", Some(told), 4, denied(), true, 4, 1, no_access),
            (
                "denied again",
                Some(denied_before.clone()),
                4,
                denied(),
                true,
                4,
                3,
                no_access,
            ),
            (
                "recovered",
                Some(denied_before),
                4,
                Ok(4),
                true,
                4,
                0,
                no_code,
            ),
        ];
        for (case, before, known, answer, guard_shrinking, expected, failures, code) in cases {
            let asked = QueryContext {
                generation: Some(1),
                guard_shrinking,
                at: Timestamp::UNIX_EPOCH,
            };
            let answer = answer.map(regions);
            let (kept, status) = answered(before.as_ref(), regions(known), answer, asked);
            assert_eq!(kept, regions(expected), "{case}");
            assert_eq!(status.consecutive_failures, failures, "{case}");
            assert_eq!(status.error.map(|e| e.code), code, "{case}");
        }
    }

    #[test]
    fn a_held_list_is_confirmed_also_after_a_failure_in_between() {
        let asked = QueryContext {
            generation: Some(1),
            guard_shrinking: true,
            at: Timestamp::UNIX_EPOCH,
        };
        let held = known(1, Some(&regions(1)));
        let denied = Err(AttemptError::new(ErrorCode::AccessDenied, "denied"));
        let (kept, failed) = answered(Some(&held), regions(4), denied, asked);
        assert_eq!(kept, regions(4));
        let (taken, _) = answered(Some(&failed), kept, Ok(regions(1)), asked);
        assert_eq!(taken, regions(1));
    }
}

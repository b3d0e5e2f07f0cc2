//! The regions in scope after a query of the account's regions.

use crate::api::{AccountRegionsStatus, AttemptError, ErrorCode};
use crate::reconcile::status::region::{QueryContext, fingerprint, to_k8s_time};

/// The regions in scope, and the account's status.
///
/// The known regions stay in scope if the query fails, and if it returns less than half of them until
/// a second response confirms it: a region that leaves the list loses its `ConfigMap`.
pub fn after_query(
    before: Option<&AccountRegionsStatus>,
    known: Vec<String>,
    answer: Result<Vec<String>, AttemptError>,
    query: QueryContext,
) -> (Vec<String>, AccountRegionsStatus) {
    let before = before.cloned().unwrap_or_default();
    let guards = query.guards(before.observed_generation);
    let (error, held_answer) = match answer {
        Ok(regions) => {
            let fingerprint = fingerprint(regions.iter().map(String::as_str));
            let confirmed = before.held_answer.as_ref() == Some(&fingerprint);
            if !guards || confirmed || regions.len() * 2 >= known.len() {
                let status = AccountRegionsStatus {
                    last_attempt_time: Some(to_k8s_time(query.at)),
                    consecutive_failures: 0,
                    error: None,
                    observed_generation: query.generation,
                    held_answer: None,
                };
                return (regions, status);
            }
            (shrunk(regions.len(), known.len()), Some(fingerprint))
        }
        Err(error) => (error, before.held_answer),
    };
    let status = AccountRegionsStatus {
        last_attempt_time: Some(to_k8s_time(query.at)),
        consecutive_failures: before.consecutive_failures.max(0).saturating_add(1),
        error: Some(error),
        observed_generation: before.observed_generation,
        held_answer,
    };
    (known, status)
}

fn shrunk(regions: usize, known: usize) -> AttemptError {
    let message = format!(
        "account:ListRegions returned {regions} enabled regions, previously {known}; the other regions stay published until the next attempt confirms the drop; to accept it now, force a refresh (annotation bedrock.modelmap.dev/requestedAt)"
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
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn account_response_to_regions_and_status() {
        let denied = || Err(AttemptError::new(ErrorCode::AccessDenied, "denied"));
        let held = |n| known(2, Some(&regions(n)));
        let (known_before, denied_before) = (known(0, None), known(2, None));
        let never = AccountRegionsStatus {
            observed_generation: None,
            ..known(2, None)
        };
        // (case, before, known, answer, guard, regions, failures, code)
        let (no_code, shrink) = (None, Some(ErrorCode::ShrinkHeld));
        let no_access = Some(ErrorCode::AccessDenied);
        let cases = [
            ("first", None, 0, Ok(4), true, 4, 0, no_code),
            (
                "same",
                Some(known_before.clone()),
                4,
                Ok(4),
                true,
                4,
                0,
                no_code,
            ),
            (
                "grown",
                Some(known_before.clone()),
                4,
                Ok(9),
                true,
                9,
                0,
                no_code,
            ),
            (
                "half",
                Some(known_before.clone()),
                4,
                Ok(2),
                true,
                2,
                0,
                no_code,
            ),
            (
                "less",
                Some(known_before.clone()),
                4,
                Ok(1),
                true,
                4,
                1,
                shrink,
            ),
            ("confirmed", Some(held(1)), 4, Ok(1), true, 1, 0, no_code),
            ("others", Some(held(0)), 4, Ok(1), true, 4, 3, shrink),
            (
                "forced",
                Some(known_before.clone()),
                4,
                Ok(1),
                false,
                1,
                0,
                no_code,
            ),
            ("never listed", Some(never), 4, Ok(1), true, 1, 0, no_code),
            (
                "denied",
                Some(known_before),
                4,
                denied(),
                true,
                4,
                1,
                no_access,
            ),
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
            let query = QueryContext {
                generation: Some(1),
                guard_shrinking,
                at: Timestamp::UNIX_EPOCH,
            };
            let answer = answer.map(regions);
            let (kept, status) = after_query(before.as_ref(), regions(known), answer, query);
            assert_eq!(kept, regions(expected), "{case}");
            assert_eq!(status.consecutive_failures, failures, "{case}");
            assert_eq!(status.error.map(|e| e.code), code, "{case}");
        }
    }

    #[test]
    fn held_list_is_confirmed_across_failure() {
        let query = QueryContext {
            generation: Some(1),
            guard_shrinking: true,
            at: Timestamp::UNIX_EPOCH,
        };
        let held = known(1, Some(&regions(1)));
        let denied = Err(AttemptError::new(ErrorCode::AccessDenied, "denied"));
        let (kept, failed) = after_query(Some(&held), regions(4), denied, query);
        assert_eq!(kept, regions(4));
        let (taken, _) = after_query(Some(&failed), kept, Ok(regions(1)), query);
        assert_eq!(taken, regions(1));
    }
}

//! The regions in scope after a query of the account's regions.

use crate::api::{AccountRegionsStatus, AttemptError, ErrorCode};
use crate::bedrock::glob::Glob;
use crate::reconcile::status::region::{QueryContext, to_k8s_time};
use crate::reconcile::status::shrink::{advice, fingerprint};
use crate::text::Listed;

/// The regions in scope, and the account's status.
///
/// The known regions stay in scope if the query fails, and if any of them left the list until a
/// second response confirms it: a region that leaves the list loses its `ConfigMap`.
pub fn after_query(
    before: Option<&AccountRegionsStatus>,
    mut known: Vec<String>,
    answer: Result<Vec<String>, AttemptError>,
    query: QueryContext,
) -> (Vec<String>, AccountRegionsStatus) {
    let before = before.cloned().unwrap_or_default();
    let guards = query.guard_shrinking && before.observed_generation.is_some();
    let (error, held_answer) = match answer {
        Ok(regions) => {
            let fingerprint = fingerprint(regions.iter().cloned());
            let confirmed = before.held_answer.as_ref() == Some(&fingerprint);
            let lost: Vec<_> = known
                .iter()
                .filter(|r| !regions.contains(r))
                .cloned()
                .collect();
            if !guards || confirmed || lost.is_empty() {
                let status = AccountRegionsStatus {
                    last_attempt_time: Some(to_k8s_time(query.at)),
                    consecutive_failures: 0,
                    error: None,
                    observed_generation: query.generation,
                    held_answer: None,
                    unmatched_excludes: Vec::new(),
                };
                return (regions, status);
            }
            known.extend(regions);
            known.sort();
            known.dedup();
            (shrunk(&lost), Some(fingerprint))
        }
        Err(error) => (error, before.held_answer),
    };
    let status = AccountRegionsStatus {
        last_attempt_time: Some(to_k8s_time(query.at)),
        consecutive_failures: before.consecutive_failures.max(0).saturating_add(1),
        error: Some(error),
        observed_generation: before.observed_generation,
        held_answer,
        unmatched_excludes: before.unmatched_excludes,
    };
    (known, status)
}

/// The globs that match none of the regions: most likely misspelled.
pub fn unmatched_globs(globs: &[String], regions: &[String]) -> Vec<String> {
    let is_unmatched = |glob: &&String| {
        let glob = Glob::new(glob);
        !regions.iter().any(|region| glob.is_match(region))
    };
    globs.iter().filter(is_unmatched).cloned().collect()
}

/// Regions named in the message.
const NAMED_IN_MESSAGE: usize = 5;

fn shrunk(lost: &[String]) -> AttemptError {
    let names = Listed {
        names: lost,
        max: NAMED_IN_MESSAGE,
    };
    let message = format!(
        "account:ListRegions does not return {names} any more; {}",
        advice("these regions stay")
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

    #[test]
    fn globs_without_a_region_are_named() {
        let globs = ["us-*", "app-*", "us-east-2", "*-east-?", ""].map(str::to_owned);
        assert_eq!(unmatched_globs(&globs, &regions(3)), ["app-*", ""]);
        assert_eq!(unmatched_globs(&globs, &[]).len(), globs.len());
        assert!(unmatched_globs(&[], &regions(3)).is_empty());
    }

    fn known(failures: i64, held: Option<&[String]>) -> AccountRegionsStatus {
        AccountRegionsStatus {
            last_attempt_time: None,
            consecutive_failures: failures,
            error: (failures > 0).then(|| AttemptError::new(ErrorCode::AccessDenied, "why")),
            observed_generation: Some(1),
            held_answer: held.map(|held| fingerprint(held.iter().cloned())),
            unmatched_excludes: Vec::new(),
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
                "one lost",
                Some(known_before.clone()),
                4,
                Ok(3),
                true,
                4,
                1,
                shrink,
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
    fn new_regions_do_not_wait_for_lost_ones() {
        let query = QueryContext {
            generation: Some(1),
            guard_shrinking: true,
            at: Timestamp::UNIX_EPOCH,
        };
        let answer = ["us-east-2", "us-east-3"].map(str::to_owned).to_vec();
        let (kept, status) = after_query(Some(&known(0, None)), regions(2), Ok(answer), query);
        assert_eq!(kept, regions(3));
        let message = status.error.unwrap().message;
        let lost = "account:ListRegions does not return us-east-1 any more; these regions stay";
        assert!(message.starts_with(lost), "{message}");
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

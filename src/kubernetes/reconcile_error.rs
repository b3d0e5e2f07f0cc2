//! The error of a reconciliation.

use std::time::Duration;

use super::request::CallError;
use crate::api::BedrockModelMapSpec;
use crate::reconcile::schedule::backoff;
use crate::reconcile::validate::refresh_interval;

/// The wait after the first failure; it doubles with each further one.
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait.
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// The longest wait after a rejected request, if the refresh interval is not shorter.
const MAX_REJECTED_BACKOFF: Duration = Duration::from_hours(1);

/// Failed reconciliation of a resource.
#[derive(Debug, thiserror::Error)]
#[error("BedrockModelMap {namespace}/{name}: {source}; retrying")]
pub(super) struct ReconcileError {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) source: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error(transparent)]
    Call(CallError),
    #[error("internal error: the reconciliation panicked: {0}; please report it")]
    Panic(String),
}

impl ReconcileError {
    /// The wait until the next attempt after so many failures. A request that the API server rejects is
    /// rejected again until a user changes something, and each attempt may query AWS: so this wait
    /// grows as far as the time between two refreshes.
    pub(super) fn backoff(&self, failures: u32, spec: &BedrockModelMapSpec) -> Duration {
        let longest = if self.is_rejected() {
            let interval = refresh_interval(spec).unwrap_or(MAX_REJECTED_BACKOFF);
            interval.clamp(MAX_BACKOFF, MAX_REJECTED_BACKOFF)
        } else {
            MAX_BACKOFF
        };
        backoff(MIN_BACKOFF, failures, longest)
    }

    fn is_rejected(&self) -> bool {
        match &self.source {
            Cause::Call(error) => error.is_rejected(),
            Cause::Panic(_) => false,
        }
    }

    /// The error of a resource whose reconciliation panicked.
    pub(super) fn from_panic(namespace: String, name: String, message: String) -> Self {
        Self {
            namespace,
            name,
            source: Cause::Panic(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::json;

    use super::*;

    fn answered(code: u16) -> ReconcileError {
        let status = Status::failure("no", "Reason").with_code(code);
        ReconcileError {
            namespace: "team-a".to_owned(),
            name: "claude".to_owned(),
            source: Cause::Call(CallError::Api {
                what: "writing the status".to_owned(),
                source: Box::new(kube::Error::Api(status.boxed())),
            }),
        }
    }

    #[test]
    fn rejected_requests_wait_up_to_the_refresh_interval() {
        let hourly = json!({"refreshInterval": "1h"});
        let minutes = Duration::from_mins;
        let cases = [
            (422, 1, &hourly, Duration::from_secs(1)),
            (422, 4, &hourly, Duration::from_secs(8)),
            (422, 100, &hourly, minutes(60)),
            (403, 100, &json!({"refreshInterval": "5m"}), minutes(5)),
            (413, 100, &json!({"refreshInterval": "24h"}), minutes(60)),
            (400, 100, &json!({"refreshInterval": "soon"}), minutes(60)),
            (500, 100, &hourly, minutes(1)),
            (409, 100, &hourly, minutes(1)),
            (429, 100, &hourly, minutes(1)),
        ];
        for (code, failures, spec, expected) in cases {
            let parsed: BedrockModelMapSpec = serde_json::from_value(spec.clone()).unwrap();
            let wait = answered(code).backoff(failures, &parsed);
            assert_eq!(wait, expected, "{code} {failures} {spec}");
        }
        let panicked = ReconcileError::from_panic("a".into(), "b".into(), "c".into());
        let parsed = serde_json::from_value(hourly).unwrap();
        assert_eq!(panicked.backoff(100, &parsed), minutes(1));
    }
}

//! Conditions before they have a time.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::reconcile::status::region::to_k8s_time;

/// A condition before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCondition {
    pub kind: &'static str,
    pub status: &'static str,
    pub reason: String,
    pub message: String,
}

impl NewCondition {
    /// A condition of that type.
    pub fn new(
        kind: &'static str,
        status: &'static str,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    fn since(self, last_transition_time: Time, generation: Option<i64>) -> Condition {
        Condition {
            type_: self.kind.to_owned(),
            status: self.status.to_owned(),
            reason: self.reason,
            message: self.message,
            observed_generation: generation,
            last_transition_time,
        }
    }
}

/// The conditions with their times: a status that was the same before keeps the time since which it is.
pub fn timed(
    findings: impl Iterator<Item = NewCondition>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    findings
        .map(|finding| {
            let unchanged = before
                .iter()
                .find(|c| c.type_ == finding.kind && c.status == finding.status);
            let since =
                unchanged.map_or_else(|| to_k8s_time(now), |c| c.last_transition_time.clone());
            finding.since(since, generation)
        })
        .collect()
}

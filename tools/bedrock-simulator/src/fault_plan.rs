use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fault::{Fault, FaultRule};
use crate::operation::Operation;

/// The faults that strike requests from now on. They are kept in order and can be changed at any time.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<FaultRule>>);

impl Faults {
    /// One more fault, after those that are there.
    pub fn add(&self, rule: impl Into<FaultRule>) {
        self.lock().push(rule.into());
    }

    /// These faults and no others.
    pub fn set(&self, rules: Vec<FaultRule>) {
        *self.lock() = rules;
    }

    /// No fault any more. A request that hangs already goes on hanging.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The faults of one request, each counted as having struck once. At most one of them takes the place of the whole
    /// answer: a second one waits for a later request.
    pub(crate) fn strike(&self, region: &str, operation: Operation) -> Vec<Fault> {
        let mut rules = self.lock();
        let mut struck: Vec<Fault> = Vec::new();
        for rule in rules
            .iter_mut()
            .filter(|rule| rule.matches(region, operation))
        {
            if !(rule.fault().replaces_answer() && struck.iter().any(Fault::replaces_answer)) {
                struck.push(rule.spend());
            }
        }
        rules.retain(|rule| !rule.is_spent());
        struck
    }

    fn lock(&self) -> MutexGuard<'_, Vec<FaultRule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation::{ListFoundationModels, ListInferenceProfiles};

    #[test]
    fn rule_applies_to_named_requests_only() {
        let faults = Faults::default();
        let rule = FaultRule::new(Fault::Hang);
        faults.add(rule.region("us-east-1").operation(ListFoundationModels));
        assert_eq!(
            faults.strike("us-east-1", ListFoundationModels),
            [Fault::Hang]
        );
        assert_eq!(faults.strike("us-east-2", ListFoundationModels), []);
        assert_eq!(faults.strike("us-east-1", ListInferenceProfiles), []);
    }

    #[test]
    fn replacing_faults_apply_one_after_the_other() {
        let faults = Faults::default();
        let latency = Fault::Shrink { keep: 1 };
        faults.add(FaultRule::new(Fault::AccessDenied).times(1));
        faults.add(latency.clone());
        faults.add(FaultRule::new(Fault::InternalServerError).times(1));
        let next = || faults.strike("us-east-1", ListFoundationModels);
        assert_eq!(next(), [Fault::AccessDenied, latency.clone()]);
        assert_eq!(next(), [latency.clone(), Fault::InternalServerError]);
        assert_eq!(next(), [latency]);
        faults.clear();
        assert_eq!(next(), []);
    }
}

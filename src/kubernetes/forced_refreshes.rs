//! The forced refreshes that have begun, as far as they delay further ones.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::reconcile::pace::{NAMESPACE_PACE, Pace, RESOURCE_PACE};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Payer {
    Resource(String),
    Namespace(String),
}

impl Payer {
    fn pace(&self) -> Pace {
        match self {
            Self::Resource(_) => RESOURCE_PACE,
            Self::Namespace(_) => NAMESPACE_PACE,
        }
    }
}

/// Forced refreshes by resource and by namespace. A restart forgets them.
#[derive(Debug, Default)]
pub(super) struct ForcedRefreshes(Mutex<HashMap<Payer, Timestamp>>);

impl ForcedRefreshes {
    /// Time from which a forced refresh of this resource may begin.
    pub(super) fn may_begin_at(&self, namespace: &str, uid: &str, now: Timestamp) -> Timestamp {
        let paid = self.0.lock();
        payers(namespace, uid)
            .iter()
            .map(|payer| payer.pace().may_begin_at(paid.get(payer).copied(), now))
            .fold(now, Timestamp::max)
    }

    /// Records a forced refresh of this resource.
    pub(super) fn begin(&self, namespace: &str, uid: &str, now: Timestamp) {
        let mut paid = self.0.lock();
        paid.retain(|_, until| *until > now);
        for payer in payers(namespace, uid) {
            let until = payer.pace().begin(paid.get(&payer).copied(), now);
            paid.insert(payer, until);
        }
    }
}

fn payers(namespace: &str, uid: &str) -> [Payer; 2] {
    [
        Payer::Resource(uid.to_owned()),
        Payer::Namespace(namespace.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn namespace_that_forces_many_refreshes_delays_no_other() {
        let refreshes = ForcedRefreshes::default();
        let now = Timestamp::UNIX_EPOCH;
        for number in 0..100 {
            refreshes.begin("greedy", &format!("uid-{number}"), now);
        }
        let greedy = refreshes.may_begin_at("greedy", "uid", now);
        assert_eq!(greedy, now + SignedDuration::from_secs(2));
        assert_eq!(refreshes.may_begin_at("modest", "uid", now), now);
        let second = refreshes.may_begin_at("modest", "uid-1", now);
        assert_eq!(second, now + SignedDuration::from_secs(10));
    }

    #[test]
    fn refreshes_of_the_past_are_forgotten() {
        let refreshes = ForcedRefreshes::default();
        let mut now = Timestamp::UNIX_EPOCH;
        for number in 0..100 {
            refreshes.begin(&format!("team-{number}"), &format!("uid-{number}"), now);
            now += SignedDuration::from_mins(1);
        }
        assert_eq!(refreshes.0.lock().len(), 2);
    }
}

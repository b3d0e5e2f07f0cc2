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
pub(super) struct ForcedRefreshes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Time until which each pace is paid for.
    paid: HashMap<Payer, Timestamp>,
    /// The requests that have not begun, by the UID of their resource.
    pending: HashMap<String, Pending>,
}

#[derive(Debug)]
struct Pending {
    token: String,
    known_since: Timestamp,
}

impl ForcedRefreshes {
    /// Time at which this was first called for the token, which is pending for this resource.
    pub(super) fn known_since(&self, uid: &str, token: &str, now: Timestamp) -> Timestamp {
        let pending = &mut self.0.lock().pending;
        match pending.get(uid) {
            Some(pending) if pending.token == token => pending.known_since,
            Some(_) | None => {
                let request = Pending {
                    token: token.to_owned(),
                    known_since: now,
                };
                pending.insert(uid.to_owned(), request);
                now
            }
        }
    }

    /// Time from which a forced refresh of this resource may begin.
    pub(super) fn may_begin_at(&self, namespace: &str, uid: &str, now: Timestamp) -> Timestamp {
        let paid = &self.0.lock().paid;
        payers(namespace, uid)
            .iter()
            .map(|payer| payer.pace().may_begin_at(paid.get(payer).copied(), now))
            .fold(now, Timestamp::max)
    }

    /// Records a forced refresh of this resource. Its request is not pending any more: an attempt after
    /// a failed one is a new one.
    pub(super) fn begin(&self, namespace: &str, uid: &str, now: Timestamp) {
        let State { paid, pending } = &mut *self.0.lock();
        pending.remove(uid);
        paid.retain(|_, until| *until > now);
        for payer in payers(namespace, uid) {
            let until = payer.pace().begin(paid.get(&payer).copied(), now);
            paid.insert(payer, until);
        }
    }

    /// Forgets the requests of all other resources.
    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.0.lock().pending.retain(|uid, _| exists(uid));
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
        assert_eq!(refreshes.0.lock().paid.len(), 2);
    }

    #[test]
    fn request_is_known_since_it_was_first_seen_until_it_begins() {
        let refreshes = ForcedRefreshes::default();
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        assert_eq!(refreshes.known_since("uid", "a", at(1)), at(1));
        assert_eq!(refreshes.known_since("other", "a", at(2)), at(2));
        assert_eq!(refreshes.known_since("uid", "a", at(3)), at(1));
        assert_eq!(refreshes.known_since("uid", "b", at(4)), at(4));
        refreshes.begin("team", "uid", at(5));
        assert_eq!(refreshes.known_since("uid", "b", at(6)), at(6));
        refreshes.retain(|uid| uid == "uid");
        assert_eq!(refreshes.known_since("other", "a", at(7)), at(7));
        assert_eq!(refreshes.known_since("uid", "b", at(8)), at(6));
    }
}

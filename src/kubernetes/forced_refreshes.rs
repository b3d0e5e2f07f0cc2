//! The forced refreshes that have begun, as far as they delay further ones.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt as _;
use parking_lot::Mutex;

use crate::api::BedrockModelMap;
use crate::reconcile::pace::{NAMESPACE_PACE, Pace, RESOURCE_PACE};
use crate::reconcile::plan::pending_token;
use crate::reconcile::schedule::before;

/// A request that is older has not only waited for its turn: its resource was suspended or refused, and its
/// user expects new data.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

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
    /// The requests that the watch shows and that have not begun, by the UID of their resource.
    pending: HashMap<String, Pending>,
}

#[derive(Debug)]
struct Pending {
    token: String,
    known_since: Timestamp,
}

impl ForcedRefreshes {
    /// Follows the watch: a request is known once it is shown, however long its resource then waits for
    /// its turn.
    pub(super) fn follow(&self, watched: &BedrockModelMap, now: Timestamp) {
        let uid = watched.uid().unwrap_or_default();
        let pending = &mut self.0.lock().pending;
        let Some(token) = pending_token(watched) else {
            pending.remove(&uid);
            return;
        };
        if pending.get(&uid).is_none_or(|known| known.token != token) {
            let request = Pending {
                token: token.into_owned(),
                known_since: now,
            };
            pending.insert(uid, request);
        }
    }

    /// Time at which the watch first showed this token of the resource, or [`LONGEST_WAIT`] ago if that is later.
    /// Now: the watch has not shown it, or a refresh began since.
    pub(super) fn known_since(&self, uid: &str, token: &str, now: Timestamp) -> Timestamp {
        let pending = &self.0.lock().pending;
        let known = pending.get(uid).filter(|known| known.token == token);
        known.map_or(now, |known| {
            known.known_since.max(before(now, LONGEST_WAIT))
        })
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
    use crate::api::ANNOTATION_REQUESTED_AT;

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

    fn requested(uid: &str, token: &str, handled: Option<&str>) -> BedrockModelMap {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": uid, "uid": uid, "annotations": {ANNOTATION_REQUESTED_AT: token}},
            "spec": {},
            "status": {"lastHandledRefreshRequest": handled},
        }))
        .unwrap()
    }

    #[test]
    fn request_is_known_since_the_watch_first_showed_it_until_it_begins() {
        let refreshes = ForcedRefreshes::default();
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        refreshes.follow(&requested("uid", "a", None), at(1));
        refreshes.follow(&requested("other", "a", None), at(2));
        refreshes.follow(&requested("uid", "a", None), at(3));
        assert_eq!(refreshes.known_since("uid", "a", at(9)), at(1));
        assert_eq!(refreshes.known_since("other", "a", at(9)), at(2));
        assert_eq!(refreshes.known_since("uid", "b", at(9)), at(9));
        assert_eq!(refreshes.known_since("uid", "a", at(3600)), at(3540));
        refreshes.follow(&requested("uid", "b", Some("a")), at(4));
        assert_eq!(refreshes.known_since("uid", "b", at(9)), at(4));
        // An attempt after a failed one is a new one.
        refreshes.begin("team", "uid", at(5));
        assert_eq!(refreshes.known_since("uid", "b", at(9)), at(9));
        refreshes.follow(&requested("uid", "b", Some("a")), at(6));
        assert_eq!(refreshes.known_since("uid", "b", at(9)), at(6));
        refreshes.follow(&requested("uid", "b", Some("b")), at(7));
        refreshes.retain(|uid| uid == "uid");
        assert!(refreshes.0.lock().pending.is_empty());
    }
}

//! The lists of the watches of one scope. After an outage of the API server the operator's memory may be of
//! a time that a restored etcd no longer knows: all watches list again, and nothing is reconciled until then.

use std::sync::Arc;

use kube::runtime::watcher;
use tokio::sync::watch;

/// The state of the lists, shared by the watches of a scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    outages: u64,
    /// For each watch, the outages before its last complete list. None: it has not listed yet.
    listed: Vec<Option<u64>>,
}

impl State {
    fn is_complete(&self) -> bool {
        let mut listed = self.listed.iter();
        listed.all(|listed| *listed == Some(self.outages))
    }
}

impl Lists {
    /// Waits until every watch has listed since the last outage.
    pub(super) async fn wait_until_complete(&self) {
        // The sender is never dropped.
        let _ = self.0.subscribe().wait_for(State::is_complete).await;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.0.borrow().is_complete()
    }

    pub(super) fn outages(&self) -> u64 {
        self.0.borrow().outages
    }

    pub(super) fn report_outage(&self) {
        self.0.send_modify(|state| state.outages += 1);
    }

    /// Waits for an outage after so many.
    pub(super) async fn wait_for_outage_after(&self, outages: u64) {
        let is_later = |state: &State| state.outages > outages;
        let _ = self.0.subscribe().wait_for(is_later).await;
    }

    /// Follows the lists of one more watch, once they are in its store.
    pub(super) fn follow<K>(&self) -> impl FnMut(&watcher::Result<watcher::Event<K>>) + use<K> {
        let (lists, mut began, mut watch) = (self.clone(), 0, 0);
        self.0.send_modify(|state| {
            watch = state.listed.len();
            state.listed.push(None);
        });
        move |event| match event {
            Ok(watcher::Event::Init) => began = lists.outages(),
            // Watches are only ever added: this one is still in its place.
            Ok(watcher::Event::InitDone) => lists.0.send_modify(|state| {
                state.listed[watch] = Some(began);
            }),
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn lists_are_complete_once_all_watches_listed_after_last_outage() {
        type Event = watcher::Event<ConfigMap>;
        let lists = Lists::default();
        let mut first = lists.follow::<ConfigMap>();
        let mut second = lists.follow::<ConfigMap>();
        let is_complete = || lists.is_complete();
        let list = |watch: &mut dyn FnMut(&watcher::Result<Event>)| {
            watch(&Ok(Event::Init));
            watch(&Ok(Event::InitDone));
        };
        list(&mut first);
        assert!(!is_complete());
        list(&mut second);
        assert!(is_complete());
        // A list that an outage interrupts does not count.
        first(&Ok(Event::Init));
        lists.report_outage();
        first(&Ok(Event::InitDone));
        list(&mut second);
        assert!(!is_complete());
        list(&mut first);
        assert!(is_complete());
    }
}

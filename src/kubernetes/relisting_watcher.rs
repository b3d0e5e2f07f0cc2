//! A watcher that lists again after an outage of the API server.

use std::fmt::Debug;

use futures::stream::{self, Stream, StreamExt as _};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::lists::Lists;

/// Watches as [`watcher`] does. In an outage etcd may be restored from a backup, whose versions are older:
/// a watch that resumes from a later version shows no change until the versions have caught up. So after
/// an outage all watches that share the lists start with a list.
pub(super) fn relisting_watcher<K>(
    api: Api<K>,
    config: watcher::Config,
    lists: &Lists,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    relisting(lists.clone(), move || {
        watcher(api.clone(), config.clone()).boxed()
    })
}

fn relisting<K, S>(
    lists: Lists,
    start: impl Fn() -> S,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>>
where
    S: Stream<Item = watcher::Result<watcher::Event<K>>> + Unpin,
{
    let first = (start(), lists.outages());
    stream::unfold((first, lists, start), async |(current, lists, start)| {
        let (mut events, mut outages) = current;
        let event = loop {
            tokio::select! {
                biased;
                () = lists.wait_for_outage_after(outages) => {
                    (events, outages) = (start(), lists.outages());
                }
                event = events.next() => break event?,
            }
        };
        if event.as_ref().is_err_and(is_outage) {
            lists.report_outage();
        }
        Some((event, ((events, outages), lists, start)))
    })
}

/// Whether no API server could be reached to resume the watch.
fn is_outage(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(cause) => !matches!(cause, kube::Error::Api(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt as _;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::Status;

    use super::*;

    type Event = watcher::Event<ConfigMap>;

    #[tokio::test]
    async fn watches_list_again_after_one_reaches_no_api_server() {
        let unreachable = || kube::Error::Service("connection refused".into());
        let rejected =
            || kube::Error::Api(Status::failure("no", "Forbidden").with_code(403).boxed());
        let cases = [
            (watcher::Error::WatchStartFailed(unreachable()), 2),
            (watcher::Error::WatchStartFailed(rejected()), 1),
            (watcher::Error::WatchFailed(unreachable()), 1),
            (watcher::Error::InitialListFailed(unreachable()), 1),
        ];
        for (error, expected) in cases {
            let case = format!("{error:?}");
            let lists = Lists::default();
            let started = [AtomicUsize::new(0), AtomicUsize::new(0)];
            let error = parking_lot::Mutex::new(Some(error));
            let failing = relisting(lists.clone(), || {
                started[0].fetch_add(1, Ordering::Relaxed);
                let failed = error.lock().take().map(Err::<Event, _>);
                stream::iter(failed).chain(stream::pending())
            });
            let quiet = relisting(lists, || {
                started[1].fetch_add(1, Ordering::Relaxed);
                stream::pending::<watcher::Result<Event>>()
            });
            let (mut failing, mut quiet) = (pin!(failing), pin!(quiet));
            assert!(quiet.next().now_or_never().is_none());
            assert!(failing.next().await.unwrap().is_err());
            assert!(failing.next().now_or_never().is_none());
            assert!(quiet.next().now_or_never().is_none());
            let started = started.each_ref().map(|n| n.load(Ordering::Relaxed));
            assert_eq!(started, [expected; 2], "{case}");
        }
    }
}

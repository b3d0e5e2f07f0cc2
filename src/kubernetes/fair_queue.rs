//! Fair queue and semaphore: namespaces take turns, and within a namespace the first waiter goes first.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Items of several keys. Keys take turns; the items of a key keep their order.
#[derive(Debug)]
struct FairQueue<K, T> {
    /// Keys with items, in the order of their turns.
    turns: VecDeque<K>,
    items: HashMap<K, VecDeque<T>>,
}

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self {
            turns: VecDeque::new(),
            items: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    fn push(&mut self, key: K, item: T) {
        let items = self.items.entry(key.clone()).or_default();
        if items.is_empty() {
            self.turns.push_back(key);
        }
        items.push_back(item);
    }

    /// The item that [`Self::pop`] returns next.
    fn peek(&self) -> Option<&T> {
        self.items.get(self.turns.front()?)?.front()
    }

    fn pop(&mut self) -> Option<T> {
        let key = self.turns.pop_front()?;
        let items = self.items.get_mut(&key)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.items.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        item
    }
}

/// Semaphore whose waiters are served in the order of a [`FairQueue`] by namespace. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct FairSemaphore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    available: u32,
    waiters: FairQueue<String, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    permits: u32,
    granted: oneshot::Sender<FairPermit>,
}

/// Permits of a [`FairSemaphore`]; dropping returns them.
#[derive(Debug)]
pub(super) struct FairPermit {
    permits: u32,
    semaphore: FairSemaphore,
}

impl FairSemaphore {
    pub(super) fn new(permits: u32) -> Self {
        let state = State {
            available: permits,
            waiters: FairQueue::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Waits for the permits, of which there must be as many in all.
    pub(super) async fn acquire(&self, namespace: &str, permits: u32) -> FairPermit {
        loop {
            let (granted, is_granted) = oneshot::channel();
            let waiter = Waiter { permits, granted };
            self.state.lock().waiters.push(namespace.to_owned(), waiter);
            self.grant();
            // The queue drops no waiter without a grant.
            if let Ok(permit) = is_granted.await {
                return permit;
            }
        }
    }

    /// Serves waiters while the permits suffice for the next one. Large requests are not overtaken.
    fn grant(&self) {
        loop {
            let (waiter, permit) = {
                let mut state = self.state.lock();
                let next = state.waiters.peek();
                let permits = match next {
                    Some(waiter) if waiter.granted.is_closed() => 0,
                    Some(waiter) if waiter.permits <= state.available => waiter.permits,
                    Some(_) | None => return,
                };
                let Some(waiter) = state.waiters.pop() else {
                    return;
                };
                state.available -= permits;
                let semaphore = self.clone();
                (waiter, FairPermit { permits, semaphore })
            };
            // Outside the lock: the permit of a cancelled waiter is returned by its drop.
            if let Err(mut unused) = waiter.granted.send(permit) {
                let permits = std::mem::take(&mut unused.permits);
                self.state.lock().available += permits;
            }
        }
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.state.lock().available += self.permits;
            self.semaphore.grant();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn namespaces_take_turns_and_keep_their_order() {
        let mut queue = FairQueue::default();
        for n in 1..=300 {
            queue.push("loud", n);
        }
        queue.push("quiet", 1);
        queue.push("other", 1);
        queue.push("quiet", 2);
        let served: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(served[..7], [1, 1, 1, 2, 2, 3, 4]);
        assert_eq!(served.len(), 303);
        assert!(queue.peek().is_none());
    }

    #[test]
    fn newcomer_waits_for_one_item_of_each_other_namespace() {
        let mut queue = FairQueue::default();
        for n in 0..1000 {
            queue.push("loud", ("loud", n));
        }
        queue.pop();
        queue.push("quiet", ("quiet", 0));
        let position = std::iter::from_fn(|| queue.pop()).position(|(key, _)| key == "quiet");
        assert_eq!(position, Some(1));
    }

    #[tokio::test]
    async fn permit_goes_to_next_namespace_in_turn() {
        let semaphore = FairSemaphore::new(1);
        let held = semaphore.acquire("loud", 1).await;
        let mut first = pin!(semaphore.acquire("loud", 1));
        let mut second = pin!(semaphore.acquire("loud", 1));
        let mut quiet = pin!(semaphore.acquire("quiet", 1));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(quiet.as_mut().now_or_never().is_none());
        drop(held);
        let held = first.await;
        assert!(second.as_mut().now_or_never().is_none());
        assert!(quiet.as_mut().now_or_never().is_none());
        drop(held);
        let held = quiet.await;
        assert!(second.as_mut().now_or_never().is_none());
        drop(held);
        second.await;
    }

    #[tokio::test]
    async fn large_request_is_not_overtaken() {
        let semaphore = FairSemaphore::new(4);
        let held = semaphore.acquire("a", 1).await;
        let mut large = pin!(semaphore.acquire("b", 4));
        let mut small = pin!(semaphore.acquire("c", 1));
        assert!(large.as_mut().now_or_never().is_none());
        assert!(small.as_mut().now_or_never().is_none());
        drop(held);
        drop(large.await);
        small.await;
    }

    #[tokio::test]
    async fn cancelled_waiter_blocks_nobody_and_keeps_no_permit() {
        let semaphore = FairSemaphore::new(1);
        let held = semaphore.acquire("a", 1).await;
        {
            let mut cancelled = pin!(semaphore.acquire("a", 1));
            assert!(cancelled.as_mut().now_or_never().is_none());
        }
        let mut next = pin!(semaphore.acquire("b", 1));
        assert!(next.as_mut().now_or_never().is_none());
        drop(held);
        drop(next.await);
        // Granted, but dropped before it was polled again.
        let held = semaphore.acquire("a", 1).await;
        {
            let mut granted = pin!(semaphore.acquire("a", 1));
            assert!(granted.as_mut().now_or_never().is_none());
            drop(held);
        }
        semaphore.acquire("b", 1).await;
    }
}

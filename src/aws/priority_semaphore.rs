//! A semaphore that grants permits by priority. The priority of a waiter can rise while it waits,
//! which no crate at hand offers.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::aws::priority::Priority;

/// The highest priority of all callers that wait for the same thing.
#[derive(Clone, Debug)]
pub(super) struct SharedPriority(Arc<Mutex<Priority>>);

impl SharedPriority {
    pub(super) fn new(priority: Priority) -> Self {
        Self(Arc::new(Mutex::new(priority)))
    }

    /// Adds a caller. The priority never falls.
    pub(super) fn raise(&self, priority: Priority) {
        let mut current = self.0.lock();
        *current = priority.min(*current);
    }

    fn get(&self) -> Priority {
        *self.0.lock()
    }
}

#[derive(Debug)]
pub(super) struct PrioritySemaphore(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    arrivals: u64,
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    priority: SharedPriority,
    arrival: u64,
    grant: oneshot::Sender<Permit>,
}

/// Held while the protected work runs. Dropping it grants the next permit.
#[derive(Debug)]
pub(super) struct Permit(Arc<PrioritySemaphore>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl PrioritySemaphore {
    pub(super) fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: permits.max(1),
            arrivals: 0,
            waiters: Vec::new(),
        })))
    }

    pub(super) async fn acquire(self: &Arc<Self>, priority: &SharedPriority) -> Permit {
        loop {
            let granted = {
                let mut state = self.0.lock();
                // A free permit means that there is no waiter.
                if state.free > 0 {
                    state.free -= 1;
                    return Permit(Arc::clone(self));
                }
                let (grant, granted) = oneshot::channel();
                state.arrivals += 1;
                let waiter = Waiter {
                    priority: priority.clone(),
                    arrival: state.arrivals,
                    grant,
                };
                state.waiters.push(waiter);
                granted
            };
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }

    fn release(self: &Arc<Self>) {
        let next = {
            let mut state = self.0.lock();
            let next = next_waiter(state.waiters.iter().map(|w| (w.priority.get(), w.arrival)));
            if next.is_none() {
                state.free += 1;
            }
            next.map(|index| state.waiters.swap_remove(index).grant)
        };
        if let Some(grant) = next {
            // A waiter that was dropped meanwhile drops this permit, which grants the next.
            let _ = grant.send(Permit(Arc::clone(self)));
        }
    }
}

/// The index of the waiter that goes first. Priorities age: a waiter is overtaken by a bounded number
/// of later ones, however many of a higher priority arrive.
fn next_waiter(waiters: impl IntoIterator<Item = (Priority, u64)>) -> Option<usize> {
    waiters
        .into_iter()
        .enumerate()
        .min_by_key(|(_, (priority, arrival))| (arrival.saturating_add(lead(*priority)), *arrival))
        .map(|(index, _)| index)
}

/// By how many arrivals a waiter yields to those of the highest priority.
fn lead(priority: Priority) -> u64 {
    match priority {
        Priority::First => 0,
        Priority::Requested => 256,
        Priority::Routine => 1024,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;
    use crate::aws::priority::Priority::{First, Requested, Routine};

    /// A waiter; the test keeps its permit.
    fn wait<'a>(
        semaphore: &'a Arc<PrioritySemaphore>,
        priority: &'a SharedPriority,
    ) -> BoxFuture<'a, Permit> {
        let mut waiter = semaphore.acquire(priority).boxed();
        assert!((&mut waiter).now_or_never().is_none());
        waiter
    }

    #[test]
    fn next_waiter_is_by_aging_priority_then_arrival() {
        type Waiters = [(Priority, u64)];
        let cases: [(&Waiters, Option<usize>); 10] = [
            (&[], None),
            (&[(Routine, 7)], Some(0)),
            (&[(Routine, 2), (Routine, 1), (Routine, 3)], Some(1)),
            (&[(Routine, 1), (Requested, 2), (First, 3)], Some(2)),
            (&[(Routine, 1), (Requested, 2), (Routine, 3)], Some(1)),
            (&[(First, 5), (Routine, 1), (First, 4)], Some(2)),
            (&[(Routine, 1), (First, 1024)], Some(1)),
            (&[(Routine, 1), (First, 1025)], Some(0)),
            (&[(Requested, 1), (First, 258)], Some(0)),
            (&[(Routine, u64::MAX), (Requested, u64::MAX)], Some(0)),
        ];
        for (waiters, expected) in cases {
            assert_eq!(
                next_waiter(waiters.iter().copied()),
                expected,
                "{waiters:?}"
            );
        }
    }

    #[tokio::test]
    async fn grants_permits_by_priority() {
        let semaphore = PrioritySemaphore::new(2);
        let [routine, first] = [Routine, First].map(SharedPriority::new);
        let permit = semaphore.acquire(&routine).await;
        let _other_permit = semaphore.acquire(&routine).await;
        let mut early = wait(&semaphore, &routine);
        let urgent = wait(&semaphore, &first);
        drop(permit);
        let urgent = urgent.now_or_never().unwrap();
        assert!((&mut early).now_or_never().is_none());
        drop(urgent);
        early.now_or_never().unwrap();
    }

    #[tokio::test]
    async fn priority_rises_while_waiting() {
        let semaphore = PrioritySemaphore::new(1);
        let [a, b] = [Routine, Routine].map(SharedPriority::new);
        let permit = semaphore.acquire(&a).await;
        let (_early, late) = (wait(&semaphore, &a), wait(&semaphore, &b));
        b.raise(First);
        // It does not fall again.
        b.raise(Routine);
        drop(permit);
        assert!(late.now_or_never().is_some());
    }

    #[tokio::test]
    async fn dropped_waiter_does_not_block_queue() {
        let semaphore = PrioritySemaphore::new(1);
        let priority = SharedPriority::new(Routine);
        let permit = semaphore.acquire(&priority).await;
        let (early, granted) = (wait(&semaphore, &priority), wait(&semaphore, &priority));
        let last = wait(&semaphore, &priority);
        drop(early);
        drop(permit);
        // Granted, and dropped before it was polled.
        drop(granted);
        drop(last.now_or_never().unwrap());
        semaphore.acquire(&priority).now_or_never().unwrap();
    }
}

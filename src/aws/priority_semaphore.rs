//! Lets so many through at once; of those that wait, the most urgent first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::aws::priority::{Priority, first_in_line};

/// How urgently something is wanted, by all that want it: it can rise while they wait.
#[derive(Clone, Debug)]
pub(super) struct SharedPriority(Arc<Mutex<Priority>>);

impl SharedPriority {
    pub(super) fn new(urgency: Priority) -> Self {
        Self(Arc::new(Mutex::new(urgency)))
    }

    /// Someone else wants it too.
    pub(super) fn raise(&self, urgency: Priority) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = urgency.min(*now);
    }

    fn urgency(&self) -> Priority {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct PrioritySemaphore(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    arrivals: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    need: SharedPriority,
    arrival: u64,
    call: oneshot::Sender<SemaphorePermit>,
}

/// The right to be through. The next one's turn comes when it is dropped.
#[derive(Debug)]
pub(super) struct SemaphorePermit(Arc<PrioritySemaphore>);

impl Drop for SemaphorePermit {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl PrioritySemaphore {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: places.max(1),
            arrivals: 0,
            waiting: Vec::new(),
        })))
    }

    /// Waits for a turn.
    pub(super) async fn pass(self: &Arc<Self>, need: &SharedPriority) -> SemaphorePermit {
        loop {
            let called = {
                let mut state = self.lock();
                // Then nobody waits.
                if state.free > 0 {
                    state.free -= 1;
                    return SemaphorePermit(Arc::clone(self));
                }
                let (call, called) = oneshot::channel();
                state.arrivals += 1;
                let waiting = Waiting {
                    need: need.clone(),
                    arrival: state.arrivals,
                    call,
                };
                state.waiting.push(waiting);
                called
            };
            if let Ok(turn) = called.await {
                return turn;
            }
        }
    }

    fn release(self: &Arc<Self>) {
        let next = {
            let mut state = self.lock();
            let line = state.waiting.iter();
            let first = first_in_line(line.map(|w| (w.need.urgency(), w.arrival)));
            if first.is_none() {
                state.free += 1;
            }
            first.map(|first| state.waiting.swap_remove(first).call)
        };
        if let Some(call) = next {
            // Whoever has gone away meanwhile drops its turn, and the next one is called.
            let _ = call.send(SemaphorePermit(Arc::clone(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;

    /// Someone in line; the turn is kept where the test wants it.
    fn wait<'a>(
        turnstile: &'a Arc<PrioritySemaphore>,
        need: &'a SharedPriority,
    ) -> BoxFuture<'a, SemaphorePermit> {
        let mut waiting = turnstile.pass(need).boxed();
        assert!((&mut waiting).now_or_never().is_none());
        waiting
    }

    #[tokio::test]
    async fn turns_come_by_urgency() {
        let turnstile = PrioritySemaphore::new(2);
        let [routine, first] = [Priority::Routine, Priority::First].map(SharedPriority::new);
        let (one, _other) = (
            turnstile.pass(&routine).await,
            turnstile.pass(&routine).await,
        );
        let mut later = wait(&turnstile, &routine);
        let urgent = wait(&turnstile, &first);
        drop(one);
        let urgent = urgent.now_or_never().unwrap();
        assert!((&mut later).now_or_never().is_none());
        drop(urgent);
        later.now_or_never().unwrap();
    }

    #[tokio::test]
    async fn urgency_rises_while_waiting() {
        let turnstile = PrioritySemaphore::new(1);
        let [a, b] = [Priority::Routine, Priority::Routine].map(SharedPriority::new);
        let one = turnstile.pass(&a).await;
        let (_earlier, later) = (wait(&turnstile, &a), wait(&turnstile, &b));
        b.raise(Priority::First);
        // It does not sink again.
        b.raise(Priority::Routine);
        drop(one);
        assert!(later.now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_goes_away_holds_nobody_up() {
        let turnstile = PrioritySemaphore::new(1);
        let need = SharedPriority::new(Priority::Routine);
        let one = turnstile.pass(&need).await;
        let (gone, also_gone) = (wait(&turnstile, &need), wait(&turnstile, &need));
        let last = wait(&turnstile, &need);
        drop(gone);
        drop(one);
        // Called, and gone before it looked.
        drop(also_gone);
        drop(last.now_or_never().unwrap());
        turnstile.pass(&need).now_or_never().unwrap();
    }
}

//! Progress of reconciliations, for the watchdog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::ops::watchdog::{Deadline, Watchdog};

/// Interval between two checks of a waiting reconciliation for progress elsewhere.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Counts completed steps of all reconciliations. Clones share the count.
///
/// A reconciliation may wait in line for AWS or memory for as long as others are served, so the number
/// of resources does not bound its duration. It is stuck when nothing completes anywhere.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    completed: Arc<AtomicU64>,
    watchdog: Watchdog,
    stuck_after: Duration,
}

/// Deadline of one reconciliation.
#[derive(Debug)]
pub(super) struct ProgressDeadline {
    progress: Progress,
    deadline: Deadline,
}

impl Progress {
    pub(super) fn new(watchdog: Watchdog, stuck_after: Duration) -> Self {
        Self {
            completed: Arc::default(),
            watchdog,
            stuck_after,
        }
    }

    /// Registers the deadline of a reconciliation.
    pub(super) fn expect(&self, what: String) -> ProgressDeadline {
        ProgressDeadline {
            deadline: self.watchdog.expect(what, self.stuck_after),
            progress: self.clone(),
        }
    }
}

impl ProgressDeadline {
    /// Runs one step. Its completion, and meanwhile that of any other step, extends the deadline.
    ///
    /// The step has memory of its own while it runs: a request takes kilobytes, and a reconciliation that waits for
    /// AWS, as a thousand may, would keep room for the largest.
    pub(super) fn step<T>(&self, step: impl Future<Output = T>) -> impl Future<Output = T> {
        let Self { progress, deadline } = self;
        let mut step = Box::pin(step);
        async move {
            let mut seen = progress.completed.load(Ordering::Relaxed);
            loop {
                if let Ok(done) = timeout(CHECK_INTERVAL, &mut step).await {
                    progress.completed.fetch_add(1, Ordering::Relaxed);
                    deadline.extend(progress.stuck_after);
                    return done;
                }
                let completed = progress.completed.load(Ordering::Relaxed);
                if completed != seen {
                    seen = completed;
                    deadline.extend(progress.stuck_after);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const STUCK_AFTER: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn completed_step_extends_deadline() {
        let watchdog = Watchdog::default();
        let deadline = Progress::new(watchdog.clone(), STUCK_AFTER).expect("it".to_owned());
        tokio::time::sleep(STUCK_AFTER * 2).await;
        assert_eq!(watchdog.overdue().len(), 1);
        deadline.step(async {}).await;
        assert!(watchdog.overdue().is_empty());
    }

    #[tokio::test]
    async fn stuck_step_becomes_overdue() {
        let watchdog = Watchdog::default();
        let deadline = Progress::new(watchdog.clone(), STUCK_AFTER).expect("it".to_owned());
        let stuck = deadline.step(pending::<()>());
        timeout(STUCK_AFTER * 2, stuck).await.unwrap_err();
        assert_eq!(watchdog.overdue().len(), 1);
    }

    #[tokio::test]
    async fn large_step_takes_little_of_its_caller() {
        let deadline = Progress::new(Watchdog::default(), STUCK_AFTER).expect("it".to_owned());
        let large = async {
            let request = [0_u8; 8_000];
            tokio::task::yield_now().await;
            request.len()
        };
        let step = deadline.step(large);
        assert!(size_of_val(&step) < 1_000, "{}", size_of_val(&step));
        assert_eq!(step.await, 8_000);
    }
}

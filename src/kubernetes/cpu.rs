//! Work that only uses the CPU: association, rendering, compression.

use tokio::runtime::Handle;

use super::fair_queue::FairSemaphore;

/// Leaves one worker thread of the runtime to requests, watches and the other reconciliations, whatever
/// work there is. Namespaces take turns.
#[derive(Debug)]
pub(super) struct CpuWork(FairSemaphore);

impl CpuWork {
    pub(super) fn on(runtime: &Handle) -> Self {
        let threads = runtime.metrics().num_workers().saturating_sub(1).max(1);
        Self(FairSemaphore::new(
            u32::try_from(threads).unwrap_or(u32::MAX),
        ))
    }

    pub(super) async fn run<T>(&self, namespace: &str, work: impl FnOnce() -> T) -> T {
        let _permit = self.0.acquire(namespace, 1).await;
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);
    const TASKS: usize = 1_000;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn work_leaves_a_worker_thread_to_others() {
        let cpu = Arc::new(CpuWork::on(&Handle::current()));
        let (started, starts) = mpsc::channel();
        let (ends, works): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let (end, wait) = mpsc::channel();
                let (cpu, started) = (cpu.clone(), started.clone());
                let work = move || {
                    started.send(()).unwrap();
                    wait.recv_timeout(TIMEOUT).unwrap()
                };
                let run = async move { cpu.run("team-a", work).await };
                (end, tokio::spawn(run))
            })
            .unzip();
        for _ in 0..2 {
            starts.recv_timeout(TIMEOUT).unwrap();
        }
        // Two threads are occupied until the end. Each of these tasks needs one, and so many give the third work its
        // turn too.
        for _ in 0..TASKS {
            tokio::spawn(async {}).await.unwrap();
        }
        for (number, end) in ends.into_iter().enumerate() {
            end.send(number).unwrap();
        }
        let results = join_all(works).await.into_iter().map(Result::unwrap);
        assert_eq!(results.collect::<Vec<_>>(), [0, 1, 2]);
    }
}

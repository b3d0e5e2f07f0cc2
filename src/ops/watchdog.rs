//! Watchdog behind `/livez`: detects work that makes no progress.
//!
//! Each critical task registers a deadline and extends it on progress. The watchdog compares these
//! deadlines with the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Registry of deadlines. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watchdog {
    deadlines: Arc<Mutex<Deadlines>>,
}

#[derive(Debug, Default)]
struct Deadlines {
    next_id: u64,
    expected: BTreeMap<u64, Expected>,
}

#[derive(Clone, Debug)]
struct Expected {
    what: String,
    by: Instant,
}

/// A registered deadline. Dropping it removes it.
#[derive(Debug)]
pub struct Deadline {
    id: u64,
    watchdog: Watchdog,
}

impl Watchdog {
    /// Registers a deadline.
    pub fn expect(&self, what: impl Into<String>, within: Duration) -> Deadline {
        let expected = Expected {
            what: what.into(),
            by: Instant::now() + within,
        };
        let mut deadlines = self.deadlines.lock();
        let id = deadlines.next_id;
        deadlines.next_id += 1;
        deadlines.expected.insert(id, expected);
        Deadline {
            id,
            watchdog: self.clone(),
        }
    }

    /// Descriptions of missed deadlines.
    pub fn overdue(&self) -> Vec<String> {
        overdue(self.deadlines.lock().expected.values(), Instant::now())
    }
}

impl Deadline {
    /// Moves the deadline to this long from now.
    pub fn extend(&self, within: Duration) {
        if let Some(expected) = self.watchdog.deadlines.lock().expected.get_mut(&self.id) {
            expected.by = Instant::now() + within;
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.watchdog.deadlines.lock().expected.remove(&self.id);
    }
}

fn overdue<'a>(expected: impl Iterator<Item = &'a Expected>, now: Instant) -> Vec<String> {
    expected
        .filter(|expected| expected.by < now)
        .map(|Expected { what, by }| format!("{what} is overdue by {} s", (now - *by).as_secs()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn reports_overdue_deadlines() {
        let start = Instant::now();
        let at = |what: &str, seconds| Expected {
            what: what.to_owned(),
            by: start + Duration::from_secs(seconds),
        };
        let (renewal, reconciliation) = (
            "the renewal of the lease",
            "the reconciliation of team-a/claude",
        );
        let cases = [
            (vec![], vec![]),
            (vec![at(renewal, 101), at(reconciliation, 100)], vec![]),
            (
                vec![at(renewal, 5), at(reconciliation, 101)],
                vec!["the renewal of the lease is overdue by 95 s"],
            ),
            (
                vec![at(renewal, 99), at(reconciliation, 0)],
                vec![
                    "the renewal of the lease is overdue by 1 s",
                    "the reconciliation of team-a/claude is overdue by 100 s",
                ],
            ),
        ];
        let now = start + Duration::from_secs(100);
        for (expected, said) in cases {
            assert_eq!(overdue(expected.iter(), now), said, "{expected:?}");
        }
    }

    #[test]
    fn extended_and_dropped_deadlines_are_not_overdue() {
        let watchdog = Watchdog::default();
        let first = watchdog.expect("the first", Duration::ZERO);
        let second = watchdog.expect("the second", Duration::ZERO);
        let _third = watchdog.expect("the third", HOUR);
        while watchdog.overdue().len() < 2 {
            std::thread::yield_now();
        }
        first.extend(HOUR);
        assert_eq!(watchdog.overdue(), ["the second is overdue by 0 s"]);
        drop(second);
        assert!(watchdog.overdue().is_empty());
    }
}

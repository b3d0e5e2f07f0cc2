//! Notices what makes no progress any more, so that `/livez` can tell.
//!
//! Whoever does something that must not stop says until when it will be done, or done again. The
//! watchdog only compares these times with the clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is expected to happen. Copies share it.
#[derive(Clone, Debug, Default)]
pub struct Watchdog {
    kennel: Arc<Mutex<Deadlines>>,
}

#[derive(Debug, Default)]
struct Deadlines {
    next: u64,
    expected: BTreeMap<u64, Expected>,
}

/// Something that is to be done, and until when.
#[derive(Clone, Debug)]
struct Expected {
    what: String,
    by: Instant,
}

/// Is expected until it is dropped.
#[derive(Debug)]
pub struct Deadline {
    number: u64,
    watchdog: Watchdog,
}

impl Watchdog {
    /// Expects this to be done, or done again, within that time.
    pub fn expect(&self, what: impl Into<String>, within: Duration) -> Deadline {
        let expected = Expected {
            what: what.into(),
            by: Instant::now() + within,
        };
        let mut kennel = self.lock();
        let number = kennel.next;
        kennel.next += 1;
        kennel.expected.insert(number, expected);
        Deadline {
            number,
            watchdog: self.clone(),
        }
    }

    /// What is late, and by how much.
    pub fn overdue(&self) -> Vec<String> {
        overdue(self.lock().expected.values(), Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Deadlines> {
        self.kennel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deadline {
    /// It was done; it is expected again within that time.
    pub fn again(&self, within: Duration) {
        if let Some(expected) = self.watchdog.lock().expected.get_mut(&self.number) {
            expected.by = Instant::now() + within;
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.watchdog.lock().expected.remove(&self.number);
    }
}

fn overdue<'a>(expected: impl Iterator<Item = &'a Expected>, now: Instant) -> Vec<String> {
    let late = expected.filter(|expected| expected.by < now);
    late.map(|Expected { what, by }| format!("{what} is overdue by {} s", (now - *by).as_secs()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn late_is_what_was_not_done_in_time() {
        let start = Instant::now();
        let at = |what: &str, seconds| Expected {
            what: what.to_owned(),
            by: start + Duration::from_secs(seconds),
        };
        let (renewal, look) = ("the renewal of the lease", "the look at team-a/claude");
        let cases = [
            (vec![], vec![]),
            (vec![at(renewal, 101), at(look, 100)], vec![]),
            (
                vec![at(renewal, 5), at(look, 101)],
                vec!["the renewal of the lease is overdue by 95 s"],
            ),
            (
                vec![at(renewal, 99), at(look, 0)],
                vec![
                    "the renewal of the lease is overdue by 1 s",
                    "the look at team-a/claude is overdue by 100 s",
                ],
            ),
        ];
        let now = start + Duration::from_secs(100);
        for (expected, said) in cases {
            assert_eq!(overdue(expected.iter(), now), said, "{expected:?}");
        }
    }

    #[test]
    fn what_was_done_is_expected_anew_and_what_is_dropped_no_more() {
        let watchdog = Watchdog::default();
        let first = watchdog.expect("the first", Duration::ZERO);
        let second = watchdog.expect("the second", Duration::ZERO);
        let _third = watchdog.expect("the third", HOUR);
        while watchdog.overdue().len() < 2 {
            std::thread::yield_now();
        }
        first.again(HOUR);
        assert_eq!(watchdog.overdue(), ["the second is overdue by 0 s"]);
        drop(second);
        assert!(watchdog.overdue().is_empty());
    }
}

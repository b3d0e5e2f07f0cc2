//! The measurements, one a file. Each gives a section of the report.

pub mod association;
pub mod churn;
pub mod growth;
pub mod many;
pub mod page;
pub mod routine;
pub mod single;
pub mod stages;

use std::time::{Duration, Instant};

/// The median of so many runs.
fn median<T>(runs: usize, mut act: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..runs.max(1))
        .map(|_| {
            let started = Instant::now();
            std::hint::black_box(act());
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// In the unit in which it is short.
fn time(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds >= 100.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 10.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 0.001 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.0} µs", seconds * 1e6),
    }
}

/// How many times the second the first is.
fn times(first: Duration, second: Duration) -> String {
    match first.as_secs_f64() / second.as_secs_f64() {
        ratio if ratio < 0.1 => format!("{ratio:.3} ×"),
        ratio if ratio < 10.0 => format!("{ratio:.2} ×"),
        ratio => format!("{ratio:.0} ×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let cases = [
            (Duration::from_micros(7), "7 µs"),
            (Duration::from_micros(1_540), "1.5 ms"),
            (Duration::from_millis(1_234), "1.23 s"),
            (Duration::from_millis(12_340), "12.3 s"),
            (Duration::from_secs(123), "123 s"),
        ];
        for (duration, expected) in cases {
            assert_eq!(time(duration), expected);
        }
    }

    #[test]
    fn median_runs_at_least_once() {
        let mut runs = 0;
        median(0, || runs += 1);
        assert_eq!(runs, 1);
    }
}

//! One line for each thing that the scenario does: what it is, and how long it took. On stderr, to which a machine's
//! output goes.

use std::io::{self, Write as _};
use std::time::Instant;

/// Says what is being done before it is done, and then how long it took.
pub async fn step<T, E>(what: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let mut out = io::stderr();
    let _ = write!(out, "{what} ... ");
    let _ = out.flush();
    let started = Instant::now();
    let outcome = work.await;
    let seconds = started.elapsed().as_secs_f64();
    let _ = match outcome {
        Ok(_) => writeln!(out, "{seconds:.1} s"),
        Err(_) => writeln!(out, "failed after {seconds:.1} s"),
    };
    outcome
}

/// Says what was done, and how long it took: for work that has something to say of its own.
pub fn report(what: &str, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let _ = writeln!(io::stderr(), "{what} ... {seconds:.1} s");
}

/// Says what was not done, and why.
pub fn skip(what: &str, why: &str) {
    let _ = writeln!(io::stderr(), "{what} ... skipped: {why}");
}

/// Says what a step has shown.
pub fn shown(what: &str) {
    let _ = writeln!(io::stderr(), "    {what}");
}

//! One line for each thing that the demo does: what it is, and how long it took.

use std::io::{self, Write as _};
use std::time::Instant;

use crate::environment::Error;

/// Says what is being done before it is done, and then how long it took.
pub async fn step<T, E: Into<Error>>(
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    let mut out = io::stdout();
    write!(out, "{what} ... ")?;
    out.flush()?;
    let started = Instant::now();
    let outcome = work.await;
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(_) => writeln!(out, "{seconds:.1} s")?,
        Err(_) => writeln!(out, "failed after {seconds:.1} s")?,
    }
    outcome.map_err(Into::into)
}

/// Says what was done, and how long it took: for work that has something to say of its own.
pub fn report(what: &str, started: Instant) -> io::Result<()> {
    let seconds = started.elapsed().as_secs_f64();
    writeln!(io::stdout(), "{what} ... {seconds:.1} s")
}

//! What commands print.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

pub(super) use crate::text::printable;

/// Why a result cannot be printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrintError {
    #[error("the result cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the result cannot be written as YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
    #[error("the result cannot be printed: {0}")]
    Print(#[from] io::Error),
}

/// How a command ended, once it has said what there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All well.
    Complete,
    /// Some regions failed; what succeeded is printed.
    Partial,
    /// It failed, and the log says why.
    Failed,
}

/// Prints text, to the byte; on a terminal the prompt gets a line of its own.
pub(super) fn print(text: &str) -> Result<(), PrintError> {
    print_if_read(text)?;
    Ok(())
}

/// As [`print`]. False: whoever read has seen enough and is gone.
pub(super) fn print_if_read(text: &str) -> Result<bool, PrintError> {
    let mut stdout = io::stdout().lock();
    let mut written = stdout.write_all(text.as_bytes());
    if written.is_ok() && stdout.is_terminal() && !text.ends_with('\n') {
        written = stdout.write_all(b"\n");
    }
    match written.and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn print_yaml(value: &impl Serialize) -> Result<(), PrintError> {
    print(&serde_saphyr::to_string(value)?)
}

/// Tells something beside the result.
pub(super) fn note(text: &str) {
    // There is nobody left to tell that stderr is closed.
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

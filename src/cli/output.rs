//! Output of the commands.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::Table;
use serde::Serialize;

pub(super) use crate::text::printable;

/// Why a result cannot be printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrintError {
    #[error("cannot write the result as JSON")]
    Json(#[from] serde_json::Error),
    #[error("cannot write the result as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
    #[error("cannot print the result")]
    Print(#[from] io::Error),
}

/// The outcome of a command that has printed what it has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Success.
    Complete,
    /// Some regions failed; what succeeded is printed.
    Partial,
    /// Failure, with the reason in the log.
    Failed,
}

/// Prints text unchanged; on a terminal it ends with a line break.
pub(super) fn print(text: &str) -> Result<(), PrintError> {
    print_if_read(text)?;
    Ok(())
}

/// Prints text as [`print`] does. False: stdout is closed.
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

/// The lines of a table, without the blanks that fill them.
pub(super) fn table_text(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim());
        text.push('\n');
    }
    text
}

/// Prints a line to stderr.
pub(super) fn eprint_note(text: &str) {
    // No one is left to read that stderr is closed.
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

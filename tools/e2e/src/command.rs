//! Programs other than kubectl.

use std::io;
use std::process::ExitStatus;

use tokio::process::Command;

/// Why a program failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be run.
    #[error("cannot run {program}: {cause}")]
    Run { program: String, cause: io::Error },
    /// It said no.
    #[error("`{program} {arguments}` failed ({status}): {message}")]
    Failed {
        program: String,
        arguments: String,
        status: ExitStatus,
        message: String,
    },
}

/// Runs a command and returns what it prints.
pub async fn run(command: &mut Command) -> Result<String, Error> {
    let output = command.kill_on_drop(true).output().await;
    let command = command.as_std();
    let program = command.get_program().display().to_string();
    let output = output.map_err(|cause| Error::Run {
        program: program.clone(),
        cause,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let arguments: Vec<_> = command
        .get_args()
        .map(|argument| argument.to_string_lossy())
        .collect();
    Err(Error::Failed {
        program,
        arguments: arguments.join(" "),
        status: output.status,
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

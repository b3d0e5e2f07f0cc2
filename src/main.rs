//! Entry point: parses the command line and exits with the command's code.

use std::process::ExitCode;

use bedrock_model_map::cli::Cli;

fn main() -> ExitCode {
    Cli::from_process().execute()
}

//! The program `bedrock-model-map`: parses the command line and ends with the command's exit code.

use std::process::ExitCode;

use bedrock_model_map::cli::Cli;
use clap::Parser as _;

fn main() -> ExitCode {
    Cli::parse().execute()
}

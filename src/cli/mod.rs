//! The command line: one file a command. Each parses, calls, prints.

mod aws;
mod cluster;
mod completions;
mod crd;
mod discover;
mod get;
mod man;
mod mapping;
mod matrix;
mod output;
mod page;
mod progress;
mod resolve;
mod run;
mod selectors;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use output::{Outcome, note};

/// The program's name.
const NAME: &str = "bedrock-model-map";
/// Its name where it is a plugin of kubectl, and how kubectl's users call that.
const PLUGIN: (&str, &str) = ("kubectl-bmm", "kubectl bmm");
/// The exit code of wrong usage, which is also clap's.
const USAGE: u8 = 2;
/// The exit code when some regions failed and what succeeded is printed.
const PARTLY: u8 = 3;

/// Keeps in a Kubernetes cluster which Amazon Bedrock models exist in which region, and through
/// which inference profile each is invoked.
#[derive(Debug, Parser)]
#[command(name = NAME, version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    ///
    /// The cluster is the one of kubeconfig, or the one it runs in. AWS is reached as the AWS SDKs
    /// do: credentials from the environment, IRSA or EKS Pod Identity; `AWS_ENDPOINT_URL`,
    /// `AWS_ENDPOINT_URL_BEDROCK` and `AWS_ENDPOINT_URL_ACCOUNT` redirect its calls.
    Run(run::Run),
    /// Print which models exist where, and how each is invoked, without a cluster.
    ///
    /// AWS is reached as by `run`. Exits with 3 if some regions failed; what succeeded is printed.
    Discover(discover::Discover),
    /// Print what a `BedrockModelMap` has published in the cluster.
    ///
    /// The cluster is the one of kubeconfig, or the one it runs in. Exits with 3 if a region is
    /// stale or failed.
    Get(get::Get),
    /// Tell which id to pass to invoke a model from a region, and why.
    ///
    /// Looks in the cluster (NAME), in a folder (--dir), or asks Amazon Bedrock (--live).
    Resolve(resolve::Resolve),
    /// Print the `CustomResourceDefinition` as YAML.
    Crd(crd::Crd),
    /// Print a script that makes a shell complete this program's arguments.
    ///
    /// Such as `source <(bedrock-model-map completions bash)`.
    Completions(completions::Completions),
    /// Write the manual pages into a folder.
    #[command(hide = true)]
    Man(man::Man),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("{0}")]
    Run(#[from] run::RunError),
    #[error("{0}")]
    Crd(#[from] crd::CrdError),
    #[error("{0}")]
    Completions(#[from] output::PrintError),
    #[error("{0}")]
    Man(#[from] man::ManError),
    #[error("{0}")]
    Discover(#[from] discover::DiscoverError),
    #[error("{0}")]
    Get(#[from] get::GetCommandError),
    #[error("{0}")]
    Resolve(#[from] resolve::ResolveCommandError),
}

impl Cli {
    /// Parses the process's arguments. Ends it after `--help` and on wrong usage.
    pub fn of_process() -> Self {
        let mut command = Self::command();
        if called_as() == PLUGIN.1 {
            command = command.bin_name(PLUGIN.1);
        }
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Carries the command out. Errors are printed on stderr.
    pub fn execute(self) -> ExitCode {
        let done: Result<Outcome, CommandError> = match self.command {
            Command::Run(run) => run.execute().map_err(CommandError::from),
            Command::Crd(crd) => crd.execute().map_err(CommandError::from).map(complete),
            Command::Completions(completions) => completions
                .execute()
                .map_err(CommandError::from)
                .map(complete),
            Command::Man(man) => man.execute().map_err(CommandError::from).map(complete),
            Command::Discover(discover) => discover.execute().map_err(CommandError::from),
            Command::Get(get) => get.execute().map_err(CommandError::from),
            Command::Resolve(resolve) => resolve.execute().map_err(CommandError::from),
        };
        match done {
            Ok(Outcome::Complete) => ExitCode::SUCCESS,
            Ok(Outcome::Partial) => ExitCode::from(PARTLY),
            Ok(Outcome::Failed) => ExitCode::FAILURE,
            Err(error) => {
                note(&format!("{}: {error}", called_as()));
                match error {
                    CommandError::Get(get::GetCommandError::WatchFormat) => ExitCode::from(USAGE),
                    _ => ExitCode::FAILURE,
                }
            }
        }
    }
}

/// As what the user has called the program.
fn called_as() -> &'static str {
    let program = std::env::args_os().next();
    let name = program.as_deref().map(Path::new).and_then(Path::file_stem);
    if name.is_some_and(|name| name == PLUGIN.0) {
        PLUGIN.1
    } else {
        NAME
    }
}

fn complete((): ()) -> Outcome {
    Outcome::Complete
}

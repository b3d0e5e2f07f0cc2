//! The command line, one file per command.

mod alias_rows;
mod aliases;
mod aws;
mod cluster;
mod completions;
mod crd;
mod discover;
mod get;
mod iam_policy;
mod man;
mod mapping;
mod matrix;
mod output;
mod page;
mod policy;
mod progress;
mod region_aliases;
mod render;
mod replace_file;
mod resolve;
mod run;
mod selectors;
mod source;
mod terraform;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::text::error_chain;
use output::{Outcome, eprint_note};
use source::SourceError;

/// The program's name.
const NAME: &str = "bedrock-model-map";
/// The file name of the kubectl plugin, and the command that runs it.
const PLUGIN: (&str, &str) = ("kubectl-bmm", "kubectl bmm");
/// The exit code for wrong usage, as clap's.
const USAGE: u8 = 2;
/// The exit code if some regions failed and the others are printed.
const PARTIAL: u8 = 3;

/// Discovers which Amazon Bedrock models each AWS region offers and which inference profile invokes
/// them, and publishes the result as ConfigMaps.
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
    /// Uses the cluster of the kubeconfig, or the one it runs in. AWS credentials come from the AWS
    /// SDK's default chain: environment, IRSA, EKS Pod Identity. `AWS_ENDPOINT_URL`,
    /// `AWS_ENDPOINT_URL_BEDROCK`, `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL_ACCOUNT` replace the
    /// endpoints.
    Run(run::Run),
    /// Query Amazon Bedrock and print the models of each region, without a cluster.
    ///
    /// AWS credentials and endpoints are those of `run`. Exits with 3 if some regions failed; the
    /// others are printed.
    Discover(discover::Discover),
    /// Print the models that a `BedrockModelMap` has published.
    ///
    /// Uses the cluster of the kubeconfig, or the one it runs in. Exits with 3 if some regions are
    /// stale or failed; the others are printed.
    Get(get::Get),
    /// Print the ID that invokes a model from a region, and why.
    ///
    /// Reads what a BedrockModelMap has published (NAME) or a folder (--dir), or queries Amazon
    /// Bedrock (--live).
    Resolve(resolve::Resolve),
    /// Print the IAM policy that callers of models need.
    ///
    /// Allows to invoke the IDs that `resolve` prints: each inference profile, and its model in the
    /// source region and in every destination region. Exceeds no managed policy's 6,144 characters;
    /// prints several policies where one is too small.
    IamPolicy(iam_policy::IamPolicy),
    /// Print the IDs of named models as a consumer reads them: LiteLLM, Claude Code, a gateway.
    ///
    /// Renders the aliases that a BedrockModelMap has published (NAME), or the models of --alias.
    /// Exits with 3 if some have no ID to pass; the others are printed.
    Render(render::Render),
    /// Print the `CustomResourceDefinition` as YAML.
    Crd(crd::Crd),
    /// Print a completion script for a shell.
    ///
    /// Example: `source <(bedrock-model-map completions bash)`.
    Completions(completions::Completions),
    /// Write the manual pages to a folder.
    #[command(hide = true)]
    Man(man::Man),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Run(#[from] run::RunError),
    #[error(transparent)]
    Crd(#[from] crd::CrdError),
    #[error(transparent)]
    Completions(#[from] output::PrintError),
    #[error(transparent)]
    Man(#[from] man::ManError),
    #[error(transparent)]
    Discover(#[from] discover::DiscoverError),
    #[error(transparent)]
    Get(#[from] get::GetCommandError),
    #[error(transparent)]
    Resolve(#[from] resolve::ResolveCommandError),
    #[error(transparent)]
    IamPolicy(#[from] iam_policy::IamPolicyError),
    #[error(transparent)]
    Render(#[from] render::RenderError),
}

impl CommandError {
    /// Whether the options contradict each other in a way that the parser cannot state.
    fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Get(get::GetCommandError::WatchFormat)
                | Self::Discover(discover::DiscoverError::Policy(_))
                | Self::Resolve(resolve::ResolveCommandError::Source(SourceError::Policy(_)))
                | Self::IamPolicy(iam_policy::IamPolicyError::Source(SourceError::Policy(_)))
                | Self::Render(
                    render::RenderError::Source(SourceError::Policy(_))
                        | render::RenderError::Alias(_)
                        | render::RenderError::NoAlias
                )
        )
    }
}

impl Cli {
    /// Parses the process's arguments. Exits after `--help` and on wrong usage.
    pub fn from_process() -> Self {
        let mut command = Self::command();
        if program_name() == PLUGIN.1 {
            command = command.bin_name(PLUGIN.1);
        }
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the command. Prints errors to stderr.
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
            Command::IamPolicy(policy) => policy.execute().map_err(CommandError::from),
            Command::Render(render) => render.execute().map_err(CommandError::from),
        };
        match done {
            Ok(Outcome::Complete) => ExitCode::SUCCESS,
            Ok(Outcome::Partial) => ExitCode::from(PARTIAL),
            Ok(Outcome::Failed) => ExitCode::FAILURE,
            Err(error) => {
                eprint_note(&format!("{}: {}", program_name(), error_chain(&error)));
                if error.is_usage() {
                    ExitCode::from(USAGE)
                } else {
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// The program's name as the user called it.
fn program_name() -> &'static str {
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

//! The command line: one file a command. Each parses, calls, prints.

mod crd;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps in a Kubernetes cluster which Amazon Bedrock models exist in which region, and through
/// which inference profile each is invoked.
#[derive(Debug, Parser)]
#[command(name = "bedrock-model-map", version, max_term_width = 100)]
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
    /// Print the `CustomResourceDefinition` as YAML.
    Crd(crd::Crd),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("{0}")]
    Run(#[from] run::RunError),
    #[error("{0}")]
    Crd(#[from] crd::CrdError),
}

impl Cli {
    /// Carries the command out. Errors are printed on stderr.
    pub fn execute(self) -> ExitCode {
        let done = match self.command {
            Command::Run(run) => run.execute().map_err(CommandError::from),
            Command::Crd(crd) => crd.execute().map_err(CommandError::from),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bedrock-model-map: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

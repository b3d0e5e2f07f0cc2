//! Measures the operator on real parts: a control plane, the Bedrock simulator, and the program as it is released.

mod bare;
mod documents;
mod error;
mod machine;
mod measure;
mod metrics;
mod operator;
mod plot;
mod process;
mod report;
mod resources;
mod run;
mod scene;
mod sizing;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use error::Error;
use run::run;

/// Measures the operator, and prints tables in Markdown. Everything that it starts ends with it.
#[derive(Parser)]
struct Arguments {
    /// Smaller numbers: less than 5 minutes on 2 cores.
    #[arg(long)]
    quick: bool,

    /// The program to measure [default: the one beside this program].
    #[arg(long)]
    program: Option<PathBuf>,

    /// Only sections whose title contains this text, in any case; repeatable.
    #[arg(long)]
    only: Vec<String>,

    /// How many resources with a few models [default: 1000, with --quick 100].
    #[arg(long)]
    resources: Option<usize>,

    /// Write the tables and the plot into README.md and docs/ as well.
    #[arg(long, conflicts_with_all = ["only", "quick"])]
    write: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::io("no signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("no signals"))?;
        tokio::select! {
            outcome = run(&arguments) => outcome,
            _ = interrupt.recv() => Err(Error::Failed("interrupted".to_owned())),
            _ = terminate.recv() => Err(Error::Failed("terminated".to_owned())),
        }
    };
    match outcome.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

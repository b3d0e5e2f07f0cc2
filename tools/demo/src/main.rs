//! The operator at work on real parts: a control plane, the Bedrock simulator, and a sample resource.

mod environment;
mod manual;
mod operator;
mod published;
mod shorten;
mod step;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use control_plane::binaries;
use tokio::signal::unix::{SignalKind, signal};

use environment::{Environment, Error};

/// Starts a Kubernetes control plane, a simulated Amazon Bedrock and the operator on this machine, maps all regions,
/// shows what was published, and stays until Ctrl-C. Afterwards nothing is left.
#[derive(Parser)]
struct Arguments {
    /// Do not stay: end after the result was shown.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match demo(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(arguments: &Arguments) -> Result<(), Error> {
    let operator = operator::locate()?;
    // May build for minutes. Before signals are caught, so that until then Ctrl-C has its usual effect.
    let started = Instant::now();
    binaries::locate_for_demo().map_err(control_plane::Error::from)?;
    step::report("Programs of the control plane are there", started)?;

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = show(arguments, &operator) => return outcome,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // By now the environment was dropped, which waits until everything is gone.
    Ok(writeln!(io::stdout(), "\nStopped; nothing is left.")?)
}

async fn show(arguments: &Arguments, operator: &std::path::Path) -> Result<(), Error> {
    let environment = Environment::start(operator).await?;
    let mut out = io::stdout();
    writeln!(out, "\n{}", environment.published().await?)?;
    if arguments.once {
        return Ok(());
    }
    writeln!(out, "{}", environment.manual())?;
    match environment.watch().await? {}
}

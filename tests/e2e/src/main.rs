//! The operator on a real node.
//!
//! The program runs twice: outside it makes a machine within this one, and inside that it plays the scenario.

mod error;
mod scenario;
mod step;
mod wait;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use control_plane::machine::{self, Machine};
use control_plane::{binaries, node};

use error::Error;

/// Starts a Kubernetes cluster of one node on a machine of its own within this one, and checks there that Pods see what
/// changes in the ConfigMaps they mount. Needs root. Afterwards nothing is left.
#[derive(Parser)]
struct Arguments {}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    let outcome = match Machine::of_this_process() {
        None => outside(),
        Some(machine) => scenario::play(&machine).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "e2e: {error}");
            ExitCode::FAILURE
        }
    }
}

fn outside() -> Result<(), Error> {
    node::check().map_err(control_plane::Error::from)?;
    let started = Instant::now();
    binaries::locate_with_node().map_err(control_plane::Error::from)?;
    step::report("Programs of Kubernetes are there", started);

    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let ended = Machine::run(&env::current_exe()?, &arguments)?;
    let left = machine::traces(&ended.folder)?;
    if !left.is_empty() {
        return Err(Error::Left(left));
    }
    step::report("In all; no process, mount, cgroup or file is left", started);
    if ended.status.success() {
        Ok(())
    } else {
        Err(Error::Failed)
    }
}

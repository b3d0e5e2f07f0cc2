//! The operator on a real node.
//!
//! The program runs twice: outside it makes a machine within this one, and inside that it plays the scenario.

mod bedrock;
mod caller;
mod cluster_map;
mod command;
mod error;
mod helm;
mod images;
mod operator;
mod scenario;
mod step;
mod wait;
mod workload;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use control_plane::machine::{self, Machine};
use control_plane::{binaries, node};

use error::Error;
use scenario::Tools;

/// Installs the operator with its chart on a Kubernetes cluster of one real node, where a workload mounts what it
/// publishes, and upgrades, kills and uninstalls it. The cluster has a machine of its own within this one; afterwards
/// nothing is left. Needs root.
#[derive(Parser)]
struct Arguments {
    /// A chart that was released before, an archive or a folder: it is installed first, with this operator's image, and
    /// then upgraded to this chart. By default there is no such step.
    #[arg(long, value_name = "PATH")]
    previous_chart: Option<PathBuf>,

    /// The program `helm`. By default the pinned one is built.
    #[arg(long, value_name = "PATH")]
    helm: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match Machine::of_this_process() {
        None => outside(&arguments).await,
        Some(machine) => inside(&machine, arguments).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "e2e: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gets what comes over the network, which a machine of its own does not have, and runs the rest in one.
async fn outside(arguments: &Arguments) -> Result<(), Error> {
    node::check().map_err(control_plane::Error::from)?;
    let started = Instant::now();
    binaries::locate_with_node().map_err(control_plane::Error::from)?;
    let helm = match &arguments.helm {
        Some(helm) => helm.clone(),
        None => helm::locate().await?,
    };
    step::report("Programs of Kubernetes and helm are there", started);

    let mut inside = vec![OsString::from("--helm"), helm.into()];
    if let Some(chart) = &arguments.previous_chart {
        inside.extend(["--previous-chart".into(), chart.into()]);
    }
    let ended = Machine::run(&env::current_exe()?, &inside)?;
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

async fn inside(machine: &Machine, arguments: Arguments) -> Result<(), Error> {
    let tools = Tools {
        helm: arguments.helm.unwrap_or_else(|| "helm".into()),
        previous_chart: arguments.previous_chart,
    };
    scenario::run(machine, &tools).await
}

//! A control plane of Kubernetes from the command line.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use control_plane::machine::Machine;
use control_plane::{ControlPlane, binaries, node};

/// A real etcd, kube-apiserver and kube-controller-manager on loopback.
#[derive(Parser)]
enum Command {
    /// Get the programs, building them where needed, and print where they are.
    Fetch,
    /// Print Debian's packages that a node needs and this machine lacks, one a line.
    MissingPackages,
    /// Run a command on a machine of its own within this one, where it can be root of mounts and networks. Needs root.
    Machine {
        /// The command.
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<OsString>,
    },
    /// Start a control plane, print how to reach it, and keep it until Ctrl-C.
    Up,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Fetch => fetch(),
        Command::MissingPackages => {
            for package in node::missing_packages() {
                println!("{package}");
            }
            Ok(())
        }
        Command::Machine { command } => on_machine(&command),
        Command::Up => up().await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("control-plane: {error}");
            ExitCode::FAILURE
        }
    }
}

fn fetch() -> Result<(), Box<dyn Error>> {
    let binaries = binaries::locate()?;
    let required = [binaries.etcd, binaries.kube_apiserver, binaries.kubectl];
    for path in required.into_iter().chain(binaries.kube_controller_manager) {
        println!("{}", path.display());
    }
    Ok(())
}

fn on_machine(command: &[OsString]) -> Result<(), Box<dyn Error>> {
    if let [program, arguments @ ..] = command {
        let status = Machine::run(Path::new(program), arguments)?.status;
        if !status.success() {
            return Err(format!("{} ended ({status})", program.display()).into());
        }
    }
    Ok(())
}

async fn up() -> Result<(), Box<dyn Error>> {
    let control_plane = ControlPlane::start().await?;
    println!("export KUBECONFIG={}", control_plane.kubeconfig().display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

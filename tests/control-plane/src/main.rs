//! A control plane of Kubernetes from the command line.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use control_plane::{ControlPlane, binaries};

/// A real etcd, kube-apiserver and kube-controller-manager on loopback.
#[derive(Parser)]
enum Command {
    /// Get the programs, building them where needed, and print where they are.
    Fetch,
    /// Start a control plane, print how to reach it, and keep it until Ctrl-C.
    Up,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Fetch => fetch(),
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
    for path in [
        binaries.etcd,
        binaries.kube_apiserver,
        binaries.kube_controller_manager,
        binaries.kubectl,
    ] {
        println!("{}", path.display());
    }
    Ok(())
}

async fn up() -> Result<(), Box<dyn Error>> {
    let control_plane = ControlPlane::start().await?;
    println!("export KUBECONFIG={}", control_plane.kubeconfig().display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

//! The operator's own program, and its configuration.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use control_plane::{ControlPlane, Program};
use tokio::process::Command;

const NAME: &str = "bedrock-model-map";

/// The operator's program, which cargo builds into the same folder as this one.
pub fn locate() -> io::Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(NAME);
    if path.is_file() {
        return Ok(path);
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!(
            "{} is not there: run `make demo`, which builds it first",
            path.display()
        ),
    ))
}

/// The definition of the custom resource as this build of the operator has it.
pub async fn crd(operator: &Path) -> io::Result<String> {
    let output = Command::new(operator)
        .arg("crd")
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!(
            "`{NAME} crd` failed ({}): {}",
            output.status,
            message.trim(),
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The operator, not started yet. It inherits nothing but `PATH`: no credentials and no proxy.
pub fn prepare(operator: &Path, control_plane: &ControlPlane, bedrock: &str) -> Program {
    let environment = [
        (
            "KUBECONFIG",
            control_plane.kubeconfig().display().to_string(),
        ),
        // For every service of AWS: no request leaves this machine.
        ("AWS_ENDPOINT_URL", bedrock.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "demo".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "demo".to_owned()),
    ];
    let mut arguments: Vec<String> = environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let command = [
        "run",
        "--log-format=pretty",
        "--cluster-maps",
        // It is alone, and a busy machine may renew a lease too late.
        "--leader-elect=false",
        // Others may have the default port on this machine.
        "--bind-address=127.0.0.1:0",
    ];
    arguments.push(operator.display().to_string());
    arguments.extend(command.map(str::to_owned));
    control_plane.program(NAME, Path::new("env"), arguments)
}

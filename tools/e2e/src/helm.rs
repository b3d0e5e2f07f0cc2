//! The operator's release.

use std::env;
use std::path::{Path, PathBuf};

use control_plane::ControlPlane;
use tokio::process::Command;

use crate::command::{self, Error, run};

/// The namespace of the operator.
pub const NAMESPACE: &str = "bedrock-system";

/// The release, and with it the Deployment and the Lease.
pub const RELEASE: &str = "bedrock-model-map";

/// Longer than anything takes on a busy machine.
const TIMEOUT: &str = "3m";

/// Helm as the administrator of a cluster.
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Helm {
    pub fn of(program: &Path, control_plane: &ControlPlane) -> Self {
        Self {
            program: program.to_owned(),
            kubeconfig: control_plane.kubeconfig().to_owned(),
            home: control_plane.folder().to_owned(),
        }
    }

    /// Installs the chart, or upgrades what is installed, and waits until all its Pods are ready.
    pub async fn upgrade(
        &self,
        chart: &Path,
        values: &Path,
        settings: &[&str],
    ) -> Result<(), Error> {
        let mut command = self.command();
        command
            .args(["upgrade", "--install", RELEASE])
            .arg(chart)
            .arg("--values")
            .arg(values)
            .args(["--wait", "--timeout", TIMEOUT]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        run(&mut command).await?;
        Ok(())
    }

    /// Uninstalls the release and waits until its objects are gone.
    pub async fn uninstall(&self) -> Result<(), Error> {
        let mut command = self.command();
        command.args(["uninstall", RELEASE, "--wait", "--timeout", TIMEOUT]);
        run(&mut command).await?;
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .args(["--namespace", NAMESPACE]);
        command
    }
}

/// The pinned helm of the project, which is built where it is missing: minutes, once per machine.
pub async fn locate() -> Result<PathBuf, command::Error> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/deploy/tools.sh");
    let mut tools = Command::new("sh");
    tools.arg(script).stderr(std::process::Stdio::inherit());
    let folder = run(&mut tools).await?;
    Ok(Path::new(folder.trim_end()).join("helm"))
}

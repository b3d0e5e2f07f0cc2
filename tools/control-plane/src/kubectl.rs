//! kubectl of the control plane's version, so that none needs to be installed.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::ControlPlane;

/// Why kubectl failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be run.
    #[error("cannot run kubectl: {0}")]
    Run(#[from] io::Error),
    /// It said no.
    #[error("`kubectl {command}` failed ({status}): {message}")]
    Failed {
        /// Its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
}

/// kubectl as the administrator of a control plane.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    /// That of this control plane, whose folder it uses as its home.
    pub fn of(control_plane: &ControlPlane) -> Self {
        Self {
            program: control_plane.kubectl().to_owned(),
            kubeconfig: control_plane.kubeconfig().to_owned(),
            home: control_plane.folder().to_owned(),
        }
    }

    /// Where it is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it and returns what it prints.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, Error> {
        self.run_with(arguments, "").await
    }

    /// Runs it with that text on its stdin and returns what it prints.
    pub async fn run_with(&self, arguments: &[&str], stdin: &str) -> Result<String, Error> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("KUBECONFIG", &self.kubeconfig)
            // Its cache goes with the control plane, and the user's preferences do not apply.
            .env("HOME", &self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that ends without reading says why in its output.
            let _ = pipe.write_all(stdin.as_bytes()).await;
        }
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            return Err(Error::Failed {
                command: arguments.join(" "),
                status: output.status,
                message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

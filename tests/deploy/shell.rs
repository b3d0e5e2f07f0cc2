//! A shell in which a user follows a document: with the program, kubectl and helm, and a Bedrock to ask.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bedrock_simulator::Simulator;
use control_plane::{ControlPlane, Program};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::eventually;
use crate::tools::{ROOT, tool};

/// For a command. Much longer than any takes: a machine may be busy.
const DEADLINE: Duration = Duration::from_mins(4);

/// How a command begins that does not end.
const STAYS: &str = "bedrock-model-map run";

pub struct Shell<'a> {
    control_plane: &'a ControlPlane,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    staying: Vec<Program>,
}

impl<'a> Shell<'a> {
    /// In a folder, which is its home too, with the project's folders that documents speak of.
    pub fn new(control_plane: &'a ControlPlane, simulator: &Simulator) -> Self {
        let folder = control_plane.folder().join("shell");
        let programs = folder.join("bin");
        fs::create_dir_all(&programs).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_bedrock-model-map"));
        for (name, target) in [
            ("bedrock-model-map", program),
            ("kubectl-bmm", program),
            ("kubectl", control_plane.kubectl()),
            ("helm", &tool("helm")),
        ] {
            symlink(target, programs.join(name)).unwrap();
        }
        for name in ["charts", "config", "crds"] {
            symlink(Path::new(ROOT).join(name), folder.join(name)).unwrap();
        }
        let path = std::env::var("PATH").unwrap();
        let environment = vec![
            ("PATH", format!("{}:{path}", programs.display())),
            ("HOME", folder.display().to_string()),
            (
                "KUBECONFIG",
                control_plane.kubeconfig().display().to_string(),
            ),
            ("AWS_ENDPOINT_URL", simulator.url()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            // Several operators run side by side.
            ("BIND_ADDRESS", "127.0.0.1:0".to_owned()),
        ];
        Self {
            control_plane,
            folder,
            environment,
            staying: Vec::new(),
        }
    }

    /// Runs a command and returns what it printed, or what it said if it failed. An operator goes on until the shell is
    /// dropped.
    pub async fn run(&mut self, command: &str) -> Result<String, String> {
        if command.starts_with(STAYS) {
            self.stay(command).await?;
            return Ok("runs".to_owned());
        }
        let bash = Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(DEADLINE, bash)
            .await
            .map_err(|_| format!("does not end within {} s", DEADLINE.as_secs()))?
            .unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if output.status.success() {
            Ok(stdout)
        } else {
            Err(format!("{}\n{stdout}{stderr}", output.status))
        }
    }

    /// Starts an operator, and waits until it leads.
    async fn stay(&mut self, command: &str) -> Result<(), String> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let variables = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let mut arguments = vec!["-i".to_owned()];
        arguments.extend(variables);
        arguments.extend(["bash", "-c", command].map(str::to_owned));
        // A few bytes for each operator, for as long as the process runs.
        let name = format!("staying-{}", NUMBER.fetch_add(1, Ordering::Relaxed)).leak();
        let program = self
            .control_plane
            .program(name, "/usr/bin/env".as_ref(), arguments);
        program.start().unwrap();
        let leads = async || {
            let log = fs::read_to_string(program.log()).unwrap_or_default();
            log.contains("leader election won") || program.check().is_err()
        };
        let awaited = eventually("leader", leads).await;
        awaited.map_err(|late| format!("{late}:\n{}", program.log_tail()))?;
        program.check().map_err(|error| error.to_string())?;
        self.staying.push(program);
        Ok(())
    }
}

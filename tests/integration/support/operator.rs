//! The operator's program, as a child of the test.

use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use control_plane::{ControlPlane, Error, Program};

/// How much of the log a failed test shows.
const TAIL: usize = 40;

/// Whether the operator gets credentials for AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    Given,
    Missing,
}

/// What an operator is started with.
pub struct Launch<'a> {
    pub control_plane: &'a ControlPlane,
    pub kubeconfig: PathBuf,
    /// Where all of AWS is.
    pub aws: String,
    pub credentials: Credentials,
    /// The only namespace it looks after.
    pub namespace: &'a str,
    pub arguments: &'a [&'a str],
}

/// An operator, killed when this is dropped, and however else the test ends.
pub struct Operator {
    program: Program,
    pid_file: PathBuf,
}

impl Operator {
    pub fn start(launch: &Launch<'_>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("operator-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let pid_file = launch.control_plane.folder().join(format!("{name}.pid"));
        // Inherits nothing but `PATH`. The shell makes room for it, and so tells its process id.
        let mut arguments = vec![
            "-c".to_owned(),
            r#"echo $$ >"$0"; exec env "$@""#.to_owned(),
            pid_file.display().to_string(),
            format!("KUBECONFIG={}", launch.kubeconfig.display()),
            format!("AWS_ENDPOINT_URL={}", launch.aws),
            "AWS_EC2_METADATA_DISABLED=true".to_owned(),
            "AWS_REGION=us-east-1".to_owned(),
            // A home without `.aws`.
            format!("HOME={}", launch.control_plane.folder().display()),
        ];
        if launch.credentials == Credentials::Given {
            let keys = ["AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"];
            arguments.extend(keys.map(str::to_owned));
        }
        let command = [
            env!("CARGO_BIN_EXE_bedrock-model-map"),
            "run",
            "--watch-namespace",
            launch.namespace,
        ];
        arguments.extend(
            command
                .iter()
                .chain(launch.arguments)
                .map(ToString::to_string),
        );
        // A few bytes for each test, for as long as the process runs.
        let name: &'static str = Box::leak(name.into_boxed_str());
        let program = launch
            .control_plane
            .program(name, "/bin/sh".as_ref(), arguments);
        program.start().unwrap();
        Self { program, pid_file }
    }

    /// Kills it, as a crash would.
    pub fn kill(&self) {
        self.program.stop();
    }

    /// Starts it anew; what it knew is gone.
    pub fn start_anew(&self) {
        self.program.start().unwrap();
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let pid = fs::read_to_string(&self.pid_file).unwrap();
        let sent = std::process::Command::new("kill")
            .args(["-TERM", pid.trim()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// How it ended, if it has by itself.
    pub fn ended(&self) -> Option<ExitStatus> {
        match self.program.check() {
            Ok(()) => None,
            Err(Error::Ended { status, .. }) => Some(status),
            Err(other) => panic!("{other}"),
        }
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.program.log()).unwrap_or_default()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            eprintln!("the end of the operator's log:\n{}", tail.join("\n"));
        }
    }
}

//! The operator's program, as a child of the test.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use control_plane::{ControlPlane, Error, Program};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::eventually;

/// How much of the log a failed test shows.
const TAIL: usize = 40;

/// The credentials given: the access key's id and its secret.
pub const KEYS: [&str; 2] = ["AKIDOFTHETESTS", "secret-key-that-is-nobodys-concern"];

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
    /// More variables, as `NAME=value`.
    pub environment: &'a [String],
    /// A program that runs it, with its arguments, such as Valgrind; empty: none.
    pub runner: &'a [&'a str],
    /// The only namespace that it watches.
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
        // Inherits nothing but `PATH`. The shell replaces itself by it, so that the process id is known.
        let mut arguments = vec![
            "-c".to_owned(),
            r#"echo $$ >"$0"; exec env "$@""#.to_owned(),
            pid_file.display().to_string(),
            format!("KUBECONFIG={}", launch.kubeconfig.display()),
            format!("AWS_ENDPOINT_URL={}", launch.aws),
            "AWS_EC2_METADATA_DISABLED=true".to_owned(),
            // As the image has it.
            "MALLOC_ARENA_MAX=1".to_owned(),
            "BIND_ADDRESS=127.0.0.1:0".to_owned(),
            // One alone, so that it need not wait for a lease that it held before it was killed.
            "LEADER_ELECT=false".to_owned(),
            "AWS_REGION=us-east-1".to_owned(),
            // A home without `.aws`.
            format!("HOME={}", launch.control_plane.folder().display()),
        ];
        if launch.credentials == Credentials::Given {
            let [id, secret] = KEYS;
            arguments.push(format!("AWS_ACCESS_KEY_ID={id}"));
            arguments.push(format!("AWS_SECRET_ACCESS_KEY={secret}"));
        }
        arguments.extend_from_slice(launch.environment);
        // One with cluster maps works in all namespaces, and keeps to its test by a label.
        let has_cluster_maps = launch.arguments.contains(&"--cluster-maps=true");
        let label = format!("test={}", launch.namespace);
        let scope = if has_cluster_maps {
            ["--watch-label-selector", &label]
        } else {
            ["--watch-namespace", launch.namespace]
        };
        let command = [
            env!("CARGO_BIN_EXE_bedrock-model-map"),
            "run",
            scope[0],
            scope[1],
        ];
        let command = launch.runner.iter().chain(&command);
        arguments.extend(command.chain(launch.arguments).map(ToString::to_string));
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

    /// Starts it again with empty caches.
    pub fn restart(&self) {
        self.program.start().unwrap();
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        assert!(self.signal("-TERM"));
    }

    /// Stops it where it is, until it is resumed. Returns whether it was there.
    #[must_use]
    pub fn pause(&self) -> bool {
        self.signal("-STOP")
    }

    /// Lets it go on.
    pub fn resume(&self) {
        assert!(self.signal("-CONT"));
    }

    /// The most memory that the process has had, by `VmHWM` of Linux.
    pub fn peak_memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim_end_matches("kB").trim();
        kib.parse::<u64>().unwrap() / 1024
    }

    pub fn pid(&self) -> String {
        let pid = fs::read_to_string(&self.pid_file).unwrap();
        pid.trim().to_owned()
    }

    fn signal(&self, signal: &str) -> bool {
        let sent = std::process::Command::new("kill")
            .args([signal, &self.pid()])
            .status();
        sent.unwrap().success()
    }

    /// Until a line of the log has all of these.
    pub async fn logged(&self, parts: &[&str]) {
        eventually(async || {
            let log = self.log();
            let mut lines = log.lines();
            let found = lines.any(|line| parts.iter().all(|part| line.contains(part)));
            found.then_some(()).ok_or(format!("no {parts:?}"))
        })
        .await;
    }

    /// Until it has ended by itself.
    pub async fn end(&self) -> ExitStatus {
        eventually(async || self.ended().ok_or("it runs")).await
    }

    /// What it answers on its own HTTP server, once it listens: the status, and the body.
    pub async fn http_get(&self, path: &str) -> (u16, String) {
        let address = eventually(async || self.http_address().ok_or("no HTTP server")).await;
        http_get(&address, path).await.unwrap()
    }

    /// As it last logged it: each start takes another port.
    pub fn http_address(&self) -> Option<String> {
        let log = self.log();
        let events = log
            .lines()
            .rev()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut addresses =
            events.filter_map(|event: Value| Some(event.get("address")?.as_str()?.to_owned()));
        addresses.next()
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

/// What an HTTP server answers: the status, and the body.
pub async fn http_get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    // Of this version, the body comes in one piece and ends the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    let status = status.parse().map_err(io::Error::other)?;
    Ok((status, body.to_owned()))
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

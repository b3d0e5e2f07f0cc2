//! The program that is measured, as a child on a control plane of its own.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use control_plane::Program;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::error::Error;
use crate::process::{self, Usage};
use crate::scene::Scene;

const INTERVAL: Duration = Duration::from_millis(50);

/// Without CPU time for so long, the operator has nothing left to do.
const REST: Duration = Duration::from_secs(2);

/// The CPU time that an operator at rest may use within [`REST`].
const IDLE: Duration = Duration::from_millis(20);

/// For a start, and for a scrape.
const DEADLINE: Duration = Duration::from_mins(1);

/// Headers that Prometheus sends.
const PROMETHEUS: &str =
    "Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n";

/// An operator, killed when it is dropped, and however else this process ends.
pub struct Operator {
    program: Program,
    pid_file: PathBuf,
}

impl Operator {
    pub fn start(scene: &Scene) -> Result<Self, Error> {
        let control_plane = scene.control_plane();
        let pid_file = control_plane.folder().join("operator.pid");
        let environment = [
            format!("KUBECONFIG={}", control_plane.kubeconfig().display()),
            format!("HOME={}", control_plane.folder().display()),
            // As the image has it.
            "MALLOC_ARENA_MAX=1".to_owned(),
        ];
        // The shell replaces itself by the operator, so that the process id is known.
        let mut arguments = vec![
            "-c".to_owned(),
            r#"echo $$ >"$0"; exec env "$@""#.to_owned(),
            pid_file.display().to_string(),
        ];
        arguments.extend(environment);
        arguments.extend(scene.aws().map(|(name, value)| format!("{name}={value}")));
        arguments.push(scene.program().display().to_string());
        arguments.extend(["run", "--bind-address=127.0.0.1:0"].map(str::to_owned));
        // As the chart has it, save the lease, which a restart would wait for.
        arguments.push("--leader-elect=false".to_owned());
        let program = control_plane.program("operator", "/bin/sh".as_ref(), arguments);
        program.start()?;
        Ok(Self { program, pid_file })
    }

    pub fn stop(&self) {
        self.program.stop();
    }

    /// Kills it if it runs, and starts it with empty caches.
    pub fn restart(&self) -> Result<(), Error> {
        self.stop();
        let _ = fs::remove_file(&self.pid_file);
        fs::write(self.program.log(), "").map_err(Error::io("cannot empty the operator's log"))?;
        Ok(self.program.start()?)
    }

    pub fn usage(&self) -> Result<Usage, Error> {
        self.program.check()?;
        Usage::of(self.pid()?)
    }

    pub fn reset_peak(&self) -> Result<(), Error> {
        process::reset_peak(self.pid()?)
    }

    /// Waits until the operator rests; the moment when it began to.
    pub async fn rest(&self, within: Duration) -> Result<Instant, Error> {
        let (mut since, mut cpu) = (Instant::now(), Duration::MAX);
        let started = since;
        while since.elapsed() < REST {
            if started.elapsed() > within {
                let message = format!("the operator does not rest within {} s", within.as_secs());
                return Err(Error::Late(message));
            }
            // A process that was just started has no number yet.
            let used = match self.usage() {
                Ok(usage) => usage.cpu,
                Err(Error::Io { .. }) => Duration::MAX,
                Err(error) => return Err(error),
            };
            if cpu == Duration::MAX || used > cpu + IDLE {
                (since, cpu) = (Instant::now(), used);
            }
            sleep(INTERVAL).await;
        }
        Ok(since)
    }

    /// Its metrics, as text.
    pub async fn metrics(&self) -> Result<String, Error> {
        let text = self.scrape("").await?;
        String::from_utf8(text).map_err(|_| Error::Failed("the metrics are no text".to_owned()))
    }

    /// Its metrics, as Prometheus reads them: compressed.
    pub async fn compressed_metrics(&self) -> Result<Vec<u8>, Error> {
        self.scrape(PROMETHEUS).await
    }

    async fn scrape(&self, headers: &str) -> Result<Vec<u8>, Error> {
        let scrape = async {
            loop {
                self.program.check()?;
                if let Some(address) = self.address()
                    && let Ok(body) = http_get(&address, "/metrics", headers).await
                {
                    return Ok(body);
                }
                sleep(INTERVAL).await;
            }
        };
        timeout(DEADLINE, scrape)
            .await
            .map_err(|_| Error::Late("the operator serves no metrics".to_owned()))?
    }

    pub fn check(&self) -> Result<(), Error> {
        Ok(self.program.check()?)
    }

    fn pid(&self) -> Result<u32, Error> {
        let read = || {
            fs::read_to_string(&self.pid_file)?
                .trim()
                .parse()
                .map_err(io::Error::other)
        };
        read().map_err(Error::io("the operator has no process id"))
    }

    /// As the log names it: the system chooses the port.
    fn address(&self) -> Option<String> {
        let log = fs::read_to_string(self.program.log()).ok()?;
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut addresses =
            events.filter_map(|event: Value| Some(event.get("address")?.as_str()?.to_owned()));
        addresses.next()
    }
}

async fn http_get(address: &str, path: &str, headers: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // Of this version, the body comes in one piece and ends the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = end.map(|end| response.split_off(end + 4));
    match body {
        Some(body) if response.starts_with(b"HTTP/1.0 200 ") => Ok(body),
        _ => Err(io::Error::other(format!("no answer to GET {path}"))),
    }
}

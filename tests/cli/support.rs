//! The program, and a simulated Bedrock for it.

use std::fmt;
use std::path::Path;
use std::process::Stdio;

use bedrock_simulator::{Catalog, Simulator};
use tokio::process::Command;

/// What the program did.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Done {
    /// What it printed, all being well.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, 0, "{self}");
        self.stdout
    }

    /// It failed with this code, printed nothing that could be taken for an answer, and said this.
    #[track_caller]
    pub fn failed(&self, code: i32, why: &str) {
        assert_eq!(self.code, code, "{self}");
        assert_eq!(self.stdout, "", "{self}");
        assert!(self.stderr.contains(why), "{why}: {self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
    }
}

/// The program with these variables and nothing else of the environment.
pub fn program(variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-model-map"));
    command
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub async fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Done {
    let output = program(variables, arguments).output().await.unwrap();
    Done {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A simulated Bedrock with the real catalogue.
pub async fn bedrock() -> Simulator {
    Simulator::start(Catalog::real().unwrap()).await.unwrap()
}

/// Runs the program against it.
pub async fn ask(simulator: &Simulator, arguments: &[&str]) -> Done {
    let url = simulator.url();
    run(&aws(&url), arguments).await
}

pub fn aws(url: &str) -> [(&str, &str); 3] {
    [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The same bytes. What differs is shown where it begins: a mapping has megabytes.
#[track_caller]
pub fn assert_same(left: &str, right: &str) {
    let pairs = left.bytes().zip(right.bytes());
    let same = pairs.take_while(|(a, b)| a == b).count();
    let rest = |text: &str| {
        let bytes = &text.as_bytes()[same.saturating_sub(60)..];
        String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned()
    };
    assert!(left == right, "{}\n{}", rest(left), rest(right));
}

//! Container images without a container engine.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

const ARCHIVE: &str = include_str!("image/archive.sh");

/// What a container runs and as whom, unless its Pod says otherwise.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Config {
    /// The command; a Pod's `command` takes its place.
    pub entrypoint: Vec<String>,
    /// The command's arguments; a Pod's `args` take their place.
    pub cmd: Vec<String>,
    /// The environment, as `NAME=value`.
    pub env: Vec<String>,
    /// User and group, as `uid:gid`; root if empty.
    pub user: String,
}

/// Writes an image of that name, such as `localhost/app:1`, to an OCI archive, as `ctr images import` takes it. Its only
/// layer is the content of a folder, all of which belongs to root.
pub fn write(name: &str, root: &Path, config: &Config, archive: &Path) -> io::Result<()> {
    let config = serde_json::to_string(config)?;
    let output = Command::new("sh")
        .args(["-c", ARCHIVE, "sh", name])
        .arg(root)
        .args([architecture(), &config])
        .arg(archive)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(message.trim().to_owned()))
}

/// In the words of OCI, which are those of Go.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

//! The tools that check, and how they are run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The project's folder.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The chart's folder.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/bedrock-model-map");
/// The folder of the chart of definitions alone.
pub const CRD_CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/bedrock-model-map-crds");

/// Where a pinned tool is. The first that asks has them built, where they are not yet.
pub fn tool(name: &str) -> PathBuf {
    static TOOLS: LazyLock<PathBuf> = LazyLock::new(|| {
        let script = Path::new(ROOT).join("tests/deploy/tools.sh");
        let output = Command::new(script)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "tests/deploy/tools.sh failed");
        String::from_utf8(output.stdout).unwrap().trim().into()
    });
    TOOLS.join(name)
}

/// Runs a program in the project's folder; what it prints, or everything that it says if it fails.
pub fn run(program: &Path, arguments: &[&str], stdin: &str) -> Result<String, String> {
    run_with(Command::new(program).args(arguments), stdin)
}

/// As [`run`], of a command that has more than arguments.
pub fn run_with(command: &mut Command, stdin: &str) -> Result<String, String> {
    let mut child = command
        .current_dir(ROOT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let mut pipe = child.stdin.take().unwrap();
    let text = stdin.to_owned();
    // Beside the reading of its output: a program may write before it has read everything.
    let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that reads no input may have closed it already.
    let _ = writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    if output.status.success() {
        Ok(stdout)
    } else {
        Err(format!("{stdout}{stderr}"))
    }
}

//! A machine within this one is apart from it, and leaves nothing, however it ends. Only root can make one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use control_plane::machine::traces;

/// Makes one of each thing that a node makes, and says where.
const INHABIT: &str = r#"
set -e
mkdir "$CONTROL_PLANE_MACHINE/volume"
mount -t tmpfs tmpfs "$CONTROL_PLANE_MACHINE/volume"
for cgroup in /sys/fs/cgroup/${CONTROL_PLANE_MACHINE##*/} /sys/fs/cgroup/*/${CONTROL_PLANE_MACHINE##*/}; do
    [ ! -d "$cgroup" ] || mkdir "$cgroup/container"
done
ip link add machine-test type bridge
setsid sleep 600 2>/dev/null &
echo "$CONTROL_PLANE_MACHINE"
"#;

/// A command that runs a script on a machine of its own; nothing where that is not possible.
fn machine(script: &str) -> Option<Command> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Past the test harness, which would hold it back.
        let _ = writeln!(std::io::stderr(), "skipped: only root can make a machine");
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_control-plane"));
    command.args(["machine", "sh", "-c", script]);
    Some(command)
}

#[test]
fn killed_process_leaves_no_machine() {
    let Some(mut command) = machine(&format!("{INHABIT} exec sleep 600")) else {
        return;
    };
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let folder = Path::new(line.trim_end());
    let before = traces(folder).unwrap().join("\n");
    for trace in [
        "sleep 600",
        "/sys/fs/cgroup/",
        &format!("\n{}", folder.display()),
    ] {
        assert!(before.contains(trace), "no {trace} in\n{before}");
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(line.trim_end()), "{mounts}");
    assert!(!Path::new("/sys/class/net/machine-test").exists());

    process.kill().unwrap();
    process.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !traces(folder).unwrap().is_empty() {
        assert!(Instant::now() < deadline, "left: {:#?}", traces(folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn machine_is_removed_when_program_exits() {
    let Some(mut command) = machine(&format!("{INHABIT} exit 3")) else {
        return;
    };
    let output = command.output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    let (folder, error) = messages.split_once('\n').unwrap();
    assert!(error.contains("exit status: 3"), "{error}");
    assert!(Path::new(folder).is_absolute(), "{messages}");
    assert_eq!(
        traces(&PathBuf::from(folder)).unwrap(),
        Vec::<String>::new()
    );
}

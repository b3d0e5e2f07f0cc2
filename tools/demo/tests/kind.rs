//! `DEMO=kind make demo`, with a kind that gives the API server of a control plane of this machine.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use control_plane::ControlPlane;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/demo-kind.sh");

/// Does as `kind` does with the script's options, and writes down each call.
const KIND: &str = r#"#!/bin/sh
echo "$*" >>"$KIND_CALLS"
case "$*" in
    "get clusters") echo "$KIND_CLUSTERS" ;;
    "create cluster "*) cp "$KIND_KUBECONFIG" "$KUBECONFIG" ;;
esac
"#;

fn write_program(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The script with `--once`, with these programs before those of the system.
fn demo(programs: &Path, path: &str, environment: &[(&str, &str)]) -> Output {
    Command::new("/bin/bash")
        .arg(SCRIPT)
        .arg(Path::new(env!("CARGO_BIN_EXE_demo")).parent().unwrap())
        .arg("--once")
        .env("PATH", format!("{}{path}", programs.display()))
        .env("KIND_CALLS", programs.join("calls"))
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn cluster_of_kind_shows_sample_and_is_deleted() {
    let control_plane = ControlPlane::start().await.unwrap();
    let programs = tempfile::tempdir().unwrap();
    write_program(programs.path(), "kind", KIND);
    write_program(programs.path(), "docker", "#!/bin/sh\n");
    symlink(control_plane.kubectl(), programs.path().join("kubectl")).unwrap();
    let kubeconfig = control_plane.kubeconfig().to_str().unwrap();
    let environment = [("KIND_KUBECONFIG", kubeconfig), ("KIND_CLUSTERS", "other")];
    let system = ":/usr/bin:/bin";

    let output = demo(programs.path(), system, &environment);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = String::from_utf8_lossy(&output.stdout);
    for expected in [
        "team-c",
        "31/31",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    let calls = fs::read_to_string(programs.path().join("calls")).unwrap();
    let calls: Vec<_> = calls.lines().collect();
    assert!(
        matches!(calls[..], [_, create, delete]
            if create.starts_with("create cluster --name bedrock-model-map-demo ")
                && delete.starts_with("delete cluster --name bedrock-model-map-demo ")),
        "{calls:?}"
    );

    // A cluster that somebody keeps under this name is neither used nor deleted.
    let environment = [("KIND_CLUSTERS", "bedrock-model-map-demo")];
    let output = demo(programs.path(), system, &environment);
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("exists already"),
        "{}",
        stderr(&output)
    );
    let calls = fs::read_to_string(programs.path().join("calls")).unwrap();
    assert_eq!(calls.lines().last(), Some("get clusters"));
}

#[test]
fn missing_tool_is_named() {
    let programs = tempfile::tempdir().unwrap();
    symlink("/usr/bin/dirname", programs.path().join("dirname")).unwrap();
    write_program(programs.path(), "docker", "#!/bin/sh\nexit 1\n");
    let missing =
        |tool| format!("demo: DEMO=kind needs docker, kind and kubectl; {tool} is missing.");
    for (added, expected) in [
        (None, missing("kind")),
        (Some("kind"), missing("kubectl")),
        (Some("kubectl"), "demo: docker does not answer.".to_owned()),
    ] {
        if let Some(name) = added {
            write_program(programs.path(), name, "#!/bin/sh\n");
        }
        let error = stderr(&demo(programs.path(), "", &[]));
        assert!(error.starts_with(&expected), "{error}");
    }
}

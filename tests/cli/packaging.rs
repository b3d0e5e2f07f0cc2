//! What those who package the program take from it.

use std::os::unix::fs::symlink;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{path, run};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];
const COMMANDS: [&str; 6] = ["completions", "crd", "discover", "get", "resolve", "run"];

#[tokio::test]
async fn completions_of_every_shell_have_every_command() {
    for shell in SHELLS {
        let script = run(&[], &["completions", shell]).await.well();
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(script.contains("output-dir"), "{shell}");
    }
    run(&[], &["completions", "tcl"]).await.failed(2, "tcl");
}

#[tokio::test]
async fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("completions");
    std::fs::write(&script, run(&[], &["completions", "bash"]).await.well()).unwrap();
    let complete = async |words: &str| {
        let line = format!(
            "source {}; COMP_WORDS=(bedrock-model-map {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _bedrock__model__map bedrock-model-map \"${{COMP_WORDS[COMP_CWORD]}}\"; echo \"${{COMPREPLY[@]}}\"",
            path(&script)
        );
        let output = Command::new("bash").args(["-c", &line]).output().await;
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(complete("res").await, "resolve\n");
    assert_eq!(complete("get --wat").await, "--watch\n");
}

#[tokio::test]
async fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert_eq!(run(&[], &["man", path(&pages)]).await.well(), "");
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("bedrock-model-map.1").contains(".TH bedrock-model-map 1"));
    for command in COMMANDS {
        let page = page(&format!("bedrock-model-map-{command}.1"));
        assert!(page.contains(".SH OPTIONS"), "{command}");
    }
    // For packagers, not for users.
    let help = run(&[], &["--help"]).await.well();
    assert!(!help.contains("man "), "{help}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    run(&[], &["man", path(&file)]).await.failed(1, path(&file));
}

#[tokio::test]
async fn plugin_names_itself_kubectl_bmm() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-bmm");
    symlink(env!("CARGO_BIN_EXE_bedrock-model-map"), &plugin).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(&plugin);
        let command = command.args(arguments).env_clear().stdin(Stdio::null());
        command.output().await.unwrap()
    };
    let help = run(&["get", "--help"]).await;
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("Usage: kubectl bmm get [OPTIONS] <NAME>"),
        "{help}"
    );
    let failed = run(&[
        "resolve",
        "x",
        "--region",
        "us-east-1",
        "--dir",
        "/nonexistent",
    ])
    .await;
    let stderr = String::from_utf8(failed.stderr).unwrap();
    assert!(
        stderr.starts_with("kubectl bmm: /nonexistent cannot be read: "),
        "{stderr}"
    );
}

//! A control plane does not outlive the process that started it, not even one that had no chance to clean up.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a control plane in another process and returns the path of its folder.
fn up() -> (Child, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .arg("up")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let kubeconfig = line.trim_end().strip_prefix("export KUBECONFIG=").unwrap();
    let folder = Path::new(kubeconfig)
        .parent()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    (process, folder)
}

/// The command lines that name the folder, as those of all its programs and of their shells do.
fn command_lines(folder: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

#[test]
fn killed_process_leaves_no_process_and_no_folder() {
    let (mut process, folder) = up();
    for program in ["/etcd ", "/kube-apiserver ", "/kube-controller-manager "] {
        assert!(
            command_lines(&folder)
                .iter()
                .any(|line| line.contains(program)),
            "{program}"
        );
    }

    process.kill().unwrap();
    process.wait().unwrap();

    let deadline = Instant::now() + Duration::from_secs(30);
    while !command_lines(&folder).is_empty() || Path::new(&folder).exists() {
        assert!(
            Instant::now() < deadline,
            "left of {folder}: {:#?}",
            command_lines(&folder)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

//! Requests to the service while its map changes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ended with the test, also if that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Writes and shows the files as a kubelet does.
fn mount(folder: &Path, writing: &str, model: &str) {
    let new = folder.join(writing);
    fs::create_dir(&new).unwrap();
    let models = format!(r#"{{"{model}":{{"inferenceTypesSupported":["ON_DEMAND"]}}}}"#);
    fs::write(new.join("models.json"), models).unwrap();
    let metadata = r#"{"schemaVersion":1,"region":"eu-west-1","state":"Fresh","discoveredAt":"2026-11-01T00:00:00Z","models":1,"profiles":0,"associations":0}"#;
    fs::write(new.join("metadata.json"), metadata).unwrap();
    symlink(writing, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_answers_from_the_map_and_follows_its_changes() {
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "..1", "a.first");
    let mut service = Command::new(env!("CARGO_BIN_EXE_rust-service"))
        .args([folder.path(), Path::new("127.0.0.1:0")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let _running = Running(service);
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_prefix("listening on ").unwrap();

    let first = get(address, "/eu-west-1/a.first");
    assert!(
        first.starts_with("HTTP/1.1 200") && first.ends_with("a.first"),
        "{first}"
    );
    let second = get(address, "/eu-west-1/a.second");
    assert!(
        second.starts_with("HTTP/1.1 404") && second.contains("no model of eu-west-1"),
        "{second}"
    );

    mount(folder.path(), "..2", "a.second");
    assert_eq!(lines.next().unwrap().unwrap(), "changed: 1 regions");
    let second = get(address, "/eu-west-1/a.second");
    assert!(
        second.starts_with("HTTP/1.1 200") && second.ends_with("a.second"),
        "{second}"
    );
}

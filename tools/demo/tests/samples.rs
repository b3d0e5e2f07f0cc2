//! The API server takes every sample and every example, and none has a field that the definition does not know.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use control_plane::ControlPlane;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn kubectl(control_plane: &ControlPlane, arguments: &[&str], file: &Path) {
    let output = Command::new(control_plane.kubectl())
        .args(arguments)
        .arg("-f")
        .arg(file)
        .env("KUBECONFIG", control_plane.kubeconfig())
        .env("HOME", control_plane.folder())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr),
    );
}

#[tokio::test]
async fn samples_are_valid() {
    let control_plane = ControlPlane::start().await.unwrap();
    let definition = Path::new(ROOT).join("crds/bedrockmodelmaps.yaml");
    kubectl(&control_plane, &["apply", "--server-side"], &definition);
    kubectl(
        &control_plane,
        &["wait", "--for=condition=Established"],
        &definition,
    );

    let of = |folder: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| !path.ends_with("kustomization.yaml"))
            .collect()
    };
    let (samples, examples) = (of("config/samples"), of("examples/kubernetes"));
    assert!(!samples.is_empty() && !examples.is_empty());
    for sample in samples.into_iter().chain(examples) {
        kubectl(
            &control_plane,
            &["create", "--dry-run=server", "--validate=strict"],
            &sample,
        );
    }
}

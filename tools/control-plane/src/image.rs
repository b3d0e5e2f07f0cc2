//! Container images without a container engine.

mod final_stage;

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

pub use final_stage::{Copy, FinalStage};

const ARCHIVE: &str = include_str!("image/archive.sh");

/// Command and user of a container, unless its Pod sets others.
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::{Value, json};

    use super::*;

    fn tar(arguments: &[&str], folder: &Path) -> String {
        let output = Command::new("tar")
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn image_archive_index_leads_to_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("bin/app"), "a program").unwrap();
        fs::set_permissions(root.join("bin/app"), fs::Permissions::from_mode(0o755)).unwrap();
        let config = Config {
            entrypoint: vec!["/bin/app".to_owned()],
            user: "1:2".to_owned(),
            ..Config::default()
        };
        let archive = folder.path().join("image.tar");
        write("localhost/app:1", &root, &config, &archive).unwrap();

        tar(&["-xf", "image.tar"], folder.path());
        let json = |path: &str| -> Value {
            serde_json::from_slice(&fs::read(folder.path().join(path)).unwrap()).unwrap()
        };
        let blob = |descriptor: &Value| {
            let (_, sha256) = descriptor["digest"]
                .as_str()
                .unwrap()
                .split_once(':')
                .unwrap();
            let path = format!("blobs/sha256/{sha256}");
            let size = fs::metadata(folder.path().join(&path)).unwrap().len();
            assert_eq!(descriptor["size"], size);
            path
        };
        let listed = &json("index.json")["manifests"][0];
        assert_eq!(
            listed["annotations"],
            json!({"io.containerd.image.name": "localhost/app:1"})
        );
        let manifest = json(&blob(listed));
        let image = json(&blob(&manifest["config"]));
        assert_eq!(image["config"]["Entrypoint"], json!(["/bin/app"]));
        assert_eq!(image["config"]["User"], "1:2");
        let layer = &manifest["layers"][0];
        assert_eq!(image["rootfs"]["diff_ids"], json!([layer["digest"]]));
        let files = tar(&["-tvf", &blob(layer), "--numeric-owner"], folder.path());
        let app = files
            .lines()
            .find(|line| line.ends_with("./bin/app"))
            .unwrap();
        assert!(app.starts_with("-rwxr-xr-x 0/0 "), "{app}");
    }

    #[test]
    fn missing_image_root_is_named_in_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("nowhere");
        let archive = folder.path().join("image.tar");
        let error = write("localhost/app:1", &root, &Config::default(), &archive).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}

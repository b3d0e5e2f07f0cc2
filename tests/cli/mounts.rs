use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{path, run};

const MODELS: &str = r#"{"a.b":{"modelId":"a.b","inferenceTypesSupported":["ON_DEMAND"]}}"#;
const REGION: &str = r#"{"schemaVersion":1,"region":"us-east-1","state":"Fresh","discoveredAt":"2026-11-01T00:00:00Z","models":1,"profiles":0,"associations":0}"#;
const MERGED: &str = r#"{"schemaVersion":1,"models":1,"profiles":0,"associations":0,"regions":{"us-east-1":{"state":"Stale","discoveredAt":"2026-11-01T00:00:00Z","staleSince":"2026-11-02T00:00:00Z"}}}"#;

/// The files of a folder: name and content.
type ConfigMapFiles<'a> = &'a [(&'a str, &'a [u8])];
/// Puts something into a folder.
type Make<'a> = &'a dyn Fn(&Path);

fn gzip(mut content: impl std::io::Read) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::copy(&mut content, &mut encoder).unwrap();
    encoder.flush().unwrap();
    encoder.finish().unwrap()
}

fn mapping() -> String {
    format!(r#"{{"models":{{"us-east-1":{MODELS}}}}}"#)
}

fn folder(files: ConfigMapFiles) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

async fn resolve(dir: &Path) -> crate::support::Done {
    let arguments = [
        "resolve",
        "a.b",
        "--region",
        "us-east-1",
        "--dir",
        path(dir),
        "-o",
        "id",
    ];
    run(&[], &arguments).await
}

#[tokio::test]
async fn every_layout_of_a_mount_is_read() {
    let (mapping, gz) = (mapping(), gzip(mapping().as_bytes()));
    let (models, region, merged) = (MODELS.as_bytes(), REGION.as_bytes(), MERGED.as_bytes());
    let cases: [ConfigMapFiles; 5] = [
        &[("models.json", models), ("metadata.json", region)],
        &[
            ("x/models.json", models),
            ("x/metadata.json", region),
            ("other/file", b""),
        ],
        &[
            ("mapping.json", mapping.as_bytes()),
            ("metadata.json", merged),
        ],
        &[("mapping.json.gz", &gz), ("metadata.json", merged)],
        &[("us/mapping.json.gz", &gz), ("us/metadata.json", merged)],
    ];
    for files in cases {
        let folder = folder(files);
        let done = resolve(folder.path()).await;
        let is_stale = done
            .stderr
            .contains("us-east-1 is Stale: the data could not be confirmed since 2026-11-02");
        let holds_merged = files.iter().any(|(_, content)| *content == merged);
        assert_eq!(is_stale, holds_merged, "{done}");
        assert_eq!(done.well(), "a.b\n");
    }
}

#[tokio::test]
async fn kubelet_layout_is_read() {
    let folder = folder(&[
        ("..2026_11_01/models.json", MODELS.as_bytes()),
        ("..2026_11_01/metadata.json", REGION.as_bytes()),
    ]);
    symlink("..2026_11_01", folder.path().join("..data")).unwrap();
    for name in ["models.json", "metadata.json"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).unwrap();
    }
    assert_eq!(resolve(folder.path()).await.well(), "a.b\n");
}

#[tokio::test]
async fn invalid_mounts_are_reported() {
    let (models, region, merged) = (MODELS.as_bytes(), REGION.as_bytes(), MERGED.as_bytes());
    let future = REGION.replace(r#""schemaVersion":1"#, r#""schemaVersion":2"#);
    let two = REGION.replace(r#""models":1"#, r#""models":2"#);
    let other = MERGED.replace("us-east-1", "us-east-2");
    let good_gz = gzip(mapping().as_bytes());
    let bomb = gzip(std::io::repeat(b' ').take(80 * 1024 * 1024));
    let cases: [(ConfigMapFiles, &str); 15] = [
        (&[], "the folder is empty; is the ConfigMap mounted there?"),
        (&[("notes.txt", b"x")], "no model map in this folder"),
        (&[("x/notes.txt", b"x")], "no model map in this folder"),
        (
            &[("models.json", models)],
            "incomplete: metadata.json is missing",
        ),
        (
            &[("metadata.json", region)],
            "incomplete: models.json is missing",
        ),
        (
            &[("metadata.json", merged)],
            "incomplete: mapping.json is missing",
        ),
        (
            &[("models.json", models), ("metadata.json", b"{}")],
            "it has no valid schemaVersion",
        ),
        (
            &[
                ("models.json", models),
                ("metadata.json", br#"{"schemaVersion":1}"#),
            ],
            "it has no region",
        ),
        (
            &[
                ("models.json", models),
                ("metadata.json", future.as_bytes()),
            ],
            "schemaVersion 2, and this version reads 1",
        ),
        (
            &[("models.json", &models[..20]), ("metadata.json", region)],
            "models.json cannot be parsed: ",
        ),
        (
            &[("models.json", &[0xff]), ("metadata.json", region)],
            "models.json cannot be read: ",
        ),
        (
            &[("models.json", models), ("metadata.json", two.as_bytes())],
            "models.json and metadata.json disagree: models.json has 1 models, metadata.json says 2",
        ),
        (
            &[
                ("mapping.json.gz", &good_gz),
                ("metadata.json", other.as_bytes()),
            ],
            "region us-east-1 is only in mapping.json",
        ),
        (
            &[
                ("mapping.json.gz", &good_gz[..30]),
                ("metadata.json", merged),
            ],
            "mapping.json.gz cannot be read",
        ),
        (
            &[("mapping.json.gz", &bomb), ("metadata.json", merged)],
            "mapping.json.gz expands to more than",
        ),
    ];
    for (files, why) in cases {
        let folder = folder(files);
        resolve(folder.path()).await.failed(1, why);
    }
    resolve("/nonexistent/folder".as_ref())
        .await
        .failed(1, "/nonexistent/folder cannot be read: No such file");
    let twice = folder(&[
        ("a/models.json", models),
        ("a/metadata.json", region),
        ("b/models.json", models),
        ("b/metadata.json", region),
    ]);
    resolve(twice.path())
        .await
        .failed(1, "two folders in it have the region us-east-1");
}

#[tokio::test]
async fn special_files_are_refused_without_blocking() {
    let loops = |name: &'static str| move |folder: &Path| symlink(name, folder.join(name)).unwrap();
    let cases: [(Make, &str); 6] = [
        (
            &|folder| fs::create_dir(folder.join("models.json")).unwrap(),
            "models.json cannot be read: not a regular file",
        ),
        (
            &|folder| {
                let pipe = std::process::Command::new("mkfifo")
                    .arg(folder.join("models.json"))
                    .status();
                assert!(pipe.unwrap().success());
            },
            "models.json cannot be read: not a regular file",
        ),
        (
            &|folder| symlink("/dev/zero", folder.join("models.json")).unwrap(),
            "models.json cannot be read: not a regular file",
        ),
        (
            &loops("models.json"),
            "models.json cannot be read: Too many levels of symbolic links",
        ),
        (
            &loops("..data"),
            "cannot be read: Too many levels of symbolic links",
        ),
        (
            &|folder| {
                for number in 0..257 {
                    fs::create_dir(folder.join(format!("{number}"))).unwrap();
                }
            },
            "it has more than 256 folders",
        ),
    ];
    for (make, why) in cases {
        let folder = folder(&[("metadata.json", REGION.as_bytes())]);
        make(folder.path());
        resolve(folder.path()).await.failed(1, why);
    }
    let file = folder(&[("file", b"")]);
    resolve(&file.path().join("file"))
        .await
        .failed(1, "file cannot be read: Not a directory");
}

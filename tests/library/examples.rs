//! The programs in `examples/`, run as a user runs them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use bedrock_simulator::{Catalog, Simulator};
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::kubelet::{ConfigMapFiles, Mount};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const REGION: &str = "eu-central-1";
const ID: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn example(path: &str) -> PathBuf {
    Path::new(ROOT).join("examples").join(path)
}

/// A program with the simulator as its AWS, and nothing else of the environment.
fn program(name: impl AsRef<std::ffi::OsStr>, simulator: Option<&Simulator>) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_bedrock-model-map"));
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new(name);
    command
        .env_clear()
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().unwrap().display()),
        )
        .envs(
            std::env::vars()
                .filter(|(name, _)| ["HOME", "XDG_CACHE_HOME"].contains(&name.as_str())),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        .env("AWS_REGION", REGION)
        .stdin(Stdio::null());
    if let Some(simulator) = simulator {
        command
            .env("AWS_ENDPOINT_URL", simulator.url())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
    }
    command
}

#[track_caller]
fn well(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// It failed, answered nothing, and said this.
#[track_caller]
fn refused(output: &Output, why: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    assert!(errors.contains(why), "{errors}");
    assert!(!errors.contains("Traceback"), "{errors}");
}

async fn bedrock() -> Simulator {
    Simulator::start(Catalog::real().unwrap()).await.unwrap()
}

/// What an operator would publish of the region and of all regions.
struct ModelMap {
    folder: TempDir,
    mapping: String,
}

impl ModelMap {
    async fn by(simulator: &Simulator) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [
            "discover",
            "--region",
            REGION,
            "--region",
            "us-east-1",
            "-o",
            "json",
        ];
        let mut command = program(env!("CARGO_BIN_EXE_bedrock-model-map"), Some(simulator));
        command
            .args(arguments)
            .arg("--output-dir")
            .arg(folder.path());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let mapping = well(&output.unwrap().unwrap());
        Self { folder, mapping }
    }

    fn region_folder(&self) -> PathBuf {
        self.folder.path().join(REGION)
    }

    /// The region's ConfigMap, mounted.
    fn mount(&self) -> Mount {
        let files = ["models.json", "invocation.json", "metadata.json"];
        let read = |name: &str| fs::read_to_string(self.region_folder().join(name)).unwrap();
        Mount::of(
            &files
                .iter()
                .map(|name| ((*name).to_owned(), read(name)))
                .collect::<ConfigMapFiles>(),
        )
    }

    /// The files of the merged ConfigMap, compressed.
    fn merged_folder(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = fs::File::create(folder.path().join("mapping.json.gz")).unwrap();
        let mut gzip = GzEncoder::new(file, flate2::Compression::fast());
        gzip.write_all(self.mapping.as_bytes()).unwrap();
        gzip.finish().unwrap();
        let metadata = format!(
            r#"{{"schemaVersion":1,"models":2,"profiles":2,"associations":2,"regions":{{"{REGION}":{{"state":"Fresh"}},"us-east-1":{{"state":"Fresh"}}}}}}"#
        );
        fs::write(folder.path().join("metadata.json"), metadata).unwrap();
        folder
    }
}

async fn converse(simulator: &Simulator, folder: &Path, model: &str) -> Output {
    let tools = Path::new(ROOT).join("tools");
    let mut command = program(tools.join("python.sh"), Some(simulator));
    command
        .arg(tools.join("oracle/requirements.txt"))
        .arg(example("python/converse.py"))
        .arg("--dir")
        .arg(folder);
    command.args([model, "Hello"]);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn python_calls_a_model_by_its_profile() {
    let simulator = bedrock().await;
    let published = ModelMap::by(&simulator).await;
    let merged = published.merged_folder();
    let mount = published.mount();
    for folder in [mount.path(), &published.region_folder(), merged.path()] {
        let output = converse(&simulator, folder, MODEL).await;
        assert_eq!(well(&output), format!("{ID} in {REGION} heard you.\n"));
    }
    let unknown = converse(&simulator, mount.path(), "no.such-model").await;
    refused(&unknown, "eu-central-1 has no model no.such-model");
    fs::write(merged.path().join("mapping.json.gz"), [31, 139, 8, 0]).unwrap();
    let corrupt = converse(&simulator, merged.path(), MODEL).await;
    refused(&corrupt, "mapping.json.gz: ");
    let empty = tempfile::tempdir().unwrap();
    let empty = converse(&simulator, empty.path(), MODEL).await;
    refused(&empty, "metadata.json: ");
}

/// Every model of the regions, by the ID to pass, as each language reads it.
#[tokio::test(flavor = "multi_thread")]
async fn python_and_node_read_what_rust_reads() {
    const PYTHON: &str = "import json, sys; import bedrock_map as m; print(json.dumps({r: {i: f['invokeWith'] for i, f in v['invocation'].items()} for r, v in m.read(sys.argv[1]).items()}))";
    const NODE: &str = "import { read } from './bedrock-map.mjs'; console.log(JSON.stringify(Object.fromEntries([...read(process.argv[1])].map(([r, v]) => [r, Object.fromEntries(Object.entries(v.invocation).map(([i, f]) => [i, f.invokeWith]))]))))";
    let simulator = bedrock().await;
    let published = ModelMap::by(&simulator).await;
    let (mount, merged) = (published.mount(), published.merged_folder());
    for folder in [mount.path(), merged.path()] {
        let read = bedrock_model_map::reader::MountedMap::open(folder).unwrap();
        let read = read.current();
        let ids = read.regions().map(|(name, region)| {
            let facts = region.invocations().iter();
            let ids: serde_json::Map<_, _> = facts
                .map(|(id, f)| (id.clone(), f.invoke_with.clone().into()))
                .collect();
            (name.to_owned(), ids.into())
        });
        let ids: serde_json::Map<String, serde_json::Value> = ids.collect();
        let python = program("python3", None)
            .args(["-c", PYTHON])
            .arg(folder)
            .current_dir(example("python"))
            .output();
        let node = program("node", None)
            .args(["--input-type=module", "-e", NODE])
            .arg(folder)
            .current_dir(example("node"))
            .output();
        for output in [python.unwrap(), node.unwrap()] {
            let other: serde_json::Map<_, _> = serde_json::from_str(&well(&output)).unwrap();
            assert!(other == ids, "{other:?}\n{ids:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_prints_the_id_to_pass() {
    let simulator = bedrock().await;
    let published = ModelMap::by(&simulator).await;
    let mount = published.mount();
    let run = |region: &str| {
        let mut node = program("node", None);
        node.arg(example("node/bedrock-map.mjs")).arg(mount.path());
        node.args([region, MODEL]).output().unwrap()
    };
    assert_eq!(well(&run(REGION)), format!("{ID}\n"));
    refused(
        &run("us-west-2"),
        "region us-west-2 is not available; available regions: eu-central-1",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shell_runs_a_command_with_the_id() {
    let simulator = bedrock().await;
    let published = ModelMap::by(&simulator).await;
    let mount = published.mount();
    let run = |model: &str| {
        let mut shell = program(example("shell/with-model-id.sh"), None);
        shell.env("BEDROCK_MAP_DIR", mount.path());
        shell
            .args([model, "sh", "-c", "echo \"$MODEL_ID\""])
            .output()
            .unwrap()
    };
    assert_eq!(well(&run("claude-sonnet-4-5")), format!("{ID}\n"));
    refused(&run("claude"), "models match; name one of them");
}

/// Ended with the test, also if that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn invocation(id: &str) -> ConfigMapFiles {
    let content = format!(r#"{{"{MODEL}":{{"invokeWith":"{id}"}}}}"#);
    vec![("invocation.json".to_owned(), content)]
}

#[test]
fn deployment_restarts_with_the_new_id() {
    let yaml = fs::read_to_string(example("kubernetes/deployment.yaml")).unwrap();
    let deployment: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let command: Vec<String> = serde_json::from_value(container["command"].clone()).unwrap();
    let mount = Mount::of(&invocation("first"));
    let mut child = program(&command[0], None)
        .args(&command[1..])
        .env("BEDROCK_MAP_DIR", mount.path())
        .env("MODEL", MODEL)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _running = Running(child);
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), format!("invoke {MODEL} with first"));
    mount.write(&vec![("invocation.json".to_owned(), "{".to_owned())]);
    assert!(next().starts_with("the last id stays in use"));
    mount.write(&invocation("second"));
    assert_eq!(next(), format!("invoke {MODEL} with second"));
}

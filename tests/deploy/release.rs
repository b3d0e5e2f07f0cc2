//! What a release is made with: the Dockerfile, the workflows, and versions that agree.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use control_plane::ControlPlane;
use control_plane::image::{Copy, FinalStage};
use kube::config::Kubeconfig;

use crate::cluster::{Cluster, bedrock};
use crate::manifests::{NAME, chart, container, kustomize, objects};
use crate::tools::{CHART, CRD_CHART, ROOT, run, tool};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

#[test]
fn dockerfile_passes_hadolint() {
    run(&tool("hadolint"), &["Dockerfile"], "").unwrap();
}

#[test]
fn workflows_pass_actionlint() {
    let workflows = fs::read_dir(Path::new(ROOT).join(".github/workflows")).unwrap();
    let workflows: Vec<PathBuf> = workflows.map(|entry| entry.unwrap().path()).collect();
    assert!(!workflows.is_empty());
    let paths: Vec<&str> = workflows
        .iter()
        .map(|path| path.to_str().unwrap())
        .collect();
    run(&tool("actionlint"), &paths, "").unwrap();
}

/// Injection, rights that a job does not need, credentials that stay on the runner, caches that a release must not read.
#[test]
fn workflows_pass_zizmor() {
    run(&tool("zizmor"), &["--offline", "--quiet", ".github"], "").unwrap();
}

/// A release comes only from what has passed everything.
#[test]
fn release_waits_for_ci() {
    let release = objects(&text(".github/workflows/release.yaml"));
    let jobs = &release[0]["jobs"];
    assert_eq!(jobs["ci"]["uses"], "./.github/workflows/ci.yaml");
    for job in ["publish", "krew"] {
        let needs = jobs[job]["needs"].to_string();
        assert!(
            needs.contains("\"ci\"") || needs == "\"publish\"",
            "{job}: {needs}"
        );
    }
}

/// A tag can be moved to other code, a commit cannot.
#[test]
fn actions_are_pinned_to_commits() {
    let workflows = fs::read_dir(Path::new(ROOT).join(".github/workflows")).unwrap();
    let texts = workflows.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let actions =
        ["set-up", "fuzz"].map(|name| text(&format!(".github/actions/{name}/action.yaml")));
    let text = texts.collect::<String>() + &actions.concat();
    let used: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once("uses: ")?.1))
        .filter(|action| !action.starts_with("./"))
        .collect();
    assert!(used.len() > 5, "{used:?}");
    for action in used {
        let (_, pin) = action.split_once('@').unwrap();
        let (commit, version) = pin.split_once(" # v").unwrap_or((pin, ""));
        let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_commit && !version.is_empty(), "{action}");
    }
}

#[test]
fn versions_agree() {
    let version = env!("CARGO_PKG_VERSION");
    for folder in [CHART, CRD_CHART] {
        let chart_file = fs::read_to_string(Path::new(folder).join("Chart.yaml")).unwrap();
        for key in ["version", "appVersion"] {
            let line = format!("{key}: {version}");
            assert!(chart_file.lines().any(|l| l == line), "{folder}: no {line}");
        }
    }
    let chart_file = fs::read_to_string(Path::new(CHART).join("Chart.yaml")).unwrap();
    assert!(chart_file.contains(&format!("bedrock-model-map:{version}\n")));
    let of_chart = objects(&chart(&[]).unwrap());
    let of_bases = objects(&kustomize("default"));
    assert_eq!(
        container(&of_chart)["image"],
        container(&of_bases)["image"],
        "the bases have another image"
    );
    let toolchain = text("rust-toolchain.toml");
    let (_, toolchain) = toolchain.split_once("channel = \"").unwrap();
    let (toolchain, _) = toolchain.split_once('"').unwrap();
    let dockerfile = text("Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{toolchain}-slim-")));
    assert!(dockerfile.contains(&format!("RUSTUP_TOOLCHAIN={toolchain}")));
}

/// The root folder of the image, in a folder, and how it is run.
fn image(folder: &Path) -> (PathBuf, FinalStage) {
    let program =
        std::env::var("IMAGE_PROGRAM").expect("IMAGE_PROGRAM, as `make test-image` sets it");
    let stage = FinalStage::read(&text("Dockerfile")).unwrap();
    let root = folder.join("image");
    let find = |copy: &Copy| match (copy.stage.as_deref(), copy.source.as_str()) {
        (Some("build"), "/out/bedrock-model-map") => PathBuf::from(&program),
        // The same file of the same package as in the build stage, which is Debian too.
        (Some("build"), "/etc/ssl/certs/ca-certificates.crt") => copy.source.clone().into(),
        (None, file) => Path::new(ROOT).join(file),
        (Some(stage), file) => panic!("where is {file} of the stage {stage}?"),
    };
    stage.assemble(&root, find).unwrap();
    (root, stage)
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path())
            } else {
                [entry.path()].into()
            }
        })
        .collect()
}

/// Runs the program in the image's root, which is read-only, as the image's user. Beside the image there is only
/// what every container has: the devices, of which a static program reads its random numbers. Needs namespaces of its own
/// for that, which root may make everywhere, and others where the system lets them.
const CONTAINER: &str = r#"
set -eu
root=$1 user=${2%:*} group=${2#*:}
shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec unshare --user --map-user="$user" --map-group="$group" --root="$root" --wd=/ "$@"
"#;

#[tokio::test]
#[ignore = "needs the program as it is released: make test-image"]
async fn image_runs_the_operator_read_only_and_without_root() {
    let control_plane = ControlPlane::start().await.unwrap();
    let cluster = Cluster::of(&control_plane);
    let (root, stage) = image(control_plane.folder());
    let bytes: u64 = files(&root)
        .iter()
        .map(|f| f.metadata().unwrap().len())
        .sum();
    println!("{} bytes in {:?}", bytes, files(&root));
    let program = run(
        Path::new("file"),
        &[root.join("usr/bin/bedrock-model-map").to_str().unwrap()],
        "",
    );
    println!("{}", program.unwrap_or_default());

    // Where the container runtime mounts, and what the kubelet does.
    fs::create_dir(root.join("dev")).unwrap();
    cluster.kubectl(&["create", "namespace", NAME]).await;
    cluster.apply(&chart(&[]).unwrap()).await;
    let token = cluster
        .kubectl(&["create", "token", NAME, "--namespace", NAME])
        .await;
    let kubeconfig = Kubeconfig::read_from(control_plane.kubeconfig()).unwrap();
    let server = kubeconfig.clusters[0].cluster.as_ref().unwrap();
    let address = server.server.as_deref().unwrap();
    let (host, port) = address
        .trim_start_matches("https://")
        .split_once(':')
        .unwrap();
    let account = root.join("var/run/secrets/kubernetes.io/serviceaccount");
    fs::create_dir_all(&account).unwrap();
    let authority = server.certificate_authority_data.as_deref().unwrap();
    let authority = run(Path::new("base64"), &["--decode"], authority).unwrap();
    for (file, content) in [
        ("token", token.trim()),
        ("ca.crt", &authority),
        ("namespace", NAME),
    ] {
        fs::write(account.join(file), content).unwrap();
        fs::set_permissions(account.join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }

    let simulator = bedrock(&["us-east-1", "eu-central-1"]).await;
    let mut command = vec![
        "-i".to_owned(),
        format!("KUBERNETES_SERVICE_HOST={host}"),
        format!("KUBERNETES_SERVICE_PORT={port}"),
        format!("AWS_ENDPOINT_URL={}", simulator.url()),
    ];
    command.extend(stage.env);
    command.extend(
        [
            "AWS_ACCESS_KEY_ID=test",
            "AWS_SECRET_ACCESS_KEY=test",
            "AWS_EC2_METADATA_DISABLED=true",
            "BIND_ADDRESS=127.0.0.1:0",
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            CONTAINER,
            "sh",
            root.to_str().unwrap(),
            &stage.user,
        ]
        .map(str::to_owned),
    );
    command.extend(stage.entrypoint);
    let objects = objects(&chart(&[]).unwrap());
    let arguments = crate::manifests::texts(&container(&objects)["args"]);
    command.extend(arguments.into_iter().map(str::to_owned));
    let before = files(&root);
    let operator = control_plane.program("image", "/usr/bin/env".as_ref(), command);
    operator.start().unwrap();

    cluster
        .apply(&text("config/samples/two-regions.yaml"))
        .await;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "bmm/two-regions",
        "--timeout=2m",
    ];
    cluster.kubectl(&ready).await;
    operator.check().unwrap();
    assert_eq!(files(&root), before);
}

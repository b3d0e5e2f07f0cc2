//! What a refresh of all regions costs: `make bench`.
//!
//! Everything is measured in the same run on the same machine, and compared with something of the
//! same run: the operator with the slowest region queried alone, with the regions queried one after the
//! other, and with the original algorithm in Python; association with its naive form.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bedrock_model_map::api::{
    ANNOTATION_REQUESTED_AT, BedrockModelMap, BedrockModelMapSpec, crd_yaml,
};
use bedrock_model_map::aws::identity::Caller;
use bedrock_model_map::aws::priority::Priority;
use bedrock_model_map::aws::{Aws, Limits, SnapshotCache};
use bedrock_model_map::bedrock::association::associate;
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::bedrock::model::ModelSummary;
use bedrock_model_map::bedrock::profile::ProfileSummary;
use bedrock_model_map::bedrock::selection::Selection;
use bedrock_simulator::{Catalog, Delay, Fault, FaultRule, Simulator};
use control_plane::ControlPlane;
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

const LATENCY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(300));
const REFRESHES: usize = 5;
/// Set where this program has started itself with AWS's variables, which it cannot set for itself.
const MARK: &str = "BENCH_BEDROCK_URL";

#[tokio::main]
async fn main() {
    match std::env::var(MARK) {
        Ok(_) => discovery().await,
        Err(_) => everything().await,
    }
}

async fn everything() {
    let catalog = Catalog::real().unwrap();
    association(&catalog);
    let regions: Vec<String> = catalog.regions().map(str::to_owned).collect();
    let simulator = Simulator::start(catalog).await.unwrap();
    simulator
        .faults()
        .set(vec![FaultRule::new(Fault::latency(Delay::between(
            LATENCY.0, LATENCY.1,
        )))]);
    println!(
        "\n{} regions, {} to {} ms a call",
        regions.len(),
        LATENCY.0.as_millis(),
        LATENCY.1.as_millis()
    );
    let itself = std::env::current_exe().unwrap();
    let status = with_aws(Command::new(itself).arg(regions.join(",")), &simulator)
        .env(MARK, simulator.url())
        .status()
        .await
        .unwrap();
    assert!(status.success());
    python(&regions, &simulator).await;
    operator(&simulator).await;
}

fn with_aws<'a>(command: &'a mut Command, simulator: &Simulator) -> &'a mut Command {
    command
        .env("AWS_ENDPOINT_URL", simulator.url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
}

fn line(what: &str, times: &mut [Duration]) -> Duration {
    times.sort();
    let (min, median, max) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    println!("{what:<58} min {min:>9.1?}  median {median:>9.1?}  max {max:>9.1?}");
    median
}

/// Association of us-east-1, and the nested loops it replaces.
fn association(catalog: &Catalog) {
    let models: Vec<_> = items(catalog.models("us-east-1"), ModelSummary::from_response);
    let profiles: Vec<_> = items(catalog.profiles("us-east-1"), ProfileSummary::from_response);
    let snapshot = Snapshot {
        models,
        profiles,
        taken_at: Timestamp::UNIX_EPOCH,
    };
    let everything = BedrockModelMapSpec::default();
    let selection = Selection::new(&everything.models, &everything.inference_profiles);
    println!(
        "us-east-1: {} models, {} profiles",
        snapshot.models.len(),
        snapshot.profiles.len()
    );
    let mut times: Vec<_> = (0..200)
        .map(|_| timed(|| associate(&snapshot, &selection)))
        .collect();
    let ours = line("association", &mut times);
    let mut times: Vec<_> = (0..200)
        .map(|_| timed(|| naive(catalog.models("us-east-1"), catalog.profiles("us-east-1"))))
        .collect();
    let naive = line("the same, nested loops", &mut times);
    println!(
        "{:<58} {:.2}",
        "ratio of the medians",
        ours.as_secs_f64() / naive.as_secs_f64()
    );
}

fn items<T, E: std::fmt::Debug>(
    values: &[Value],
    from: impl Fn(usize, Value) -> Result<T, E>,
) -> Vec<T> {
    values
        .iter()
        .cloned()
        .enumerate()
        .map(|(i, v)| from(i, v).unwrap())
        .collect()
}

fn timed<T>(act: impl FnOnce() -> T) -> Duration {
    let started = Instant::now();
    std::hint::black_box(act());
    started.elapsed()
}

fn naive(models: &[Value], profiles: &[Value]) -> Vec<Value> {
    let mut models = models.to_vec();
    for profile in profiles {
        for reference in profile["models"].as_array().into_iter().flatten() {
            let Some((_, id)) = reference["modelArn"]
                .as_str()
                .and_then(|a| a.rsplit_once('/'))
            else {
                continue;
            };
            for model in models.iter_mut().filter(|m| m["modelId"] == id) {
                let list = model
                    .as_object_mut()
                    .unwrap()
                    .entry("referencedByInstanceProfiles");
                let list = list.or_insert_with(|| json!([])).as_array_mut().unwrap();
                if !list
                    .iter()
                    .any(|p| p["inferenceProfileId"] == profile["inferenceProfileId"])
                {
                    list.push(profile.clone());
                }
            }
        }
    }
    models
}

/// In the process that has AWS's variables: the regions alone, and all at once.
async fn discovery() {
    let regions = std::env::args()
        .find(|a| a.contains("us-east-1,") || a.contains(",us-east-1"))
        .unwrap();
    let regions: Vec<&str> = regions.split(',').collect();
    let snapshots = SnapshotCache::new(Aws::load(Limits::default()).await.unwrap());
    let mut alone = Vec::new();
    for region in &regions {
        let started = Instant::now();
        snapshots
            .get(&Caller::Own, region, Timestamp::now(), Priority::Routine)
            .await
            .unwrap();
        alone.push(started.elapsed());
    }
    println!(
        "{:<58} {:>9.1?}",
        "regions one after the other",
        alone.iter().sum::<Duration>()
    );
    let slowest = *alone.iter().max().unwrap();
    println!("{:<58} {slowest:>9.1?}", "the slowest region alone");
    let mut times = Vec::new();
    for _ in 0..REFRESHES {
        let started = Instant::now();
        let now = Timestamp::now();
        futures::future::join_all(
            regions
                .iter()
                .map(|r| snapshots.get(&Caller::Own, r, now, Priority::Routine)),
        )
        .await;
        times.push(started.elapsed());
    }
    let together = line("discovery of all regions at once", &mut times);
    println!(
        "{:<58} {:.2}",
        "ratio to the slowest region alone",
        together.as_secs_f64() / slowest.as_secs_f64()
    );
}

async fn python(regions: &[String], simulator: &Simulator) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/oracle/run.sh");
    let mut command = Command::new(script);
    command
        .arg("--regions")
        .arg(regions.join(","))
        .stdout(Stdio::null());
    // The first run makes the virtual environment.
    for run in ["(first run, with its set-up)", ""] {
        let started = Instant::now();
        assert!(
            with_aws(&mut command, simulator)
                .status()
                .await
                .unwrap()
                .success()
        );
        println!(
            "{:<58} {:>9.1?}",
            format!("the original algorithm in Python, serial {run}"),
            started.elapsed()
        );
    }
}

/// A forced refresh of all regions, from the annotation to its acknowledgement in the status.
async fn operator(simulator: &Simulator) {
    let control_plane = ControlPlane::start().await.unwrap();
    let client = client(control_plane.kubeconfig()).await;
    let mut kubectl = Command::new(control_plane.kubectl());
    let file = control_plane.folder().join("crd.yaml");
    fs::write(&file, crd_yaml().unwrap()).unwrap();
    kubectl
        .env("KUBECONFIG", control_plane.kubeconfig())
        .args(["apply", "-f"])
        .arg(&file);
    assert!(
        kubectl
            .stdout(Stdio::null())
            .status()
            .await
            .unwrap()
            .success()
    );
    let mut operator: Child = with_aws(
        &mut Command::new(env!("CARGO_BIN_EXE_bedrock-model-map")),
        simulator,
    )
    .env("KUBECONFIG", control_plane.kubeconfig())
    .args(["run", "--bind-address=127.0.0.1:0"])
    .args(["--log-filter", "error"])
    .stderr(Stdio::null())
    .kill_on_drop(true)
    .spawn()
    .unwrap();

    let api: Api<BedrockModelMap> = Api::namespaced(client, "default");
    let resource = BedrockModelMap::new("bench", BedrockModelMapSpec::default());
    while api.create(&PostParams::default(), &resource).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until(&api, |r| {
        r.status
            .as_ref()
            .is_some_and(|s| s.observed_generation.is_some())
    })
    .await;
    let mut times = Vec::new();
    for number in 0..REFRESHES {
        let token = number.to_string();
        let started = Instant::now();
        let patch = json!({"metadata": {"annotations": {ANNOTATION_REQUESTED_AT: token}}});
        api.patch("bench", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        until(&api, |r| {
            let status = r.status.as_ref();
            status.and_then(|s| s.last_handled_refresh_request.as_deref()) == Some(&token)
        })
        .await;
        times.push(started.elapsed());
    }
    line("the operator: a forced refresh of all regions", &mut times);
    let status = fs::read_to_string(format!("/proc/{}/status", operator.id().unwrap())).unwrap();
    for key in ["VmRSS", "VmHWM"] {
        let value = status.lines().find(|line| line.starts_with(key)).unwrap();
        println!("the operator's memory after it: {value}");
    }
    operator.kill().await.unwrap();
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}

/// Polls until the resource is as wanted; 10 ms is little beside what is measured.
async fn until(api: &Api<BedrockModelMap>, wanted: impl Fn(&BedrockModelMap) -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !wanted(&api.get("bench").await.unwrap()) {
        assert!(
            Instant::now() < deadline,
            "the operator does not come to an end"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

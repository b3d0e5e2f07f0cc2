//! One resource beside the original algorithm in Python with boto3, with the latency of a network.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bedrock_simulator::{Catalog, Delay, Fault, FaultRule, Simulator};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use super::{time, times};
use crate::error::Error;
use crate::operator::Operator;
use crate::report::Section;
use crate::resources::Resources;
use crate::scene::{Scene, aws};

pub const TITLE: &str = "One resource beside Python";

/// Of each response of AWS.
const LATENCY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(300));

const DEADLINE: Duration = Duration::from_mins(2);

const THREADS: usize = 10;

pub async fn measure(program: &Path, repository: &Path) -> Result<Section, Error> {
    let note = format!(
        "31 regions, all models, each response after {} to {} ms. Python runs the original algorithm with boto3, from \
         the start of the interpreter to the mapping in its output; it publishes nothing. The operator runs \
         already; its time ends when the ConfigMaps are written and the status says so.",
        LATENCY.0.as_millis(),
        LATENCY.1.as_millis(),
    );
    let mut section = Section::new(
        TITLE,
        &note,
        ["what", "time", "beside the first publication"],
    );
    let (first, forced) = operator(program).await?;
    let mut row = |what: &str, took| section.row([what, &time(took), &times(took, first)]);
    row("the operator: from the created resource to Ready", first);
    row("the operator: a forced refresh", forced);
    let simulator = Simulator::start(Catalog::real()?).await;
    let simulator = simulator.map_err(Error::io("cannot start the Bedrock simulator"))?;
    slow(&simulator);
    let regions: Vec<String> = simulator.catalog().regions().map(str::to_owned).collect();
    // Without regions: makes the virtual environment, and warms the caches of files.
    python(repository, &simulator, &regions[..1], 1).await?;
    let serial = python(repository, &simulator, &regions, 1).await?;
    row("boto3, one region after the other", serial);
    let threaded = python(repository, &simulator, &regions, THREADS).await?;
    let threads = format!("boto3 in {THREADS} threads");
    row(threads.as_str(), threaded);
    let what = "one resource of 31 regions, from created to Ready";
    for (beside, took) in [
        ("boto3, one region after the other", serial),
        (&threads, threaded),
    ] {
        section.quote_ratio(what, beside, &times(first, took));
    }
    Ok(section)
}

fn slow(simulator: &Simulator) {
    let latency = Fault::latency(Delay::between(LATENCY.0, LATENCY.1));
    simulator.faults().set(vec![FaultRule::new(latency)]);
}

/// The first publication, and a forced refresh.
async fn operator(program: &Path) -> Result<(Duration, Duration), Error> {
    let scene = Scene::start(program).await?;
    slow(scene.simulator());
    let operator = Operator::start(&scene)?;
    operator.rest(DEADLINE).await?;
    let resources = Resources::new(scene.client(), 1).await?;
    let started = Instant::now();
    resources.create(&json!({})).await?;
    let first = resources.ready(DEADLINE).await? - started;
    operator.rest(DEADLINE).await?;
    let started = Instant::now();
    let forced = resources.refresh("1", DEADLINE).await? - started;
    operator.check()?;
    Ok((first, forced))
}

async fn python(
    repository: &Path,
    simulator: &Simulator,
    regions: &[String],
    threads: usize,
) -> Result<Duration, Error> {
    let mut command = Command::new(repository.join("tools/oracle/run.sh"));
    command
        .args(["--regions", &regions.join(",")])
        .args(["--threads", &threads.to_string()])
        .envs(aws(simulator))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let started = Instant::now();
    let status = timeout(DEADLINE, command.status()).await;
    let status = status.map_err(|_| Error::Late("Python does not end".to_owned()))?;
    let status = status.map_err(Error::io("cannot run Python"))?;
    if !status.success() {
        return Err(Error::Failed(format!("Python failed ({status})")));
    }
    Ok(started.elapsed())
}

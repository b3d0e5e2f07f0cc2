//! Many resources with a few models: publication beside a bare client, an idle time, a forced refresh of all, a restart.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{time, times};
use crate::bare::{AT_ONCE, Written};
use crate::error::Error;
use crate::metrics::{Requests, number, ratio};
use crate::operator::Operator;
use crate::process::{Usage, mib};
use crate::report::Section;
use crate::resources::Resources;
use crate::scene::Scene;

/// For each phase: room for thousands of resources.
const DEADLINE: Duration = Duration::from_mins(30);

/// The title of a section on so many resources.
pub fn title(count: usize) -> String {
    format!("{count} resources with a few models")
}

/// A few models of all regions.
pub(super) fn spec() -> Value {
    json!({"models": {"include": ["anthropic.claude-sonnet-4*"]}})
}

/// What one phase took.
struct Phase {
    name: String,
    duration: Duration,
    cpu: Duration,
    requests: Requests,
    aws: usize,
    memory: Usage,
}

/// The state from which a phase is counted.
struct Mark {
    usage: Usage,
    requests: Requests,
    aws: usize,
}

impl Mark {
    async fn now(scene: &Scene, operator: &Operator) -> Result<Self, Error> {
        // First the memory and the CPU time: the metrics cost some.
        let usage = operator.usage()?;
        Ok(Self {
            usage,
            requests: Requests::parse(&operator.metrics().await?),
            aws: scene.simulator().total(),
        })
    }

    fn start(scene: &Scene) -> Self {
        Self {
            usage: Usage::default(),
            requests: Requests::default(),
            aws: scene.simulator().total(),
        }
    }
}

/// All phases of so many resources.
pub async fn measure(program: &Path, count: usize, idle: Duration) -> Result<Section, Error> {
    let scene = Scene::start(program).await?;
    let resources = Resources::new(scene.client(), count).await?;
    resources.create(&spec()).await?;
    let mut phases = Vec::new();

    let begun = Mark::start(&scene);
    let started = Instant::now();
    let operator = Operator::start(&scene)?;
    let ready = resources.ready(DEADLINE).await? - started;
    operator.rest(DEADLINE).await?;
    phases.push(phase("empty → all Ready", ready, begun, &scene, &operator).await?);
    let written = Written::read(&resources, scene.client()).await?;

    let text = operator.metrics().await?;
    let begun = quiet(&scene, &operator).await?;
    let started = Instant::now();
    let compressed = operator.compressed_metrics().await?;
    let took = started.elapsed();
    phases.push(phase("a scrape by Prometheus", took, begun, &scene, &operator).await?);
    let scraped = format!(
        "{} MB, {} compressed",
        megabytes(&text),
        megabytes(&compressed)
    );

    let begun = quiet(&scene, &operator).await?;
    sleep(idle).await;
    phases.push(phase("idle", idle, begun, &scene, &operator).await?);

    let begun = quiet(&scene, &operator).await?;
    let started = Instant::now();
    let took = resources.refresh("1", DEADLINE).await? - started;
    operator.rest(DEADLINE).await?;
    phases.push(phase("forced refresh of all", took, begun, &scene, &operator).await?);

    // The API server takes some time for so many requests: here the operator sees them all at once.
    operator.stop();
    resources.request_refresh("2").await?;
    let begun = Mark::start(&scene);
    let started = Instant::now();
    operator.restart()?;
    let took = resources.refreshed("2", DEADLINE).await? - started;
    operator.rest(DEADLINE).await?;
    let name = "start with a forced refresh of all requested";
    phases.push(phase(name, took, begun, &scene, &operator).await?);

    let begun = Mark::start(&scene);
    let started = Instant::now();
    operator.restart()?;
    let took = operator.rest(DEADLINE).await? - started;
    phases.push(phase("restart with all fresh", took, begun, &scene, &operator).await?);
    drop((operator, scene));

    let bare = write_bare(program, &written, count).await?;
    Ok(describe(count, &phases, bare, &written, &scraped))
}

/// Begins a phase at rest, with the peak at the memory of now.
async fn quiet(scene: &Scene, operator: &Operator) -> Result<Mark, Error> {
    let mut mark = Mark::now(scene, operator).await?;
    operator.rest(DEADLINE).await?;
    operator.reset_peak()?;
    mark.usage = operator.usage()?;
    Ok(mark)
}

async fn phase(
    name: &str,
    duration: Duration,
    begun: Mark,
    scene: &Scene,
    operator: &Operator,
) -> Result<Phase, Error> {
    let ended = Mark::now(scene, operator).await?;
    Ok(Phase {
        name: name.to_owned(),
        duration,
        cpu: ended.usage.cpu.saturating_sub(begun.usage.cpu),
        requests: ended.requests.since(&begun.requests),
        aws: ended.aws - begun.aws,
        memory: ended.usage,
    })
}

async fn write_bare(program: &Path, written: &Written, count: usize) -> Result<Duration, Error> {
    let scene = Scene::start(program).await?;
    let resources = Resources::new(scene.client(), count).await?;
    resources.create(&spec()).await?;
    written.write(scene.client()).await
}

fn megabytes(text: impl AsRef<[u8]>) -> String {
    number(ratio(text.as_ref().len() as u64, 1_000_000))
}

fn describe(
    count: usize,
    phases: &[Phase],
    bare: Duration,
    written: &Written,
    scraped: &str,
) -> Section {
    let note = format!(
        "31 regions, `anthropic.claude-sonnet-4*`: {} ConfigMaps a resource. The bare client writes the same ConfigMaps \
         and statuses into another empty cluster, {AT_ONCE} at once; nothing else runs. API requests are a \
         resource's, without the watches and the Lease; AWS requests are all resources'. The metrics are {scraped}.",
        written.config_maps(),
    );
    let columns = [
        "phase",
        "time",
        "CPU",
        "API requests a resource",
        "AWS requests",
        "peak",
        "at rest",
    ];
    let mut section = Section::new(&title(count), &note, columns);
    for phase in phases {
        section.row([
            &phase.name,
            &time(phase.duration),
            &time(phase.cpu),
            &phase.requests.per(count),
            &phase.aws.to_string(),
            &mib(phase.memory.peak_kib),
            &mib(phase.memory.resident_kib),
        ]);
    }
    let requests = ratio(written.config_maps() as u64 + 2, 1);
    section.row([
        "a bare client",
        &time(bare),
        "",
        &number(requests),
        "0",
        "",
        "",
    ]);
    if let Some(first) = phases.first() {
        let ratio = times(first.duration, bare);
        let row = "empty → all Ready beside the bare client";
        section.row([row, &ratio, "", "", "", "", ""]);
        let what = format!("{count} resources of 31 regions, from empty to Ready");
        let beside = "a client that only writes the same ConfigMaps and statuses";
        section.quote_ratio(&what, beside, &ratio);
        let peaks = phases.iter().map(|phase| phase.memory.peak_kib);
        let usage = Usage {
            cpu: first.cpu,
            peak_kib: peaks.max().unwrap_or_default(),
            resident_kib: first.memory.resident_kib,
        };
        section.quote_size(format!("{count} with a few models"), usage);
    }
    section
}

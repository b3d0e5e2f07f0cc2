//! Resources of all regions with all models: time, memory and CPU over their number.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::time;
use crate::error::Error;
use crate::operator::Operator;
use crate::plot::Line;
use crate::process::{Usage, mib};
use crate::report::Section;
use crate::resources::Resources;
use crate::scene::Scene;

pub const TITLE: &str = "Resources of all regions with all models";

const NOTE: &str = "31 regions, 144 models, 3 MB of published bytes a resource. Each row starts with an empty cluster \
    and the resources created, and then starts the operator. Peak is `VmHWM`, at rest is `VmRSS` two seconds after \
    the last work. The restart finds everything fresh.";

/// For the publication of all, and for what a restart does.
const DEADLINE: Duration = Duration::from_mins(6);

/// What one number of resources took.
struct Measured {
    ready: Duration,
    published: Usage,
    restart: Duration,
    restarted: Usage,
}

/// One row for each number of resources, and the lines of the plots: of time, and of memory.
pub async fn measure(program: &Path, counts: &[usize]) -> Result<(Section, Vec<Line>), Error> {
    let columns = [
        "resources",
        "empty → all Ready",
        "CPU",
        "peak",
        "at rest",
        "restart",
        "CPU of the restart",
        "peak of the restart",
        "at rest after it",
    ];
    let mut section = Section::new(TITLE, NOTE, columns);
    let (mut seconds, mut peaks, mut rests) = (Vec::new(), Vec::new(), Vec::new());
    for &count in counts {
        let measured = measure_one(program, count).await?;
        let Measured {
            published,
            restarted,
            ..
        } = &measured;
        section.row([
            &count.to_string(),
            &time(measured.ready),
            &time(published.cpu),
            &mib(published.peak_kib),
            &mib(published.resident_kib),
            &time(measured.restart),
            &time(restarted.cpu),
            &mib(restarted.peak_kib),
            &mib(restarted.resident_kib),
        ]);
        let peak = Usage {
            peak_kib: published.peak_kib.max(restarted.peak_kib),
            ..*published
        };
        section.quote_size(format!("{count} with all models"), peak);
        seconds.push((as_f64(count as u64), measured.ready.as_secs_f64()));
        peaks.push((as_f64(count as u64), as_f64(published.peak_kib / 1024)));
        rests.push((as_f64(count as u64), as_f64(published.resident_kib / 1024)));
    }
    let lines = [("all Ready", seconds), ("peak", peaks), ("at rest", rests)];
    let line = |(label, points): (&str, _)| Line {
        label: label.to_owned(),
        points,
    };
    Ok((section, lines.map(line).into()))
}

async fn measure_one(program: &Path, count: usize) -> Result<Measured, Error> {
    let scene = Scene::start(program).await?;
    let resources = Resources::new(scene.client(), count).await?;
    resources.create(&json!({})).await?;
    let started = Instant::now();
    let operator = Operator::start(&scene)?;
    let ready = resources.ready(DEADLINE).await? - started;
    operator.rest(DEADLINE).await?;
    let published = operator.usage()?;
    let started = Instant::now();
    operator.restart()?;
    let restart = operator.rest(DEADLINE).await? - started;
    Ok(Measured {
        ready,
        published,
        restart,
        restarted: operator.usage()?,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and MiB are far below 2^52"
)]
fn as_f64(value: u64) -> f64 {
    value as f64
}

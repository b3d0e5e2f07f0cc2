//! Time, memory and CPU over the number of resources.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::time;
use crate::error::Error;
use crate::operator::Operator;
use crate::plot::Line;
use crate::process::{Usage, mib};
use crate::report::Section;
use crate::resources::Resources;
use crate::scene::Scene;

/// Resources of one kind.
pub struct Growth {
    pub title: &'static str,
    spec: fn() -> Value,
    what: &'static str,
    /// What the page on sizing calls them. None: it has them of another section.
    sized_as: Option<&'static str>,
}

pub const ALL_MODELS: Growth = Growth {
    title: "Resources of all regions with all models",
    spec: || json!({}),
    what: "31 regions, 144 models, 3 MB of published bytes a resource.",
    sized_as: Some("all models"),
};

pub const FEW_MODELS: Growth = Growth {
    title: "Up to thousands of resources with a few models",
    spec: super::many::spec,
    what: "31 regions, `anthropic.claude-sonnet-4*`, 0.4 MB of published bytes a resource.",
    sized_as: None,
};

const NOTE: &str = "Each row starts with an empty cluster and the resources created, and then starts the operator. Peak \
    is `VmHWM`, at rest is `VmRSS` two seconds after the last work. The restart finds everything fresh. The last row \
    is what each further resource takes, from the first row to the last.";

/// For the publication of all, and for what a restart does. 5,000 resources took 5 minutes.
const DEADLINE: Duration = Duration::from_mins(30);

/// What one number of resources took.
struct Measured {
    ready: Duration,
    published: Usage,
    restart: Duration,
    restarted: Usage,
}

/// One row for each number of resources, and the lines of the plots: of time, and of memory.
pub async fn measure(
    growth: &Growth,
    program: &Path,
    counts: &[usize],
) -> Result<(Section, Vec<Line>), Error> {
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
    let note = format!("{} {NOTE}", growth.what);
    let mut section = Section::new(growth.title, &note, columns);
    let mut rows = Vec::new();
    let (mut seconds, mut peaks, mut rests) = (Vec::new(), Vec::new(), Vec::new());
    for &count in counts {
        let measured = measure_one(growth, program, count).await?;
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
        if let Some(models) = growth.sized_as {
            section.quote_size(format!("{count} with {models}"), peak);
        }
        seconds.push((as_f64(count as u64), measured.ready.as_secs_f64()));
        peaks.push((as_f64(count as u64), as_f64(published.peak_kib / 1024)));
        rests.push((as_f64(count as u64), as_f64(published.resident_kib / 1024)));
        rows.push((count, measured));
    }
    if let [first, .., last] = rows.as_slice() {
        section.row(
            of_further_resource(first, last)
                .each_ref()
                .map(String::as_str),
        );
    }
    let lines = [("all Ready", seconds), ("peak", peaks), ("at rest", rests)];
    let line = |(label, points): (&str, _)| Line {
        label: label.to_owned(),
        points,
    };
    Ok((section, lines.map(line).into()))
}

/// The row of what a further resource takes.
fn of_further_resource(first: &(usize, Measured), last: &(usize, Measured)) -> [String; 9] {
    let ((few, first), (many, last)) = (first, last);
    let further = many - few;
    let each = |duration: fn(&Measured) -> Duration| {
        let growth = duration(last).saturating_sub(duration(first));
        time(growth / u32::try_from(further).unwrap_or(u32::MAX))
    };
    let kib = |kib: fn(&Measured) -> u64| {
        let growth = kib(last).saturating_sub(kib(first));
        format!("{} KiB", growth / further as u64)
    };
    [
        "a further one".to_owned(),
        each(|measured| measured.ready),
        each(|measured| measured.published.cpu),
        kib(|measured| measured.published.peak_kib),
        kib(|measured| measured.published.resident_kib),
        each(|measured| measured.restart),
        each(|measured| measured.restarted.cpu),
        kib(|measured| measured.restarted.peak_kib),
        kib(|measured| measured.restarted.resident_kib),
    ]
}

async fn measure_one(growth: &Growth, program: &Path, count: usize) -> Result<Measured, Error> {
    let scene = Scene::start(program).await?;
    let resources = Resources::new(scene.client(), count).await?;
    resources.create(&(growth.spec)()).await?;
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

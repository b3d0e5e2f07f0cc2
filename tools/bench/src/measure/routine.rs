//! A routine refresh that changes nothing: what each resource costs at each interval.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::time;
use crate::error::Error;
use crate::metrics::{Requests, refreshes};
use crate::operator::Operator;
use crate::report::Section;
use crate::resources::Resources;
use crate::scene::Scene;

pub const TITLE: &str = "Routine refresh";

const COUNT: usize = 10;

/// The shortest interval that the API permits, with its jitter, and a machine that is busy.
const DEADLINE: Duration = Duration::from_mins(3);

pub async fn measure(program: &Path) -> Result<Section, Error> {
    let scene = Scene::start(program).await?;
    let spec = json!({
        "models": {"include": ["anthropic.claude-sonnet-4*"]},
        "refreshInterval": "1m",
    });
    let resources = Resources::new(scene.client(), COUNT).await?;
    resources.create(&spec).await?;
    let operator = Operator::start(&scene)?;
    resources.ready(DEADLINE).await?;
    operator.rest(DEADLINE).await?;
    let (before, aws) = (operator.metrics().await?, scene.simulator().total());
    let cpu = operator.usage()?.cpu;
    let after = refreshed(&operator, refreshes(&before, "Due") + COUNT as u64).await?;
    let cpu = operator.usage()?.cpu.saturating_sub(cpu);
    let requests = Requests::parse(&after).since(&Requests::parse(&before));

    let note = format!(
        "{COUNT} resources of 31 regions with `anthropic.claude-sonnet-4*` and the shortest interval, 1 minute, until \
         each was refreshed once. The responses change nothing."
    );
    let columns = [
        "API requests a resource",
        "AWS requests",
        "CPU of all, scrapes included",
    ];
    let mut section = Section::new(TITLE, &note, columns);
    let aws = (scene.simulator().total() - aws).to_string();
    section.row([&requests.per(COUNT), &aws, &time(cpu)]);
    Ok(section)
}

/// Waits for so many routine refreshes; the metrics then.
async fn refreshed(operator: &Operator, count: u64) -> Result<String, Error> {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        let text = operator.metrics().await?;
        if refreshes(&text, "Due") >= count {
            return Ok(text);
        }
        sleep(Duration::from_secs(1)).await;
    }
    let message = format!(
        "fewer than {count} routine refreshes in {} s",
        DEADLINE.as_secs()
    );
    Err(Error::Late(message))
}

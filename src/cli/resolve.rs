//! `bedrock-model-map resolve`.

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;

use super::mapping;
use super::output::{Outcome, PrintError, eprint_note, print, print_yaml, printable};
use super::source::{SourceArgs, SourceError};
use crate::api::RegionState;
use crate::bedrock::resolve::{LifecycleNote, Resolution, ResolveError, resolve};

#[derive(Debug, clap::Args)]
pub(super) struct Resolve {
    /// Model ID, glob on IDs (* and ?), a part of an ID or a model name, such as claude-sonnet-4-5, or
    /// an inference profile's ID or ARN.
    #[arg(value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    model: String,

    /// Region to invoke the model from.
    #[arg(long, env = "AWS_REGION", value_name = "REGION", value_parser = mapping::region)]
    region: String,

    /// Output format.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The ID and the reason.
    Text,
    /// A list with an item for each matching model.
    Json,
    /// The same as YAML.
    Yaml,
    /// Only the ID, for scripts; fails unless exactly one of the matching models has an ID.
    Id,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveCommandError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("{} models match; name one of them: {}", .0.len(), .0.join(", "))]
    Ambiguous(Vec<String>),
    #[error("{} models match, and none of them has an ID to pass: {}", .0.len(), .0.join(", "))]
    NoneHasId(Vec<String>),
    #[error(transparent)]
    Print(#[from] PrintError),
}

impl Resolve {
    pub(super) fn execute(self) -> Result<Outcome, ResolveCommandError> {
        let map = self.source.read(std::slice::from_ref(&self.region))?;
        let found = resolve(&map.views(), &self.region, &self.model)?;
        let stale = map
            .regions
            .get(&self.region)
            .filter(|r| r.state == RegionState::Stale);
        if let Some(stale) = stale {
            let since = stale.stale_since.map(|time| format!(" since {time}"));
            let since = since.unwrap_or_default();
            eprint_note(&format!(
                "{} is Stale: the data could not be confirmed{since}",
                self.region
            ));
        }
        let found = match self.output {
            Format::Id => vec![only_one(found)?],
            Format::Text | Format::Json | Format::Yaml => found,
        };
        let now = Timestamp::now();
        for note in found.iter().filter_map(|r| LifecycleNote::new(r, now)) {
            eprint_note(&note.to_string());
        }
        match self.output {
            Format::Text => print(&text(&found))?,
            Format::Json => {
                let json = serde_json::to_string(&found).map_err(PrintError::from)?;
                print(&format!("{json}\n"))?;
            }
            Format::Yaml => print_yaml(&found)?,
            Format::Id => {
                let ids = found.into_iter().map(Resolution::id);
                let lines: String = ids
                    .map(|id| Ok(id? + "\n"))
                    .collect::<Result<_, ResolveError>>()?;
                print(&lines)?;
            }
        }
        Ok(Outcome::Complete)
    }
}

/// The only match with an ID to pass, or the only match.
fn only_one(found: Vec<Resolution>) -> Result<Resolution, ResolveCommandError> {
    let (mut with_id, mut without): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|r| r.invoke_with.is_some());
    let ids = |found: Vec<Resolution>| found.into_iter().map(|r| r.model_id).collect();
    match (with_id.len(), without.len()) {
        (1, _) => Ok(with_id.swap_remove(0)),
        (0, 1) => Ok(without.swap_remove(0)),
        (0, _) => Err(ResolveCommandError::NoneHasId(ids(without))),
        (_, _) => Err(ResolveCommandError::Ambiguous(ids(with_id))),
    }
}

fn text(found: &[Resolution]) -> String {
    let block = |resolution: &Resolution| {
        let id = resolution.invoke_with.as_deref();
        let name = resolution.model_name.as_deref();
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let block = format!(
            "{}\n  model:     {}{name}\n  from:      {}\n  why:       {}\n  lifecycle: {}\n",
            id.unwrap_or("(no ID to pass)"),
            resolution.model_id,
            resolution.region,
            resolution.explanation,
            lifecycle(resolution),
        );
        printable(&block)
    };
    found.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn lifecycle(resolution: &Resolution) -> String {
    let field = |key| resolution.lifecycle.get(key).and_then(|v| v.as_str());
    let status = field("status").unwrap_or("not stated");
    match field("endOfLifeTime") {
        Some(end) => format!("{status}, end of life {end}"),
        None => status.to_owned(),
    }
}

//! `bedrock-model-map get`.

use std::io;
use std::time::Duration;

use super::aws::block_on;
use super::cluster::{ClusterArgs, NoCluster};
use super::mapping::{self, Format, ShowError};
use super::output::{Outcome, note};
use super::page::About;
use super::progress::Progress;
use super::watch::{Watch, WatchError, WatchOutput};
use crate::api::{BedrockModelMapStatus, RegionState};
use crate::bedrock::diff::{Changes, changes};
use crate::bedrock::resolve::ResolveError;
use crate::reader::{GetError, ModelMap, ProfileMapping, RefreshMode, get_model_profile_mapping};
use crate::reconcile::validate::go_duration;

#[derive(Debug, clap::Args)]
pub(super) struct Get {
    /// The name of the BedrockModelMap.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Print only this region; repeatable. The structure stays the merged one.
    #[arg(long = "region", value_name = "REGION", value_parser = mapping::region)]
    regions: Vec<String>,

    /// Have every region fetched anew first, and wait for it.
    #[arg(long)]
    refresh: bool,

    /// Do not print what is published, but what changes, as it is published, until Ctrl-C. With
    /// -o json one line each time: {"time", "namespace", "name", "changes"}.
    #[arg(long, conflicts_with_all = ["refresh", "timeout"])]
    watch: bool,

    /// How long to wait for --refresh, as a Go duration.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    timeout: Duration,

    /// How the mapping is printed.
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "table"
    )]
    output: Format,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum GetCommandError {
    #[error("the async runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    #[error("{0}")]
    NoCluster(#[from] NoCluster),
    #[error("{0}")]
    Get(#[from] GetError),
    #[error("{0}")]
    Region(#[from] ResolveError),
    #[error("{0}")]
    Show(#[from] ShowError),
    #[error("--watch prints lines: for people, or with -o json")]
    WatchFormat,
    #[error("{0}")]
    Watch(#[from] WatchError),
}

impl Get {
    pub(super) fn execute(self) -> Result<Outcome, GetCommandError> {
        if self.watch {
            let lines = match self.output {
                Format::Table => WatchOutput::Text,
                Format::Json => WatchOutput::Json,
                Format::Yaml | Format::Html => return Err(GetCommandError::WatchFormat),
            };
            let Self {
                name,
                cluster,
                regions,
                ..
            } = self;
            let watch = Watch {
                name,
                cluster,
                regions,
                lines,
            };
            let watched = block_on(watch.execute()).map_err(GetCommandError::Runtime)?;
            return Ok(watched.map(|()| Outcome::Complete)?);
        }
        let Fetched { mapping, before } =
            block_on(self.fetch()).map_err(GetCommandError::Runtime)??;
        let ProfileMapping { published, status } = mapping;
        let published = self.narrowed(published)?;
        let failures = self.failures(&status);
        for (region, why) in &failures {
            note(&format!("{region} {why}"));
        }
        let outcome = if failures.is_empty() {
            Outcome::Complete
        } else {
            Outcome::Partial
        };
        let about = About {
            title: format!("BedrockModelMap {}", self.name),
            as_of: status.last_refresh_time.map(|time| time.0),
            failures,
        };
        mapping::show(&published, &about, self.output)?;
        if let Some(mut before) = before {
            mapping::narrow(&mut before, &self.regions);
            tell_changes(&changes(&before.views(), &published.views()));
        }
        Ok(outcome)
    }

    async fn fetch(&self) -> Result<Fetched, GetCommandError> {
        let (client, namespace) = self.cluster.connect().await?;
        let get =
            |refresh| get_model_profile_mapping(client.clone(), &namespace, &self.name, refresh);
        if !self.refresh {
            let mapping = get(RefreshMode::None).await?;
            return Ok(Fetched {
                mapping,
                before: None,
            });
        }
        // What was wrong with it before is of no interest if the refresh puts it right.
        let before = get(RefreshMode::None).await.ok();
        let _progress = Progress::waiting(format!("refreshing BedrockModelMap {}", self.name));
        let timeout = self.timeout;
        let mapping = get(RefreshMode::Force { timeout }).await?;
        Ok(Fetched {
            mapping,
            before: before.map(|before| before.published),
        })
    }

    fn narrowed(&self, mut published: ModelMap) -> Result<ModelMap, ResolveError> {
        let unknown = self
            .regions
            .iter()
            .find(|region| !published.regions.contains_key(*region));
        if let Some(region) = unknown {
            return Err(ResolveError::UnknownRegion {
                region: region.clone(),
                known: published.regions.into_keys().collect(),
            });
        }
        mapping::narrow(&mut published, &self.regions);
        Ok(published)
    }

    /// Of the regions asked for, those that the operator could not confirm at its last attempt, and
    /// why.
    fn failures(&self, status: &BedrockModelMapStatus) -> Vec<(String, String)> {
        let asked_for = |region: &String| self.regions.is_empty() || self.regions.contains(region);
        let regions = status.regions.iter();
        let failed = regions.filter(|(region, _)| asked_for(region));
        let failed = failed.filter_map(|(region, status)| {
            let state = match status.state {
                RegionState::Stale => "stale",
                RegionState::Failed => "failed",
                RegionState::Fresh
                | RegionState::Empty
                | RegionState::Unsupported
                | RegionState::Disabled => return None,
            };
            let why = status.error.as_ref().map_or("", |error| &error.message);
            Some((region.clone(), format!("is {state}: {why}")))
        });
        failed.collect()
    }
}

/// What is published, and what was before a refresh.
struct Fetched {
    mapping: ProfileMapping,
    before: Option<ModelMap>,
}

fn tell_changes(changes: &Changes) {
    if changes.is_empty() {
        note("nothing has changed");
    }
    for change in &changes.items {
        note(&format!("changed: {change}"));
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(1)..=Duration::from_hours(24);
    go_duration(text)
        .filter(|duration| bounds.contains(duration))
        .ok_or_else(|| "not a Go duration between 1s and 24h, such as 2m".to_owned())
}

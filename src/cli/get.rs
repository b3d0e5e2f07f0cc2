//! `bedrock-model-map get`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::aws::block_on;
use super::cluster::{ClusterArgs, ClusterError};
use super::mapping::{self, Format, ShowError};
use super::output::{Outcome, eprint_note};
use super::page::PageInfo;
use super::progress::Progress;
use super::watch::{Watch, WatchError, WatchOutput};
use crate::api::{RegionSource, RegionState, RegionStatus};
use crate::bedrock::aliases::AliasEntries;
use crate::bedrock::diff::{Changes, changes};
use crate::bedrock::resolve::ResolveError;
use crate::reader::{GetError, MapReader, ModelMap, ProfileMapping};
use crate::reconcile::validate::go_duration;
use crate::text::error_chain;

#[derive(Debug, clap::Args)]
pub(super) struct Get {
    /// Name of the BedrockModelMap.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Print only this region; repeatable. The structure of the output stays the same.
    #[arg(long = "region", value_name = "REGION", value_parser = mapping::region)]
    regions: Vec<String>,

    /// Refresh every region first, and wait until the result is published.
    #[arg(long)]
    refresh: bool,

    /// Print changes as they are published, until Ctrl-C, instead of the models. With -o json each
    /// change of the published models is a line: {"time", "namespace", "name", "changes"}.
    #[arg(long, conflicts_with_all = ["refresh", "timeout"])]
    watch: bool,

    /// Longest wait for --refresh, as a Go duration.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    timeout: Duration,

    /// Output format.
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
    #[error("cannot start the async runtime")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Get(#[from] GetError),
    #[error(transparent)]
    Region(#[from] ResolveError),
    #[error(transparent)]
    Show(#[from] ShowError),
    #[error("--watch needs -o table or -o json")]
    WatchFormat,
    #[error(transparent)]
    Watch(#[from] WatchError),
}

impl Get {
    pub(super) fn execute(self) -> Result<Outcome, GetCommandError> {
        if self.watch {
            return self.execute_watch();
        }
        let Fetched {
            mut mapping,
            before,
            mut aliases,
        } = block_on(self.fetch()).map_err(GetCommandError::Runtime)??;
        self.check_regions(&mapping)?;
        for region in self.regions.iter().filter(|r| is_empty(&mapping, r)) {
            eprint_note(&format!("{region} is Empty: no model is selected"));
        }
        let failures = self.failures(&mapping);
        for (region, reason) in &failures {
            eprint_note(&format!("{region} {reason}"));
        }
        let outcome = if failures.is_empty() {
            Outcome::Complete
        } else {
            Outcome::Partial
        };
        if !self.regions.is_empty() {
            aliases.retain(|region, _| self.regions.contains(region));
        }
        let info = PageInfo {
            title: format!("BedrockModelMap {}", self.name),
            as_of: mapping.status.last_refresh_time.take().map(|time| time.0),
            failures,
            aliases,
        };
        let mut map = mapping.map;
        map.retain_regions(&self.regions);
        mapping::show(&map, &info, self.output)?;
        if let Some(mut before) = before {
            before.retain_regions(&self.regions);
            print_changes(&changes(&before.views(), &map.views()));
        }
        Ok(outcome)
    }

    fn execute_watch(self) -> Result<Outcome, GetCommandError> {
        let output = match self.output {
            Format::Table => WatchOutput::Text,
            Format::Json => WatchOutput::Json,
            Format::Yaml | Format::Html => return Err(GetCommandError::WatchFormat),
        };
        let watch = Watch {
            name: self.name,
            cluster: self.cluster,
            regions: self.regions,
            output,
        };
        block_on(watch.execute()).map_err(GetCommandError::Runtime)??;
        Ok(Outcome::Complete)
    }

    async fn fetch(&self) -> Result<Fetched, GetCommandError> {
        let (client, namespace) = self.cluster.connect().await?;
        let reader = MapReader::new(client, &namespace, &self.name);
        if !self.refresh {
            let mapping = reader.get().await?;
            return Ok(Fetched {
                aliases: self.aliases(&reader, &mapping).await,
                mapping,
                before: None,
            });
        }
        // An error before the refresh does not matter: the refresh may repair it.
        let before = reader.get().await.ok();
        let _progress = Progress::spinner(format!("refreshing BedrockModelMap {}", self.name));
        let mapping = reader.refresh(self.timeout).await?;
        Ok(Fetched {
            aliases: self.aliases(&reader, &mapping).await,
            mapping,
            before: before.map(|before| before.map),
        })
    }

    /// The aliases, for the formats that show them. A failure leaves the models printed.
    async fn aliases(
        &self,
        reader: &MapReader,
        mapping: &ProfileMapping,
    ) -> BTreeMap<String, AliasEntries> {
        let has_aliases = mapping.status.regions.values().any(|r| r.aliases.is_some());
        if !has_aliases || matches!(self.output, Format::Json | Format::Yaml) {
            return BTreeMap::new();
        }
        match reader.aliases().await {
            Ok(published) => published.regions,
            Err(error) => {
                eprint_note(&format!(
                    "the aliases are left out: {}",
                    error_chain(&error)
                ));
                BTreeMap::new()
            }
        }
    }

    /// Refuses a region that the resource does not have. A region without models is one of it.
    fn check_regions(&self, mapping: &ProfileMapping) -> Result<(), ResolveError> {
        let is_unknown = |region: &&String| {
            !mapping.map.regions.contains_key(*region)
                && !mapping.status.regions.contains_key(*region)
        };
        match self.regions.iter().find(is_unknown) {
            None => Ok(()),
            Some(region) => Err(ResolveError::UnknownRegion {
                region: region.clone(),
                known: mapping.map.regions.keys().cloned().collect(),
            }),
        }
    }

    /// The failed regions with the reason: those of the resource, or those of `--region`.
    fn failures(&self, mapping: &ProfileMapping) -> Vec<(String, String)> {
        if self.regions.is_empty() {
            return mapping
                .failures()
                .map(|(region, status)| (region.to_owned(), reason(status)))
                .collect();
        }
        mapping
            .status
            .regions
            .iter()
            .filter(|(region, _)| self.regions.contains(region))
            .filter(|(_, status)| status.state.is_failure(RegionSource::Spec))
            .map(|(region, status)| (region.clone(), reason(status)))
            .collect()
    }
}

/// What is published now, and what was published before a refresh.
struct Fetched {
    mapping: ProfileMapping,
    before: Option<ModelMap>,
    aliases: BTreeMap<String, AliasEntries>,
}

fn is_empty(mapping: &ProfileMapping, region: &str) -> bool {
    mapping
        .status
        .regions
        .get(region)
        .is_some_and(|status| status.state == RegionState::Empty)
}

fn reason(status: &RegionStatus) -> String {
    let state = status.state.as_str();
    match &status.error {
        None => format!("is {state}"),
        Some(error) => format!("is {state}: {}: {}", error.code.as_str(), error.message),
    }
}

fn print_changes(changes: &Changes) {
    if changes.is_empty() {
        eprint_note("no changes");
    }
    for change in &changes.items {
        eprint_note(&format!("changed: {change}"));
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(1)..=Duration::from_hours(24);
    go_duration(text)
        .filter(|duration| bounds.contains(duration))
        .ok_or_else(|| "not a Go duration between 1s and 24h, such as 2m".to_owned())
}

//! `bedrock-model-map get`.

use std::io;
use std::time::Duration;

use super::aws::block_on;
use super::cluster::{ClusterArgs, NoCluster};
use super::mapping::{self, Format, ShowError};
use super::output::{Outcome, note, progress};
use super::page::About;
use crate::api::{BedrockModelMapStatus, RegionState};
use crate::core::resolve::Unresolved;
use crate::core::settings::go_duration;
use crate::published::{GetError, ProfileMapping, Published, Refresh, get_model_profile_mapping};

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
    Region(#[from] Unresolved),
    #[error("{0}")]
    Show(#[from] ShowError),
}

impl Get {
    pub(super) fn execute(self) -> Result<Outcome, GetCommandError> {
        let ProfileMapping { published, status } =
            block_on(self.fetch()).map_err(GetCommandError::Runtime)??;
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
        Ok(outcome)
    }

    async fn fetch(&self) -> Result<ProfileMapping, GetCommandError> {
        let (client, namespace) = self.cluster.connect().await?;
        let refresh = if self.refresh {
            Refresh::Forced {
                timeout: self.timeout,
            }
        } else {
            Refresh::Published
        };
        if self.refresh {
            progress("waiting for the refresh…");
        }
        let mapping = get_model_profile_mapping(client, &namespace, &self.name, refresh).await;
        progress("");
        Ok(mapping?)
    }

    fn narrowed(&self, mut published: Published) -> Result<Published, Unresolved> {
        let unknown = self
            .regions
            .iter()
            .find(|region| !published.regions.contains_key(*region));
        if let Some(region) = unknown {
            return Err(Unresolved::UnknownRegion {
                region: region.clone(),
                known: published.regions.into_keys().collect(),
            });
        }
        if !self.regions.is_empty() {
            published
                .regions
                .retain(|region, _| self.regions.contains(region));
        }
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

fn duration(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(1)..=Duration::from_hours(24);
    go_duration(text)
        .filter(|duration| bounds.contains(duration))
        .ok_or_else(|| "not a Go duration between 1s and 24h, such as 2m".to_owned())
}

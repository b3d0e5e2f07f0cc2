//! `bedrock-model-map get`.

use std::io;
use std::time::Duration;

use super::aws::block_on;
use super::cluster::{ClusterArgs, NoCluster};
use super::mapping::{self, Format, ShowError};
use super::output::{Outcome, note, progress};
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
        let outcome = self.tell_failures(&status);
        mapping::show(&published, self.output)?;
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

    /// Of the regions asked for, says which the operator could not confirm at its last attempt.
    fn tell_failures(&self, status: &BedrockModelMapStatus) -> Outcome {
        let mut outcome = Outcome::Complete;
        for (region, status) in &status.regions {
            let asked_for = self.regions.is_empty() || self.regions.contains(region);
            let state = match status.state {
                RegionState::Stale => "stale",
                RegionState::Failed => "failed",
                RegionState::Fresh
                | RegionState::Empty
                | RegionState::Unsupported
                | RegionState::Disabled => continue,
            };
            if asked_for {
                let why = status.error.as_ref().map_or("", |error| &error.message);
                note(&format!("{region} is {state}: {why}"));
                outcome = Outcome::Partial;
            }
        }
        outcome
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(1)..=Duration::from_hours(24);
    go_duration(text)
        .filter(|duration| bounds.contains(duration))
        .ok_or_else(|| "not a Go duration between 1s and 24h, such as 2m".to_owned())
}

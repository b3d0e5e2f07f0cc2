//! `bedrock-model-map discover`.

use std::io;
use std::path::{Path, PathBuf};

use super::aws::{AwsArgs, block_on};
use super::mapping::{self, Format, ShowError};
use super::output::{Outcome, eprint_note};
use super::page::PageInfo;
use super::policy::{PolicyArgs, PolicyError};
use super::progress::Progress;
use super::replace_file::{create_folder, replace_files};
use super::selectors::Selectors;
use crate::aws::{AwsError, NoCertificatesError};
use crate::bedrock::policy::InvocationPolicy;
use crate::bedrock::selection::Selection;
use crate::discovery::{Discovery, discover};
use crate::publication::content::METADATA_JSON;
use crate::publication::render::{RenderError, region_files};

#[derive(Debug, clap::Args)]
pub(super) struct Discover {
    /// Region to query; repeatable. Default: every region enabled for the account, which needs the
    /// permission account:ListRegions.
    #[arg(long = "region", value_name = "REGION", value_parser = mapping::region)]
    regions: Vec<String>,

    /// Output format. Default: table, or no output with --output-dir.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    /// Write the files of a mounted ConfigMap for each region:
    /// DIR/REGION/{models,invocation,metadata}.json. The folder of a failed region stays
    /// unchanged.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,

    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    selectors: Selectors,

    #[command(flatten)]
    policy: PolicyArgs,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DiscoverError {
    #[error("cannot start the async runtime")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    NoCertificates(#[from] NoCertificatesError),
    #[error(transparent)]
    Regions(#[from] AwsError),
    #[error("no region responded")]
    NoResponse,
    #[error(transparent)]
    Show(#[from] ShowError),
    #[error("cannot render the files of region {region}")]
    Render { region: String, source: RenderError },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Discover {
    pub(super) fn execute(self) -> Result<Outcome, DiscoverError> {
        let selection = self.selectors.selection();
        let policy = self.policy.policy()?.unwrap_or_default();
        let discovery =
            block_on(self.discover(&selection, &policy)).map_err(DiscoverError::Runtime)??;
        let failures = discovery.failures().count();
        if discovery.answered() == 0 && failures > 0 {
            summarize(&discovery);
            return Err(DiscoverError::NoResponse);
        }
        if let Some(folder) = &self.output_dir {
            write_folders(folder, &discovery)?;
        }
        let default = self.output_dir.is_none().then_some(Format::Table);
        if let Some(format) = self.output.or(default) {
            mapping::show(&discovery.published, &page_info(&discovery), format)?;
        }
        summarize(&discovery);
        Ok(if failures == 0 {
            Outcome::Complete
        } else {
            Outcome::Partial
        })
    }

    async fn discover(
        &self,
        selection: &Selection,
        policy: &InvocationPolicy,
    ) -> Result<Discovery, DiscoverError> {
        let named = (!self.regions.is_empty()).then_some(self.regions.as_slice());
        let snapshots = self.aws.snapshots().await?;
        let progress = Progress::spinner("querying AWS".to_owned());
        let caller = self.aws.caller();
        let discovery = discover(&snapshots, &caller, named, selection, policy, |p| {
            progress.show(p);
        });
        Ok(discovery.await?)
    }
}

fn page_info(discovery: &Discovery) -> PageInfo {
    PageInfo {
        title: "discovered".to_owned(),
        as_of: Some(discovery.taken_at),
        failures: discovery
            .failures()
            .map(|(region, error)| (region.to_owned(), error.message.clone()))
            .collect(),
        ..PageInfo::default()
    }
}

fn summarize(discovery: &Discovery) {
    for (region, error) in discovery.failures() {
        eprint_note(&format!(
            "{region}: {}: {}",
            error.code.as_str(),
            error.message
        ));
    }
    let regions = discovery.regions.values();
    let models: i64 = regions.clone().map(|r| r.models).sum();
    let associations: i64 = regions.map(|r| r.associations).sum();
    eprint_note(&format!(
        "{} of {} regions responded, {} failed: {models} models, {associations} associations with inference profiles",
        discovery.answered(),
        discovery.regions.len(),
        discovery.failures().count(),
    ));
}

fn write_folders(folder: &Path, discovery: &Discovery) -> Result<(), DiscoverError> {
    for (region, published) in &discovery.published.regions {
        let Some(status) = discovery.regions.get(region) else {
            continue;
        };
        let files = region_files(region, &published.content, &published.facts, status);
        let files = files.map_err(|source| DiscoverError::Render {
            region: region.clone(),
            source,
        })?;
        let folder = folder.join(region);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DiscoverError::Write { path, source }
        };
        create_folder(&folder).map_err(failed(&folder))?;
        replace_files(&folder, &files.data, METADATA_JSON)
            .map_err(|(name, source)| failed(&folder.join(name))(source))?;
    }
    Ok(())
}

//! The published models that a command works on: of a cluster, a folder, or Amazon Bedrock itself.

use std::io;
use std::path::PathBuf;

use super::aws::{AwsArgs, block_on};
use super::cluster::{ClusterArgs, ClusterError};
use super::policy::{PolicyArgs, PolicyError};
use super::region_aliases::RegionAliases;
use crate::api::{AttemptError, ErrorCode, InferenceProfilesSpec, ModelsSpec};
use crate::aws::{AwsError, NoCertificatesError};
use crate::bedrock::aliases::{Alias, AliasEntry};
use crate::bedrock::policy::InvocationPolicy;
use crate::bedrock::resolve::ResolveError;
use crate::bedrock::selection::Selection;
use crate::discovery::discover;
use crate::reader::{GetError, MapReader, ModelMap, MountError, MountedMap, PublishedAliases};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["name", "dir", "live"]))]
pub(super) struct SourceArgs {
    /// Name of a BedrockModelMap: read what it has published in the cluster, under its own policy.
    #[arg(value_name = "NAME", conflicts_with_all = PolicyArgs::IDS)]
    name: Option<String>,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Read this folder: a mounted ConfigMap, or the output of discover --output-dir.
    #[arg(long, value_name = "MOUNT")]
    dir: Option<PathBuf>,

    /// Query Amazon Bedrock.
    #[arg(long)]
    live: bool,

    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    policy: PolicyArgs,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("cannot start the async runtime")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Get(#[from] GetError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(
        "BedrockModelMap {0} has no aliases: set spec.aliases, or name a model with --alias NAME=MODEL"
    )]
    NoAliases(String),
    #[error("no aliases of {region} are published: {why}")]
    NoPublishedAliases { region: String, why: String },
    #[error("no models of {region} are published: {why}")]
    NotPublished { region: String, why: String },
    #[error(transparent)]
    NoCertificates(#[from] NoCertificatesError),
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("{region}: {}: {}", .error.code.as_str(), .error.message)]
    Live { region: String, error: AttemptError },
    #[error("{0} lists no models")]
    NoModels(String),
    #[error(transparent)]
    UnknownRegion(#[from] ResolveError),
}

impl SourceArgs {
    /// The map with at least these regions, or with all of its regions if none is named.
    pub(super) fn read(&self, regions: &[String]) -> Result<ModelMap, SourceError> {
        let policy = self.policy.policy()?;
        let map = match (&self.dir, &self.name) {
            (Some(dir), _) => {
                let published = ModelMap::clone(&MountedMap::open(dir)?.current());
                match &policy {
                    Some(policy) => published.with_policy(policy),
                    None => published,
                }
            }
            (None, Some(name)) => {
                block_on(self.published(name, regions)).map_err(SourceError::Runtime)??
            }
            (None, None) => block_on(self.discovered(regions, &policy.unwrap_or_default()))
                .map_err(SourceError::Runtime)??,
        };
        for region in regions {
            map.region(region)?;
        }
        Ok(map)
    }

    /// The name of the resource, unless the source is a folder or Amazon Bedrock.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The aliases that the resource has published in a region.
    pub(super) fn published_aliases(&self, region: &str) -> Result<RegionAliases, SourceError> {
        let name = self.name().unwrap_or_default();
        let read = async {
            let (client, namespace) = self.cluster.connect().await?;
            Ok::<_, SourceError>(MapReader::new(client, &namespace, name).aliases().await?)
        };
        let published = block_on(read).map_err(SourceError::Runtime)??;
        if published.specs.is_empty() {
            return Err(SourceError::NoAliases(name.to_owned()));
        }
        region_aliases(published, region)
    }

    async fn published(&self, name: &str, regions: &[String]) -> Result<ModelMap, SourceError> {
        let (client, namespace) = self.cluster.connect().await?;
        let mapping = MapReader::new(client, &namespace, name).get().await?;
        let missing = regions
            .iter()
            .filter(|region| !mapping.map.regions.contains_key(*region))
            .find_map(|region| Some((region, mapping.status.regions.get(region)?)));
        match missing {
            Some((region, status)) => Err(SourceError::NotPublished {
                region: region.clone(),
                why: status.error.as_ref().map_or_else(
                    || "none is selected".to_owned(),
                    |error| format!("{}: {}", error.code.as_str(), error.message),
                ),
            }),
            None => Ok(mapping.map),
        }
    }

    async fn discovered(
        &self,
        regions: &[String],
        policy: &InvocationPolicy,
    ) -> Result<ModelMap, SourceError> {
        let everything = Selection::new(&ModelsSpec::default(), &InferenceProfilesSpec::default());
        let caller = self.aws.caller();
        let snapshots = self.aws.snapshots().await?;
        let named = (!regions.is_empty()).then_some(regions);
        let discovery = discover(&snapshots, &caller, named, &everything, policy, |_| {}).await?;
        let failure = discovery.failures().next();
        let Some((region, error)) = failure else {
            let is_missing = |region: &&String| !discovery.published.regions.contains_key(*region);
            return match regions.iter().find(is_missing) {
                Some(region) => Err(SourceError::NoModels(region.clone())),
                None => Ok(discovery.published),
            };
        };
        let may_be_unknown = matches!(
            error.code,
            ErrorCode::NameNotResolved | ErrorCode::RegionDisabled | ErrorCode::InvalidCredentials
        );
        let region = region.to_owned();
        if may_be_unknown
            && named.is_some()
            && let Ok(known) = snapshots.account_regions(&caller).await
            && !known.contains(&region)
        {
            return Err(ResolveError::UnknownRegion { region, known }.into());
        }
        Err(SourceError::Live {
            region,
            error: error.clone(),
        })
    }
}

fn region_aliases(
    mut published: PublishedAliases,
    region: &str,
) -> Result<RegionAliases, SourceError> {
    let regions = &published.status.regions;
    let status = regions
        .get(region)
        .ok_or_else(|| ResolveError::UnknownRegion {
            region: region.to_owned(),
            known: regions.keys().cloned().collect(),
        })?;
    let aliases = status.aliases.as_ref();
    let Some(entries) = published.regions.remove(region) else {
        let error = aliases
            .and_then(|a| a.error.as_ref())
            .or(status.error.as_ref());
        return Err(SourceError::NoPublishedAliases {
            region: region.to_owned(),
            why: error.map_or_else(
                || format!("the region is {}", status.state.as_str()),
                |error| format!("{}: {}", error.code.as_str(), error.message),
            ),
        });
    };
    let problems = aliases.map(|aliases| aliases.problems.as_slice());
    let problem = |name: &String| problems?.iter().find(|problem| problem.alias == *name);
    let unresolved = entries.iter().filter_map(|(name, entry)| match entry {
        AliasEntry::Resolved(_) => None,
        AliasEntry::Unresolved(unresolved) => {
            let why = problem(name).map_or(unresolved.reason.as_str(), |p| p.message.as_str());
            Some((name.clone(), why.to_owned()))
        }
    });
    Ok(RegionAliases {
        unresolved: unresolved.collect(),
        aliases: published.specs.iter().map(Alias::from).collect(),
        entries,
    })
}

//! `bedrock-model-map resolve`.

use std::io;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;

use super::aws::{AwsArgs, block_on};
use super::cluster::{ClusterArgs, ClusterError};
use super::mapping;
use super::output::{Outcome, PrintError, eprint_note, print, print_yaml, printable};
use crate::api::{AttemptError, ErrorCode, InferenceProfilesSpec, ModelsSpec, RegionState};
use crate::aws::{AwsError, NoCertificatesError};
use crate::bedrock::resolve::{Resolution, ResolveError, resolve};
use crate::bedrock::selection::Selection;
use crate::discovery::discover;
use crate::reader::{GetError, MapReader, ModelMap, MountError, MountedMap};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["name", "dir", "live"]))]
pub(super) struct Resolve {
    /// Model ID, glob on IDs (* and ?), or a part of an ID or a model name, such as
    /// claude-sonnet-4-5.
    #[arg(value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    model: String,

    /// Region to invoke the model from.
    #[arg(long, env = "AWS_REGION", value_name = "REGION", value_parser = mapping::region)]
    region: String,

    /// Name of a BedrockModelMap: read what it has published in the cluster.
    #[arg(value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Read this folder: a mounted ConfigMap, or the output of discover --output-dir.
    #[arg(long, value_name = "MOUNT")]
    dir: Option<PathBuf>,

    /// Query Amazon Bedrock.
    #[arg(long)]
    live: bool,

    /// Output format.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[command(flatten)]
    aws: AwsArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The ID and the reason.
    Text,
    /// A list with an item for each matching model.
    Json,
    /// The same as YAML.
    Yaml,
    /// Only the ID, for scripts; fails unless exactly one model matches and has an ID.
    Id,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveCommandError {
    #[error("cannot start the async runtime")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Get(#[from] GetError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("no models of {region} are published: {why}")]
    NotPublished { region: String, why: String },
    #[error(transparent)]
    NoCertificates(#[from] NoCertificatesError),
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("{}: {}", .0.code.as_str(), .0.message)]
    Live(AttemptError),
    #[error("{0} lists no models")]
    NoModels(String),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("{} models match; name one of them: {}", .0.len(), .0.join(", "))]
    Ambiguous(Vec<String>),
    #[error(transparent)]
    Print(#[from] PrintError),
}

impl Resolve {
    pub(super) fn execute(self) -> Result<Outcome, ResolveCommandError> {
        let map = match &self.dir {
            Some(dir) => ModelMap::clone(&MountedMap::open(dir)?.current()),
            None => block_on(self.read()).map_err(ResolveCommandError::Runtime)??,
        };
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
        match self.output {
            Format::Text => print(&text(&found))?,
            Format::Json => {
                let json = serde_json::to_string(&found).map_err(PrintError::from)?;
                print(&format!("{json}\n"))?;
            }
            Format::Yaml => print_yaml(&found)?,
            Format::Id => print(&format!("{}\n", only_id(found)?))?,
        }
        Ok(Outcome::Complete)
    }

    async fn read(&self) -> Result<ModelMap, ResolveCommandError> {
        match &self.name {
            Some(name) => {
                let (client, namespace) = self.cluster.connect().await?;
                let mapping = MapReader::new(client, &namespace, name).get().await?;
                match mapping.status.regions.get(&self.region) {
                    Some(status) if !mapping.map.regions.contains_key(&self.region) => {
                        Err(ResolveCommandError::NotPublished {
                            region: self.region.clone(),
                            why: status.error.as_ref().map_or_else(
                                || "none is selected".to_owned(),
                                |error| format!("{}: {}", error.code.as_str(), error.message),
                            ),
                        })
                    }
                    _ => Ok(mapping.map),
                }
            }
            None => self.discover().await,
        }
    }

    async fn discover(&self) -> Result<ModelMap, ResolveCommandError> {
        let everything = Selection::new(&ModelsSpec::default(), &InferenceProfilesSpec::default());
        let caller = self.aws.caller();
        let snapshots = self.aws.snapshots().await?;
        let region = std::slice::from_ref(&self.region);
        let discovery = discover(&snapshots, &caller, Some(region), &everything, |_| {}).await?;
        let failure = discovery.failures().next().map(|(_, error)| error.clone());
        let Some(failure) = failure else {
            if discovery.published.regions.is_empty() {
                return Err(ResolveCommandError::NoModels(self.region.clone()));
            }
            return Ok(discovery.published);
        };
        let may_be_unknown = matches!(
            failure.code,
            ErrorCode::NameNotResolved | ErrorCode::RegionDisabled | ErrorCode::InvalidCredentials
        );
        if may_be_unknown
            && let Ok(known) = snapshots.account_regions(&caller).await
            && !known.contains(&self.region)
        {
            let region = self.region.clone();
            return Err(ResolveError::UnknownRegion { region, known }.into());
        }
        Err(ResolveCommandError::Live(failure))
    }
}

fn only_id(mut found: Vec<Resolution>) -> Result<String, ResolveCommandError> {
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one.id()?),
        (last, _) => {
            let all = found.into_iter().chain(last);
            Err(ResolveCommandError::Ambiguous(
                all.map(|r| r.model_id).collect(),
            ))
        }
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

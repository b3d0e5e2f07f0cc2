//! `bedrock-model-map resolve`.

use std::io;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;

use super::aws::{AwsArgs, block_on};
use super::cluster::{ClusterArgs, NoCluster};
use super::mapping;
use super::output::{Outcome, PrintError, note, print, print_yaml, printable};
use crate::api::{ErrorCode, InferenceProfilesSpec, ModelsSpec, RegionState};
use crate::aws::NoCertificatesError;
use crate::bedrock::resolve::{Resolution, ResolveError, resolve};
use crate::bedrock::selection::Selection;
use crate::discovery::discover;
use crate::reader::{
    GetError, ModelMap, MountError, MountedMap, RefreshMode, get_model_profile_mapping,
};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["name", "dir", "live"]))]
pub(super) struct Resolve {
    /// A model id, a glob on ids (* and ?), or a name or a part of one, such as claude-sonnet-4-5,
    /// looked for in ids and model names.
    #[arg(value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    model: String,

    /// From which region the model is to be invoked.
    #[arg(long, env = "AWS_REGION", value_name = "REGION", value_parser = mapping::region)]
    region: String,

    /// Look in what this BedrockModelMap has published in the cluster.
    #[arg(value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Look in this folder: a mounted ConfigMap, or what discover --output-dir wrote.
    #[arg(long, value_name = "MOUNT")]
    dir: Option<PathBuf>,

    /// Ask Amazon Bedrock now.
    #[arg(long)]
    live: bool,

    /// How the answer is printed.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[command(flatten)]
    aws: AwsArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The id, and why, for people.
    Text,
    /// A list, one item a matching model.
    Json,
    /// The same as YAML.
    Yaml,
    /// Only the id to pass, for scripts; fails unless exactly one model matches and has one.
    Id,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveCommandError {
    #[error("the async runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    #[error("{0}")]
    NoCluster(#[from] NoCluster),
    #[error("{0}")]
    Get(#[from] GetError),
    #[error("{0}")]
    Mount(#[from] MountError),
    #[error("nothing is published of {region}: {why}")]
    NotPublished { region: String, why: String },
    #[error("{0}")]
    NoCertificates(#[from] NoCertificatesError),
    #[error("{0}")]
    Live(String),
    #[error("{0}")]
    ResolveError(#[from] ResolveError),
    #[error("{} models match, name one of them: {}", .0.len(), .0.join(", "))]
    Ambiguous(Vec<String>),
    #[error("{0}")]
    Print(#[from] PrintError),
}

impl Resolve {
    pub(super) fn execute(self) -> Result<Outcome, ResolveCommandError> {
        let published = match &self.dir {
            Some(dir) => ModelMap::clone(&MountedMap::open(dir)?.current()),
            None => block_on(self.ask()).map_err(ResolveCommandError::Runtime)??,
        };
        let found = resolve(&published.views(), &self.region, &self.model)?;
        let stale = published
            .regions
            .get(&self.region)
            .filter(|r| r.state == RegionState::Stale);
        if let Some(stale) = stale {
            let since = stale.stale_since.map(|time| format!(" since {time}"));
            let since = since.unwrap_or_default();
            note(&format!(
                "{} is stale: it could not be confirmed{since}",
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

    async fn ask(&self) -> Result<ModelMap, ResolveCommandError> {
        match &self.name {
            Some(name) => {
                let (client, namespace) = self.cluster.connect().await?;
                let mapping =
                    get_model_profile_mapping(client, &namespace, name, RefreshMode::None).await?;
                match mapping.status.regions.get(&self.region) {
                    Some(status) if !mapping.published.regions.contains_key(&self.region) => {
                        Err(ResolveCommandError::NotPublished {
                            region: self.region.clone(),
                            why: status.error.as_ref().map_or_else(
                                || "no model of it is selected".to_owned(),
                                |error| error.message.clone(),
                            ),
                        })
                    }
                    _ => Ok(mapping.published),
                }
            }
            None => self.ask_bedrock().await,
        }
    }

    async fn ask_bedrock(&self) -> Result<ModelMap, ResolveCommandError> {
        let everything = Selection::new(&ModelsSpec::default(), &InferenceProfilesSpec::default());
        let caller = self.aws.caller();
        let snapshots = self.aws.snapshots().await?;
        let region = std::slice::from_ref(&self.region);
        let discovery = discover(&snapshots, &caller, Some(region), &everything, |_| {})
            .await
            .map_err(|error| ResolveCommandError::Live(error.to_string()))?;
        let failure = discovery.failures().next().map(|(_, error)| error.clone());
        let Some(failure) = failure else {
            if discovery.published.regions.is_empty() {
                let message = format!("{} lists no models", self.region);
                return Err(ResolveCommandError::Live(message));
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
        Err(ResolveCommandError::Live(failure.message))
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
    let blocks = found.iter().map(|resolution| {
        let id = resolution.invoke_with.as_deref();
        let name = resolution.model_name.as_deref();
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let block = format!(
            "{}\n  model:     {}{name}\n  from:      {}\n  why:       {}\n  lifecycle: {}\n",
            id.unwrap_or("(no id to pass)"),
            resolution.model_id,
            resolution.region,
            resolution.explanation,
            lifecycle(resolution),
        );
        printable(&block)
    });
    blocks.collect::<Vec<_>>().join("\n")
}

fn lifecycle(resolution: &Resolution) -> String {
    let field = |key| resolution.lifecycle.get(key).and_then(|v| v.as_str());
    let status = field("status").unwrap_or("not stated");
    match field("endOfLifeTime") {
        Some(end) => format!("{status}, end of life {end}"),
        None => status.to_owned(),
    }
}

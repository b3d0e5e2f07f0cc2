//! `bedrock-model-map render`.

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;

use super::aliases::{AliasArgument, AliasError, aliases};
use super::mapping;
use super::output::{Outcome, PrintError, eprint_note, print};
use super::region_aliases::RegionAliases;
use super::source::{SourceArgs, SourceError};
use crate::bedrock::aliases::{AliasEntries, AliasEntry, Explanation, Listing};
use crate::publication::formats::{
    NamedModel, claude_code, env, envoy_ai_gateway, kagent, litellm, named_models, yaml,
};

#[derive(Debug, clap::Args)]
pub(super) struct Render {
    /// Region to invoke the models from.
    #[arg(long, env = "AWS_REGION", value_name = "REGION", value_parser = mapping::region)]
    region: String,

    /// Consumer that reads the output.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Format,

    /// Render this model in place of the aliases in the resource's spec; repeatable. NAME is the
    /// logical name, MODEL a model ID or a glob on IDs, the preferred one first, and VARIABLE the
    /// environment variable, by default that of spec.aliases. --dir and --live need it.
    #[arg(long = "alias", value_name = "NAME[:VARIABLE]=MODEL[,MODEL]")]
    aliases: Vec<AliasArgument>,

    /// Name of the Gateway that serves the models, for envoy-ai-gateway.
    #[arg(long, value_name = "NAME", default_value = "ai-gateway", value_parser = NonEmptyStringValueParser::new())]
    gateway: String,

    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Assignments for a shell or an env file.
    Env,
    /// A fragment for the include of LiteLLM's configuration.
    Litellm,
    /// Settings of Claude Code.
    ClaudeCode,
    /// Resources of Envoy AI Gateway.
    EnvoyAiGateway,
    /// A model configuration of kagent for each model.
    Kagent,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RenderError {
    #[error(transparent)]
    Alias(#[from] AliasError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("--dir and --live need --alias NAME=MODEL: only a resource has aliases of its own")]
    NoAlias,
    #[error("no alias has an ID to pass in {0}")]
    NoId(String),
    #[error(transparent)]
    Print(#[from] PrintError),
}

impl Render {
    pub(super) fn execute(self) -> Result<Outcome, RenderError> {
        let RegionAliases {
            aliases,
            entries,
            unresolved,
        } = self.region_aliases()?;
        for (alias, why) in &unresolved {
            let region = &self.region;
            eprint_note(&format!(
                "alias {alias} has no ID to pass in {region}: {why}"
            ));
        }
        let models = named_models(&aliases, &entries);
        if models.is_empty() {
            return Err(RenderError::NoId(self.region));
        }
        print(&self.rendered(&models)?)?;
        Ok(if unresolved.is_empty() {
            Outcome::Complete
        } else {
            Outcome::Partial
        })
    }

    fn region_aliases(&self) -> Result<RegionAliases, RenderError> {
        let given = aliases(&self.aliases)?;
        if given.is_empty() {
            if self.source.name().is_none() {
                return Err(RenderError::NoAlias);
            }
            return Ok(self.source.published_aliases(&self.region)?);
        }
        let map = self.source.read(std::slice::from_ref(&self.region))?;
        let region = map.region(&self.region).map_err(SourceError::from)?;
        let listing = Listing::new(region.invocations(), Timestamp::now());
        let (mut entries, mut unresolved) = (AliasEntries::new(), Vec::new());
        for alias in &given {
            let entry = AliasEntry::from(listing.resolve(alias));
            if entry.target().is_none() {
                let listing = &listing;
                let why = Explanation { alias, listing }.to_string();
                unresolved.push((alias.name.clone(), why));
            }
            entries.insert(alias.name.clone(), entry);
        }
        Ok(RegionAliases {
            aliases: given,
            entries,
            unresolved,
        })
    }

    fn rendered(&self, models: &[NamedModel<'_>]) -> Result<String, PrintError> {
        let region = self.region.as_str();
        Ok(match self.format {
            Format::Env => env::file(&env::variables(models)),
            Format::Litellm => litellm::fragment(region, models),
            Format::ClaudeCode => {
                let settings = claude_code::settings(region, models);
                serde_json::to_string_pretty(&settings)? + "\n"
            }
            Format::EnvoyAiGateway => {
                let name = self.source.name().unwrap_or("bedrock");
                let name = format!("{name}-{region}");
                yaml::documents(&envoy_ai_gateway::resources(
                    &name,
                    &self.gateway,
                    region,
                    models,
                ))
            }
            Format::Kagent => yaml::documents(&kagent::model_configs(region, models)),
        })
    }
}

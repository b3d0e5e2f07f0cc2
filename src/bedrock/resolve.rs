//! The ID to pass for a model that somebody names, in full or in part.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::RouteKind;
use crate::bedrock::glob::Glob;
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::model::{ModelSummary, Models};
use crate::bedrock::policy::NoRouteReason;
use crate::bedrock::profile::ProfileSummary;
use crate::bedrock::profile_facts::ProfileFacts;
use crate::bedrock::view::{RegionView, Regions};
use notation::Reference;

mod explanation;
mod lifecycle_note;
pub(super) mod nearest;
mod notation;
#[cfg(test)]
mod tests;

pub use explanation::Explanation;
pub use lifecycle_note::LifecycleNote;

/// A model that was found, and the ID to pass for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Resolution {
    /// The region from which the model is invoked.
    pub region: String,
    /// The model ID.
    pub model_id: String,
    /// The model's name, if AWS gives one.
    pub model_name: Option<String>,
    /// The ID to pass, if there is one.
    pub invoke_with: Option<String>,
    /// The kind of the route that `invoke_with` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteKind>,
    /// Why there is no ID to pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<NoRouteReason>,
    /// Whether the model ID itself can be passed.
    pub on_demand: bool,
    /// Whether the model is not on demand, and at least one profile references it.
    pub requires_inference_profile: bool,
    /// The profile that `invoke_with` names.
    pub profile: Option<ProfileFacts>,
    /// `modelLifecycle` as AWS gives it.
    pub lifecycle: Map<String, Value>,
    /// Why that ID, in words.
    #[serde(skip)]
    pub explanation: String,
}

/// A request that no published model satisfies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The map has no such region.
    #[error(
        "region {region} is not available; available regions: {}",
        listed(known)
    )]
    UnknownRegion {
        /// The requested region.
        region: String,
        /// The regions of the map.
        known: Vec<String>,
    },
    /// The region has no such model.
    #[error(
        "no model of {region} matches {wanted:?}{}{}",
        hint("nearest", nearest),
        hint("regions that have it", elsewhere)
    )]
    UnknownModel {
        /// The requested region.
        region: String,
        /// The requested model.
        wanted: String,
        /// IDs of similar models of the region, the most similar first.
        nearest: Vec<String>,
        /// Other regions with a matching model.
        elsewhere: Vec<String>,
    },
    /// The region has the model, but no ID invokes it.
    #[error("{model} has no ID to pass from {region}: {why}")]
    NoId {
        /// The requested region.
        region: String,
        /// The model's ID.
        model: String,
        /// The reason, as text.
        why: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn hint(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; {what}: {}", names.join(", "))
    }
}

/// The models of a region that `wanted` names, by ID.
///
/// `wanted` is what people have in their configuration: a model ID; an inference profile's ID or ARN,
/// also one of another geography or region (its models are resolved); a model ARN; any of these with
/// a gateway's prefix such as `bedrock/converse/`; a glob on model IDs (`*` and `?`); or a name or a
/// part of one, such as `claude-sonnet-4-5`, found in the ID or in `modelName` whatever its case and
/// punctuation. The closest kind of match excludes the others.
pub fn resolve(
    regions: &Regions<'_>,
    region: &str,
    wanted: &str,
) -> Result<Vec<Resolution>, ResolveError> {
    let view = view_of(regions, region)?;
    let matched = matching(regions, view.models, wanted);
    if matched.is_empty() {
        return Err(unknown_model(regions, region, view.models, wanted));
    }
    let resolutions = matched
        .into_iter()
        .map(|(id, model)| Resolution::new(region, id, model, view.facts(region, id, model)));
    Ok(resolutions.collect())
}

/// The ID to pass for the model of this ID.
pub fn invoke_with(
    regions: &Regions<'_>,
    region: &str,
    model_id: &str,
) -> Result<String, ResolveError> {
    let (view, model) = model_of(regions, region, model_id)?;
    let facts = view.facts(region, model_id, model);
    Resolution::new(region, model_id, model, facts).id()
}

/// How the model of this ID is invoked.
pub fn invocation(
    regions: &Regions<'_>,
    region: &str,
    model_id: &str,
) -> Result<InvocationFacts, ResolveError> {
    let (view, model) = model_of(regions, region, model_id)?;
    Ok(view.facts(region, model_id, model))
}

fn view_of<'m>(regions: &Regions<'m>, region: &str) -> Result<RegionView<'m>, ResolveError> {
    let view = regions.get(region).copied();
    view.ok_or_else(|| ResolveError::UnknownRegion {
        region: region.to_owned(),
        known: regions.keys().map(|&region| region.to_owned()).collect(),
    })
}

fn model_of<'m>(
    regions: &Regions<'m>,
    region: &str,
    model_id: &str,
) -> Result<(RegionView<'m>, &'m ModelSummary), ResolveError> {
    let view = view_of(regions, region)?;
    let model = view.models.get(model_id);
    let model = model.ok_or_else(|| unknown_model(regions, region, view.models, model_id))?;
    Ok((view, model))
}

fn unknown_model(
    regions: &Regions<'_>,
    region: &str,
    models: &Models,
    wanted: &str,
) -> ResolveError {
    ResolveError::UnknownModel {
        region: region.to_owned(),
        wanted: wanted.to_owned(),
        nearest: nearest::nearest(
            models
                .iter()
                .map(|(id, model)| (id.as_str(), model.name().unwrap_or_default())),
            wanted,
        ),
        elsewhere: regions
            .iter()
            .filter(|(other, _)| **other != region)
            .filter(|(_, view)| !matching(regions, view.models, wanted).is_empty())
            .map(|(&other, _)| other.to_owned())
            .collect(),
    }
}

impl Resolution {
    fn new(region: &str, id: &str, model: &ModelSummary, facts: InvocationFacts) -> Self {
        Self {
            region: region.to_owned(),
            model_id: id.to_owned(),
            model_name: model.name().map(str::to_owned),
            route: facts.route_kind(),
            reason: facts.no_route_reason(),
            on_demand: facts.on_demand,
            requires_inference_profile: facts.requires_inference_profile,
            profile: facts.chosen_profile().cloned(),
            lifecycle: model.lifecycle_fields().cloned().unwrap_or_default(),
            explanation: Explanation::new(&facts).to_string(),
            invoke_with: facts.invoke_with,
        }
    }

    /// The ID to pass, or why it is missing.
    pub fn id(self) -> Result<String, ResolveError> {
        self.invoke_with.ok_or(ResolveError::NoId {
            region: self.region,
            model: self.model_id,
            why: self.explanation,
        })
    }
}

/// The models that `wanted` names, by the closest kind of match.
fn matching<'m>(
    regions: &Regions<'_>,
    models: &'m Models,
    wanted: &str,
) -> Vec<(&'m str, &'m ModelSummary)> {
    let keep = |is_meant: &dyn Fn(&str, &ModelSummary) -> bool| -> Vec<_> {
        models
            .iter()
            .map(|(id, model)| (id.as_str(), model))
            .filter(|(id, model)| is_meant(id, model))
            .collect()
    };
    let (wanted, is_arn) = match Reference::new(wanted) {
        Reference::Text(text) if text.contains(['*', '?']) => {
            let glob = Glob::new(text);
            return keep(&|id, _| glob.is_match(id));
        }
        Reference::Text(text) => (text, false),
        Reference::Model(id) => return keep(&|listed, _| listed == id),
        Reference::Profile { arn, id } => {
            let by_arn = keep(&|_, model| embeds(model, |profile| profile.arn() == arn));
            if !by_arn.is_empty() {
                return by_arn;
            }
            (id, true)
        }
    };
    let mut found = keep(&|id, _| id.eq_ignore_ascii_case(wanted));
    if found.is_empty() {
        found = keep(&|_, model| embeds(model, |profile| profile.id() == wanted));
    }
    if found.is_empty() {
        let elsewhere = models_of_profile(regions, wanted);
        found = keep(&|id, _| elsewhere.contains(id));
    }
    if found.is_empty() {
        // A profile of a geography that none of the known regions lists: its ID is the model ID with
        // the geography before it.
        let model_id = wanted.split_once('.').map_or("", |(_, id)| id);
        found = keep(&|id, _| id == model_id);
    }
    let plain_wanted = plain(wanted);
    if is_arn || plain_wanted.is_empty() {
        return found;
    }
    let name = |model: &ModelSummary| plain(model.name().unwrap_or_default());
    if found.is_empty() {
        found = keep(&|_, model| name(model) == plain_wanted);
    }
    if found.is_empty() {
        found = keep(&|id, model| {
            plain(id).contains(&plain_wanted) || name(model).contains(&plain_wanted)
        });
    }
    found
}

fn embeds(model: &ModelSummary, is_meant: impl Fn(&ProfileSummary<'_>) -> bool) -> bool {
    model.profiles().any(|profile| is_meant(&profile))
}

/// The models of any region that embed the profile of this ID.
fn models_of_profile<'m>(regions: &Regions<'m>, profile_id: &str) -> BTreeSet<&'m str> {
    regions
        .values()
        .flat_map(|view| view.models)
        .filter(|(_, model)| embeds(model, |profile| profile.id() == profile_id))
        .map(|(id, _)| id.as_str())
        .collect()
}

/// Lower case, with each run of characters that are neither letter nor digit as one `-`: "Claude
/// Sonnet 4.5" is `claude-sonnet-4-5`.
fn plain(name: &str) -> String {
    name.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

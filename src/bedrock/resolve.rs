//! Which id to pass for a model that somebody names, in full or in part.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::bedrock::glob::Glob;
use crate::bedrock::invocation::{self, InvocationFacts, ProfileFacts};
use crate::bedrock::model::{ModelSummary, Models};

mod nearest;
mod route;
#[cfg(test)]
mod tests;

pub use route::Route;

/// A model that was asked for, and the id to pass for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// From where it is invoked.
    pub region: String,
    /// The model's id.
    pub model_id: String,
    /// The model's name, where AWS gives one.
    pub model_name: Option<String>,
    /// The id to pass; None: there is none to be passed.
    pub invoke_with: Option<String>,
    /// Whether the model id itself can be passed.
    pub on_demand: bool,
    /// Whether the model is not on demand, and at least one profile references it.
    pub requires_inference_profile: bool,
    /// The profile whose id is `invoke_with`.
    pub profile: Option<ProfileFacts>,
    /// `modelLifecycle` as AWS gives it.
    pub lifecycle: Map<String, Value>,
    /// Why that id.
    #[serde(skip)]
    pub route: Route,
}

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is nothing of that region.
    #[error("there is no region {region} here; there are: {}", listed(known))]
    UnknownRegion {
        /// The region asked for.
        region: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The region has no such model.
    #[error(
        "no model of {region} matches {wanted:?}{}{}",
        hint("nearest", nearest),
        hint("regions that have it", elsewhere)
    )]
    UnknownModel {
        /// The region asked for.
        region: String,
        /// What was asked for.
        wanted: String,
        /// Ids of the region's models that look alike, the nearest first.
        nearest: Vec<String>,
        /// Other regions in which something matches.
        elsewhere: Vec<String>,
    },
    /// The region has the model, and no id can be passed for it.
    #[error("there is no id to pass for {model} from {region}: {why}")]
    NoId {
        /// The region asked for.
        region: String,
        /// The model's id.
        model: String,
        /// Why, in words.
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

/// The models of a region that `wanted` names, by id.
///
/// `wanted` is a model id; or a glob on ids (`*` and `?`); or a name or a part of one as people say
/// it, such as `claude-sonnet-4-5`, found in the id or in `modelName`, whatever its case and
/// punctuation. The closest kind of match excludes the others: the id itself, then a whole
/// `modelName`, then a part of either.
pub fn resolve(
    regions: &BTreeMap<&str, &Models>,
    region: &str,
    wanted: &str,
) -> Result<Vec<Resolution>, ResolveError> {
    let models = models_of(regions, region)?;
    let matched = matching(models, wanted);
    if matched.is_empty() {
        return Err(unknown_model(regions, region, models, wanted));
    }
    let mut facts = invocation::facts(models);
    let resolutions = matched.into_iter().filter_map(|(id, summary)| {
        let facts = facts.remove(id)?;
        Some(resolution(region, id, summary, facts))
    });
    Ok(resolutions.collect())
}

/// The id to pass for the model of this id.
pub fn invoke_with(
    regions: &BTreeMap<&str, &Models>,
    region: &str,
    model_id: &str,
) -> Result<String, ResolveError> {
    let summary = summary_of(regions, region, model_id)?;
    let facts = InvocationFacts::new(model_id, summary);
    resolution(region, model_id, summary, facts).id()
}

/// How the model of this id is invoked.
pub fn invocation(
    regions: &BTreeMap<&str, &Models>,
    region: &str,
    model_id: &str,
) -> Result<InvocationFacts, ResolveError> {
    let summary = summary_of(regions, region, model_id)?;
    Ok(InvocationFacts::new(model_id, summary))
}

fn models_of<'m>(
    regions: &BTreeMap<&str, &'m Models>,
    region: &str,
) -> Result<&'m Models, ResolveError> {
    let models = regions.get(region).copied();
    models.ok_or_else(|| ResolveError::UnknownRegion {
        region: region.to_owned(),
        known: regions.keys().map(|&region| region.to_owned()).collect(),
    })
}

fn summary_of<'m>(
    regions: &BTreeMap<&str, &'m Models>,
    region: &str,
    model_id: &str,
) -> Result<&'m ModelSummary, ResolveError> {
    let models = models_of(regions, region)?;
    let summary = models.get(model_id);
    summary.ok_or_else(|| unknown_model(regions, region, models, model_id))
}

fn unknown_model(
    regions: &BTreeMap<&str, &Models>,
    region: &str,
    models: &Models,
    wanted: &str,
) -> ResolveError {
    let others = regions.iter().filter(|(other, _)| **other != region);
    ResolveError::UnknownModel {
        region: region.to_owned(),
        wanted: wanted.to_owned(),
        nearest: nearest::nearest(models, &plain(wanted)),
        elsewhere: others
            .filter(|(_, models)| !matching(models, wanted).is_empty())
            .map(|(&other, _)| other.to_owned())
            .collect(),
    }
}

impl Resolution {
    /// The id to pass, or why there is none.
    pub fn id(self) -> Result<String, ResolveError> {
        self.invoke_with.ok_or_else(|| ResolveError::NoId {
            region: self.region,
            model: self.model_id,
            why: self.route.to_string(),
        })
    }
}

fn resolution(
    region: &str,
    id: &str,
    summary: &ModelSummary,
    facts: InvocationFacts,
) -> Resolution {
    let route = Route::new(summary, &facts);
    let profile = match &route {
        Route::Profile(profile) => Some(profile.clone()),
        Route::OnDemand
        | Route::ApplicationProfiles(_)
        | Route::InactiveProfiles(_)
        | Route::Provisioned
        | Route::Unstated => None,
    };
    Resolution {
        region: region.to_owned(),
        model_id: id.to_owned(),
        model_name: summary.name().map(str::to_owned),
        invoke_with: facts.invoke_with,
        on_demand: facts.on_demand,
        requires_inference_profile: facts.requires_inference_profile,
        profile,
        lifecycle: summary.lifecycle_fields().cloned().unwrap_or_default(),
        route,
    }
}

fn matching<'m>(models: &'m Models, wanted: &str) -> Vec<(&'m str, &'m ModelSummary)> {
    let keep = |is_meant: &dyn Fn(&str, &str) -> bool| -> Vec<_> {
        models
            .iter()
            .map(|(id, summary)| (id.as_str(), summary))
            .filter(|(id, summary)| is_meant(id, summary.name().unwrap_or_default()))
            .collect()
    };
    if wanted.contains(['*', '?']) {
        let glob = Glob::new(wanted);
        return keep(&|id, _| glob.is_match(id));
    }
    let plain_wanted = plain(wanted);
    if plain_wanted.is_empty() {
        return Vec::new();
    }
    let mut found = keep(&|id, _| id.eq_ignore_ascii_case(wanted));
    if found.is_empty() {
        found = keep(&|_, name| plain(name) == plain_wanted);
    }
    if found.is_empty() {
        found = keep(&|id, name| {
            plain(id).contains(&plain_wanted) || plain(name).contains(&plain_wanted)
        });
    }
    found
}

/// Lower case, with each run of what is neither letter nor digit as one `-`: "Claude Sonnet 4.5" is
/// `claude-sonnet-4-5`.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.collect::<Vec<_>>().join("-")
}

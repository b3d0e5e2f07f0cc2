//! The changes between two published maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bedrock::lifecycle::Lifecycle;
use crate::bedrock::model::{Models, embedded_profile_ids};
use crate::bedrock::view::{RegionView, Regions};

/// The number of regions that a line names; it counts the others.
const NAMED_IN_LINE: usize = 5;

/// All changes, each once with its regions. Changes that take something away from callers come first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Changes {
    /// The changes in their order.
    pub items: Vec<Change>,
}

/// A change and its regions. Its text is one line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// What changed.
    #[serde(flatten)]
    pub what: ChangeKind,
    /// The regions in which it happened.
    pub regions: BTreeSet<String>,
}

/// A kind of change, in the order of its effect on callers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "change", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// A region is not published any more. Its models have no changes of their own.
    RegionRemoved,
    /// An alias has lost its ID. It keeps the last one until a second response confirms the loss.
    AliasUnresolved {
        /// Its name.
        alias: String,
        /// The last ID.
        before: String,
        /// Why it was lost.
        why: String,
    },
    /// The ID of an alias has changed.
    AliasChanged {
        /// Its name.
        alias: String,
        /// The ID before.
        before: String,
        /// The ID now; None: the loss of the ID is confirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Why it has changed.
        why: String,
    },
    /// A model is not published any more.
    ModelRemoved {
        /// Its ID.
        model: String,
    },
    /// The lifecycle status or the end of life of a model has changed.
    LifecycleChanged {
        /// Its ID.
        model: String,
        /// The lifecycle before.
        before: Lifecycle,
        /// The lifecycle now.
        after: Lifecycle,
    },
    /// The ID that invokes a model has changed.
    InvokeWithChanged {
        /// The model's ID.
        model: String,
        /// The ID before; None: no ID invoked the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// The ID now; None: no ID invokes the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// The destination regions of the ID that invokes a model have changed.
    DestinationsChanged {
        /// The model's ID.
        model: String,
        /// The destination regions before.
        before: Vec<String>,
        /// The destination regions now.
        after: Vec<String>,
    },
    /// An inference profile is not embedded in any model any more.
    ProfileRemoved {
        /// Its ID.
        profile: String,
    },
    /// A region is published for the first time. Its models have no changes of their own.
    RegionAdded,
    /// A model is published for the first time.
    ModelAdded {
        /// Its ID.
        model: String,
    },
    /// An inference profile is embedded for the first time.
    ProfileAdded {
        /// Its ID.
        profile: String,
    },
}

/// The changes from one map to another.
pub fn changes(before: &Regions<'_>, after: &Regions<'_>) -> Changes {
    let regions: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    regions
        .into_iter()
        .flat_map(|region| {
            region_changes(region, before.get(region), after.get(region))
                .into_iter()
                .map(move |kind| (region, kind))
        })
        .collect()
}

/// The changes in one region; None: the region is not published.
pub fn region_changes(
    region: &str,
    before: Option<&RegionView<'_>>,
    after: Option<&RegionView<'_>>,
) -> Vec<ChangeKind> {
    match (before, after) {
        (Some(before), Some(after)) => view_changes(region, before, after),
        (Some(_), None) => vec![ChangeKind::RegionRemoved],
        (None, Some(_)) => vec![ChangeKind::RegionAdded],
        (None, None) => Vec::new(),
    }
}

/// Joins equal changes of several regions into one.
impl<'a> FromIterator<(&'a str, ChangeKind)> for Changes {
    fn from_iter<I: IntoIterator<Item = (&'a str, ChangeKind)>>(changes: I) -> Self {
        let mut regions_of: BTreeMap<ChangeKind, BTreeSet<String>> = BTreeMap::new();
        for (region, what) in changes {
            regions_of
                .entry(what)
                .or_default()
                .insert(region.to_owned());
        }
        Self {
            items: regions_of
                .into_iter()
                .map(|(what, regions)| Change { what, regions })
                .collect(),
        }
    }
}

fn view_changes(region: &str, before: &RegionView<'_>, after: &RegionView<'_>) -> Vec<ChangeKind> {
    let mut found = Vec::new();
    for model in without(before.models.keys(), after.models) {
        found.push(ChangeKind::ModelRemoved { model });
    }
    for model in without(after.models.keys(), before.models) {
        found.push(ChangeKind::ModelAdded { model });
    }
    for (model, summary) in after.models {
        let Some(summary_before) = before.models.get(model) else {
            continue;
        };
        let (was, is) = (summary_before.lifecycle(), summary.lifecycle());
        if was != is {
            found.push(ChangeKind::LifecycleChanged {
                model: model.clone(),
                before: was,
                after: is,
            });
        }
        let was = before.facts(region, model, summary_before);
        let is = after.facts(region, model, summary);
        if was.invoke_with != is.invoke_with {
            found.push(ChangeKind::InvokeWithChanged {
                model: model.clone(),
                before: was.invoke_with,
                after: is.invoke_with,
            });
        } else if was.chosen_destinations() != is.chosen_destinations() {
            found.push(ChangeKind::DestinationsChanged {
                model: model.clone(),
                before: was.chosen_destinations().to_vec(),
                after: is.chosen_destinations().to_vec(),
            });
        }
    }
    let (was, is) = (
        embedded_profile_ids(before.models),
        embedded_profile_ids(after.models),
    );
    let removed = was.difference(&is).map(|p| (*p).to_owned());
    found.extend(removed.map(|profile| ChangeKind::ProfileRemoved { profile }));
    let added = is.difference(&was).map(|p| (*p).to_owned());
    found.extend(added.map(|profile| ChangeKind::ProfileAdded { profile }));
    found
}

fn without<'a>(
    models: impl Iterator<Item = &'a String>,
    removed: &Models,
) -> impl Iterator<Item = String> {
    models.filter(|id| !removed.contains_key(*id)).cloned()
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The changes in one text of at most `max_bytes`, with the number of those that do not fit.
    pub fn summary(&self, max_bytes: usize) -> String {
        summary(&self.items, max_bytes)
    }
}

/// Summarizes some of the changes like [`Changes::summary`].
pub fn summary<'a>(
    changes: impl IntoIterator<Item = &'a Change, IntoIter: ExactSizeIterator>,
    max_bytes: usize,
) -> String {
    let changes = changes.into_iter();
    let total = changes.len();
    let mut text = String::new();
    for (index, change) in changes.enumerate() {
        let more = match total - index - 1 {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let separator = if index == 0 { "" } else { "; " };
        let line = format!("{separator}{change}");
        if text.len() + line.len() + more.len() > max_bytes {
            let rest = total - index;
            return match index {
                0 => format!("{rest} changes"),
                _ => format!("{text}; and {rest} more"),
            };
        }
        text.push_str(&line);
    }
    text
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let regions = RegionList(&self.regions);
        match &self.what {
            ChangeKind::RegionRemoved => write!(f, "no model is published any more in {regions}"),
            ChangeKind::RegionAdded => write!(f, "models are published in {regions}"),
            ChangeKind::AliasUnresolved { alias, before, why } => {
                write!(
                    f,
                    "alias {alias} has no id, was {before}, in {regions}: {why}"
                )
            }
            ChangeKind::AliasChanged {
                alias,
                before,
                after,
                why,
            } => {
                let is = after.as_deref().unwrap_or("no id");
                write!(
                    f,
                    "alias {alias} is {is}, was {before}, in {regions}: {why}"
                )
            }
            ChangeKind::ModelRemoved { model } => write!(f, "{model} removed in {regions}"),
            ChangeKind::ModelAdded { model } => write!(f, "{model} added in {regions}"),
            ChangeKind::ProfileRemoved { profile } => {
                write!(f, "inference profile {profile} removed in {regions}")
            }
            ChangeKind::ProfileAdded { profile } => {
                write!(f, "inference profile {profile} added in {regions}")
            }
            ChangeKind::LifecycleChanged {
                model,
                before,
                after,
            } => write!(f, "{model} is {after}, was {before}, in {regions}"),
            ChangeKind::InvokeWithChanged {
                model,
                before,
                after,
            } => {
                let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "no id".to_owned());
                let (was, is) = (id(before), id(after));
                write!(f, "{model} is invoked with {is}, was {was}, in {regions}")
            }
            ChangeKind::DestinationsChanged {
                model,
                before,
                after,
            } => {
                let (was, is) = (before.join(" "), after.join(" "));
                write!(
                    f,
                    "{model} runs in {is}, was {was}, if called from {regions}"
                )
            }
        }
    }
}

/// `us-east-1`, or `12 regions (eu-central-1, eu-west-1, …)`.
struct RegionList<'a>(&'a BTreeSet<String>);

impl fmt::Display for RegionList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&str> = self.0.iter().take(NAMED_IN_LINE).map(|r| &**r).collect();
        let named = named.join(", ");
        match self.0.len() {
            1 => f.write_str(&named),
            count if count > NAMED_IN_LINE => write!(f, "{count} regions ({named}, …)"),
            count => write!(f, "{count} regions ({named})"),
        }
    }
}

#[cfg(test)]
mod tests;

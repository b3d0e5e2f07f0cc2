//! What becomes of the namespaces: which child is created, changed, deleted, or has to wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::children::{DesiredChild, Difference, Progress, progress};
use super::selector::NamespaceSelector;
use crate::api::{BedrockModelMap, ClusterBedrockModelMap, Rollout};

/// Children of a changed template that may be under way at once.
const MAX_PENDING: usize = 10;

/// A namespace as the watch shows it.
#[derive(Clone, Debug)]
pub struct Namespace {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub is_terminating: bool,
}

/// The child of one matching namespace.
#[derive(Clone, Debug)]
pub enum Child {
    /// The watch shows none. Another object without our label may exist.
    Missing,
    /// Another controller's object.
    Foreign,
    /// Ours.
    Own(Arc<BedrockModelMap>, Difference),
}

/// Whether a changed template goes on to further namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RolloutState {
    /// No child has an earlier template.
    #[default]
    Complete,
    InProgress,
    /// The first child to have the template is Stalled.
    Halted {
        namespace: String,
    },
}

/// What to do.
#[derive(Debug)]
pub struct Plan {
    /// The matching namespaces.
    pub children: BTreeMap<String, Child>,
    pub create: Vec<String>,
    pub replace: Vec<Arc<BedrockModelMap>>,
    pub delete: Vec<Arc<BedrockModelMap>>,
    pub rollout: RolloutState,
}

/// The plan for what the watches show: all namespaces, and the children by label.
pub fn plan(
    map: &ClusterBedrockModelMap,
    desired: &DesiredChild<'_>,
    namespaces: &[Namespace],
    labelled: &[Arc<BedrockModelMap>],
) -> Plan {
    let selector = NamespaceSelector::new(&map.spec);
    let mut occupants: BTreeMap<&str, &Arc<BedrockModelMap>> = BTreeMap::new();
    let (mut delete, mut terminating) = (Vec::new(), Vec::new());
    for namespace in namespaces.iter().filter(|n| n.is_terminating) {
        terminating.push(namespace.name.as_str());
    }
    for child in labelled {
        if child.metadata.name == map.metadata.name
            && let Some(namespace) = &child.metadata.namespace
        {
            occupants.insert(namespace, child);
        }
    }
    let children: BTreeMap<String, Child> = namespaces
        .iter()
        .filter(|n| !n.is_terminating && selector.is_match(&n.name, &n.labels))
        .map(|namespace| {
            let child = match occupants.remove(namespace.name.as_str()) {
                None => Child::Missing,
                Some(child) if desired.owns(&child.metadata) => {
                    Child::Own(Arc::clone(child), desired.difference(child))
                }
                Some(_) => Child::Foreign,
            };
            (namespace.name.clone(), child)
        })
        .collect();
    // The namespace controller deletes what is in a terminating namespace.
    for (namespace, child) in occupants {
        let is_deleted = child.metadata.deletion_timestamp.is_some();
        if desired.owns(&child.metadata) && !is_deleted && !terminating.contains(&namespace) {
            delete.push(Arc::clone(child));
        }
    }
    let create = children
        .iter()
        .filter(|(_, child)| matches!(child, Child::Missing))
        .map(|(namespace, _)| namespace.clone())
        .collect();
    let drifted = children.values().filter_map(|child| match child {
        Child::Own(child, Difference::Drift) => Some(Arc::clone(child)),
        _ => None,
    });
    let (updates, rollout) = roll_out(map, &children);
    Plan {
        create,
        replace: drifted.chain(updates).collect(),
        delete,
        rollout,
        children,
    }
}

/// The children that may have the changed template now.
fn roll_out(
    map: &ClusterBedrockModelMap,
    children: &BTreeMap<String, Child>,
) -> (Vec<Arc<BedrockModelMap>>, RolloutState) {
    let mut outdated = Vec::new();
    let (mut pending, mut is_proven, mut stalled) = (0, false, None);
    for (namespace, child) in children {
        let Child::Own(child, difference) = child else {
            continue;
        };
        match (difference, progress(child)) {
            (Difference::Outdated, _) => outdated.push(Arc::clone(child)),
            (_, Progress::Pending) => pending += 1,
            (_, Progress::Ready | Progress::NotReady) => is_proven = true,
            (_, Progress::Stalled) => stalled = stalled.or(Some(namespace)),
        }
    }
    if outdated.is_empty() {
        return (outdated, RolloutState::Complete);
    }
    // A suspended child reports nothing, and does nothing.
    if map.spec.rollout == Rollout::Immediate || map.spec.template.spec.suspend {
        return (outdated, RolloutState::InProgress);
    }
    // One that was Ready shows best what the new template does.
    outdated.sort_by_key(|child| progress(child) != Progress::Ready);
    let free = match (is_proven, pending, stalled) {
        (true, ..) => MAX_PENDING.saturating_sub(pending),
        (false, 0, Some(namespace)) => {
            let namespace = namespace.clone();
            return (Vec::new(), RolloutState::Halted { namespace });
        }
        (false, 0, None) => 1,
        (false, ..) => 0,
    };
    outdated.truncate(free);
    (outdated, RolloutState::InProgress)
}

#[cfg(test)]
mod tests;

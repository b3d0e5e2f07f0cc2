//! What is published of a region's aliases: what they resolve to, and the last ID of those that have
//! lost theirs until a second response confirms it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::api::{AliasProblem, AliasesStatus};
use crate::bedrock::aliases::{Alias, Explanation, Listing};
use crate::bedrock::aliases::{AliasEntries, AliasEntry};
use crate::bedrock::diff::ChangeKind;
use crate::reconcile::status::region::{count, to_k8s_time};
use crate::reconcile::status::shrink::fingerprint;

/// Aliases that the status names with a reason.
const NAMED: usize = 8;
/// Longest explanation of one alias: 8 aliases of 64 regions fit into the status.
const MAX_MESSAGE_BYTES: usize = 300;
/// The end of the message of an alias that waits for confirmation.
const KEPT: &str = "; its last ID stays published until the next response confirms the loss";

/// What the models of a region are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A response that a user requested: nothing waits for confirmation.
    Accepted,
    /// A response.
    Response,
    /// The last good data.
    LastGood,
}

/// What is published of a region's aliases.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// `aliases.json`.
    pub entries: AliasEntries,
    /// The status, without what follows from the writes.
    pub status: AliasesStatus,
    /// The changes of IDs, and the losses that wait for confirmation.
    pub changes: Vec<ChangeKind>,
}

/// What each alias resolves to, whatever is published of it.
pub fn resolve_all(aliases: &[Alias], listing: &Listing<'_>) -> AliasEntries {
    aliases
        .iter()
        .map(|alias| (alias.name.clone(), listing.resolve(alias).into()))
        .collect()
}

/// Settles the aliases of a region. `published` is what is published of them, if that is known, and
/// `held_loss` the loss that waits for confirmation.
pub fn settle(
    aliases: &[Alias],
    listing: &Listing<'_>,
    published: Option<&AliasEntries>,
    held_loss: Option<&str>,
    evidence: Evidence,
) -> Settled {
    let published_target = |name: &str| published.and_then(|p| p.get(name)?.target());
    let mut entries = resolve_all(aliases, listing);
    let lost: BTreeMap<String, AliasEntry> = entries
        .iter()
        .filter(|(_, entry)| entry.target().is_none())
        .filter_map(|(name, _)| {
            let last = published_target(name)?.clone();
            Some((name.clone(), AliasEntry::Resolved(last)))
        })
        .collect();
    let loss = (!lost.is_empty()).then(|| fingerprint(lost.keys().cloned()));
    let is_known = loss.as_deref() == held_loss;
    let is_confirmed = match evidence {
        Evidence::Accepted => true,
        Evidence::Response => is_known,
        Evidence::LastGood => false,
    };
    let unresolved: Vec<&Alias> = aliases
        .iter()
        .filter(|alias| entries[&alias.name].target().is_none())
        .collect();
    let problems = unresolved.iter().take(NAMED);
    let problems = problems
        .filter_map(|alias| {
            let AliasEntry::Unresolved(entry) = &entries[&alias.name] else {
                return None;
            };
            let mut message = Explanation { alias, listing }.to_string();
            message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
            if !is_confirmed && lost.contains_key(&alias.name) {
                message.push_str(KEPT);
            }
            Some(AliasProblem {
                alias: alias.name.clone(),
                reason: entry.reason.as_str().to_owned(),
                message,
            })
        })
        .collect();
    let mut status = AliasesStatus {
        resolved: count(aliases.len() - unresolved.len()),
        unresolved: count(unresolved.len()),
        problems,
        held_loss: loss.filter(|_| !is_confirmed),
        ..AliasesStatus::default()
    };
    let mut changes = Vec::new();
    for (name, entry) in &entries {
        let Some(before) = published_target(name) else {
            continue;
        };
        let after = entry.target();
        if after.map(|target| &target.invoke_with) == Some(&before.invoke_with) {
            continue;
        }
        let why = listing.why_left(before, after);
        changes.push(match after {
            None if !is_known => ChangeKind::AliasUnresolved {
                alias: name.clone(),
                before: before.invoke_with.clone(),
                why,
            },
            None if !is_confirmed => continue,
            _ => ChangeKind::AliasChanged {
                alias: name.clone(),
                before: before.invoke_with.clone(),
                after: after.map(|target| target.invoke_with.clone()),
                why,
            },
        });
    }
    if !is_confirmed {
        entries.extend(lost);
    }
    if let Some(published) = published.filter(|published| have_same_ids(published, &entries)) {
        entries.clone_from(published);
    }
    let targets = entries.values().filter_map(AliasEntry::target);
    status.next_end_of_life = listing
        .next_end_of_life(targets)
        .map(|end| to_k8s_time(rounded_up(end)));
    Settled {
        entries,
        status,
        changes,
    }
}

/// Whether both name the same aliases with the same models and IDs. Lifecycles and reasons do not
/// count: their change alone writes no ConfigMap, and rolls no workload.
fn have_same_ids(published: &AliasEntries, entries: &AliasEntries) -> bool {
    let ids = |entry: &AliasEntry| {
        let target = entry.target()?;
        Some((
            target.model_id.clone(),
            target.invoke_with.clone(),
            target.route,
        ))
    };
    published.keys().eq(entries.keys()) && published.values().map(ids).eq(entries.values().map(ids))
}

/// The status has whole seconds, and the model must have ended when the time has come.
fn rounded_up(time: Timestamp) -> Timestamp {
    time.checked_add(SignedDuration::from_nanos(999_999_999))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests;

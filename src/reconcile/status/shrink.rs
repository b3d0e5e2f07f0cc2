//! The shrink guard: published content that fell to none or to less than half.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{ANNOTATION_REQUESTED_AT, RegionStatus};
use crate::bedrock::invocation::InvocationFacts;
use crate::digest::sha256_hex;
use crate::publication::content::RegionContent;

/// What the guard says after it has named the loss.
pub(super) fn advice(data: &str) -> String {
    format!(
        "{data} published until the next attempt confirms the drop; to accept it now, force a refresh (annotation {ANNOTATION_REQUESTED_AT})"
    )
}

/// Why the response needs confirmation, as the start of a message. None: it lost too little.
pub(super) fn loss(
    previous: &RegionStatus,
    content: &RegionContent,
    facts: &BTreeMap<String, InvocationFacts>,
) -> Option<String> {
    previous.config_map.as_ref()?;
    let invocable = facts.values().filter(|f| f.invoke_with.is_some()).count();
    let counts = [
        ("models", content.models.len(), Some(previous.models)),
        (
            "inference profiles",
            content.profiles(),
            Some(previous.profiles),
        ),
        ("models with an ID to pass", invocable, previous.invocable),
    ];
    counts.into_iter().find_map(|(items, now, before)| {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let before = before?;
        (now.saturating_mul(2) < before)
            .then(|| format!("the region returned {now} {items}, previously {before}"))
    })
}

/// Hash of a list of IDs: a shrunk list is confirmed if the next attempt returns the same one.
pub(super) fn fingerprint(ids: impl Iterator<Item = String>) -> String {
    let sorted: BTreeSet<String> = ids.collect();
    let lines: Vec<String> = sorted.into_iter().collect();
    sha256_hex(lines.join("\n").as_bytes())
}

/// Hash of the models of a response and of the profiles of each.
pub(super) fn content_fingerprint(content: &RegionContent) -> String {
    let models = content.models.iter();
    fingerprint(models.flat_map(|(id, model)| {
        let profiles = model
            .profile_ids()
            .map(move |profile| format!("{id} {profile}"));
        std::iter::once(id.clone()).chain(profiles)
    }))
}

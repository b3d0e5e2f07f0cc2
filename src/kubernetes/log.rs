//! Log lines of a reconciliation.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::conditions::STALLED;
use crate::reconcile::{Outcome, Refreshed};

/// Limit of the changes in the line.
const MAX_CHANGES_BYTES: usize = 500;

/// Logs what the reconciliation did, and errors that need a user.
pub(super) fn log(outcome: &Outcome, took: Duration) {
    if outcome.restored > 0 {
        tracing::info!(config_maps = outcome.restored, "repaired drift");
    }
    for (region, error) in &outcome.write_errors {
        tracing::warn!(region, "{}", error.message);
    }
    if let Some(refreshed) = &outcome.refreshed {
        log_refresh(refreshed, took);
    }
}

/// Logs one line, a second one if the resource is stalled, and each region's error at level debug.
fn log_refresh(refreshed: &Refreshed, took: Duration) {
    let Refreshed {
        reason,
        status,
        changes,
        queried,
        written,
    } = refreshed;
    if queried + written == 0 {
        return;
    }
    let summary = status.summary.clone().unwrap_or_default();
    let errors = || {
        let regions = status.regions.iter();
        regions.filter_map(|(region, status)| Some((region, status.error.as_ref()?)))
    };
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, error) in errors() {
        *codes.entry(error.code.as_str()).or_default() += 1;
    }
    tracing::info!(
        reason = reason.as_str(),
        queried,
        fresh = summary.regions_fresh,
        models = summary.models,
        profiles = summary.profiles,
        written,
        errors = ?codes,
        changes = changes.summary(MAX_CHANGES_BYTES),
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "refreshed"
    );
    if let Some(stalled) = status.conditions.iter().find(|c| c.type_ == STALLED) {
        tracing::warn!(reason = stalled.reason, "{}", stalled.message);
    }
    for (region, error) in errors() {
        tracing::debug!(region, "{}", error.message);
    }
}

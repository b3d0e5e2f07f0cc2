//! The step that publishes: with what was discovered, and what is retained of regions that failed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Effects;
use super::aliases::renew_aliases;
use super::context::{RefreshContext, RefreshedRegion};
use super::discover::Discovered;
use super::merged::merge;
use super::region::RegionOutcome;
use super::retain::{retain, retain_failed};
use crate::api::{
    AccountRegionsStatus, AttemptError, BedrockModelMapStatus, ErrorCode, MappingStatus,
    RegionState, RegionStatus,
};
use crate::bedrock::diff::{ChangeKind, Changes};
use crate::reconcile::plan::Reason;
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::region::{has_taken_effect, not_in_spec, nothing_selected};

/// Result of the step.
pub(super) struct Publication {
    pub(super) applied: Applied,
    /// Changes of the published content.
    pub(super) changes: Changes,
    /// Regions queried.
    pub(super) queried: usize,
    /// ConfigMaps written.
    pub(super) written: usize,
    /// Failed writes, by region.
    pub(super) write_errors: Vec<(String, AttemptError)>,
}

/// What the cluster holds after the step. Only [`publish`] makes one, and a refresh reports nothing
/// else: so a status never names content that is not published.
pub(super) struct Applied {
    regions: BTreeMap<String, RegionStatus>,
    account: Option<AccountRegionsStatus>,
    mapping: Option<MappingStatus>,
}

pub(super) async fn publish<E: Effects>(
    context: &RefreshContext<'_, E>,
    discovered: Discovered,
) -> Result<Publication, E::Error> {
    let Discovered {
        regions: in_scope,
        account,
        outcomes,
    } = discovered;
    let queried = outcomes.len();
    let error_codes = error_codes(&outcomes);
    let mut refreshed = BTreeMap::new();
    let not_queried = in_scope
        .iter()
        .filter(|region| !outcomes.contains_key(*region))
        .filter_map(|region| Some((region.clone(), context.status.regions.get(region)?)));
    for (region, status) in not_queried {
        let renewed = renew_aliases(context, &region, status.clone()).await?;
        refreshed.insert(region, renewed);
    }
    for (region, outcome) in outcomes {
        let outcome = match outcome {
            RegionOutcome::Published(refreshed) => refreshed,
            RegionOutcome::Held(status) => retain(context, &region, status).await?,
            RegionOutcome::Failed(error) => {
                let before = &context.status.regions;
                let peers = PeerEvidence::of(&region, error.code, &error_codes, before);
                retain_failed(context, &region, error, peers).await?
            }
        };
        refreshed.insert(region, outcome);
    }
    hold_back_removals(context, &in_scope, &mut refreshed).await?;
    let mut regions = BTreeMap::new();
    let mut models_json = BTreeMap::new();
    let mut written = 0;
    let mut write_errors = Vec::new();
    let mut changes = Vec::new();
    for (region, refreshed) in refreshed {
        written += refreshed.written;
        models_json.extend(refreshed.models_json.map(|json| (region.clone(), json)));
        let errors = refreshed.write_errors.into_iter();
        write_errors.extend(errors.map(|error| (region.clone(), error)));
        let changed = refreshed.changes.into_iter();
        changes.extend(changed.map(|what| (region.clone(), what)));
        regions.insert(region, refreshed.status);
    }
    let removed = context.status.regions.iter();
    let removed = removed
        .filter(|(region, status)| status.config_map.is_some() && !regions.contains_key(*region));
    changes.extend(removed.map(|(region, _)| (region.clone(), ChangeKind::RegionRemoved)));
    let (mapping, mapping_written) = merge(context, &regions, models_json).await?;
    Ok(Publication {
        applied: Applied {
            regions,
            account,
            mapping,
        },
        changes: changes
            .iter()
            .map(|(region, change)| (region.as_str(), change.clone()))
            .collect(),
        queried,
        written: written + usize::from(mapping_written),
        write_errors,
    })
}

/// Keeps published what the spec no longer asks for, until the spec takes effect: a typo in it takes
/// nothing away.
async fn hold_back_removals<E: Effects>(
    context: &RefreshContext<'_, E>,
    in_scope: &[String],
    refreshed: &mut BTreeMap<String, RefreshedRegion>,
) -> Result<(), E::Error> {
    let before = &context.status.regions;
    let after: BTreeMap<String, RegionStatus> = in_scope
        .iter()
        .filter_map(|region| {
            let refreshed = refreshed.get(region).map(|refreshed| &refreshed.status);
            Some((
                region.clone(),
                refreshed.or_else(|| before.get(region))?.clone(),
            ))
        })
        .collect();
    if has_taken_effect(context.generation(), before, &after) {
        return Ok(());
    }
    for (region, previous) in before.iter().filter(|(_, r)| r.config_map.is_some()) {
        let status = match after.get(region) {
            None => not_in_spec(previous, context.now),
            Some(after) if after.state == RegionState::Empty => {
                nothing_selected(previous, context.now)
            }
            Some(_) => continue,
        };
        refreshed.insert(region.clone(), retain(context, region, status).await?);
    }
    Ok(())
}

fn error_codes(
    outcomes: &BTreeMap<String, RegionOutcome>,
) -> BTreeMap<String, Result<(), ErrorCode>> {
    outcomes
        .iter()
        .map(|(region, outcome)| {
            let code = match outcome {
                RegionOutcome::Published(_) | RegionOutcome::Held(_) => Ok(()),
                RegionOutcome::Failed(error) => Err(error.code),
            };
            (region.clone(), code)
        })
        .collect()
}

impl Applied {
    /// The status after the refresh, except what follows from it: summary, conditions and the next
    /// refresh time.
    pub(super) fn into_status<E: Effects>(
        self,
        context: &RefreshContext<'_, E>,
        conditions: Vec<Condition>,
        reason: &Reason,
    ) -> BedrockModelMapStatus {
        let request = match reason {
            Reason::Requested(token) => Some(token.clone()),
            Reason::First | Reason::NewGeneration | Reason::Due => {
                context.status.last_handled_refresh_request.clone()
            }
        };
        let confirmed = self
            .regions
            .values()
            .filter_map(|r| r.last_success_time.as_ref());
        BedrockModelMapStatus {
            observed_generation: context.generation(),
            conditions,
            last_refresh_time: confirmed.max_by_key(|time| time.0).cloned(),
            next_refresh_time: None,
            last_handled_refresh_request: request,
            summary: None,
            mapping: self.mapping,
            mapping_omitted: None,
            account_regions: self.account,
            // The write records them.
            verified: None,
            regions: self.regions,
        }
    }
}

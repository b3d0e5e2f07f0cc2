//! The step that publishes: with what was discovered, and what is retained of regions that failed.

use std::collections::BTreeMap;

use super::Effects;
use super::context::{RefreshContext, RefreshedRegion};
use super::discover::Discovered;
use super::merged::merge;
use super::region::RegionOutcome;
use super::retain::{retain, retain_failed};
use crate::api::{
    AccountRegionsStatus, AttemptError, BedrockModelMapStatus, ErrorCode, MappingStatus,
    RegionStatus,
};
use crate::bedrock::diff::{ChangeKind, Changes};
use crate::reconcile::plan::Reason;
use crate::reconcile::status::peers::PeerEvidence;

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
    let changes = changes(context, &discovered);
    let Discovered {
        regions: in_scope,
        account,
        outcomes,
    } = discovered;
    let queried = outcomes.len();
    let error_codes = error_codes(&outcomes);
    let mut regions = BTreeMap::new();
    let mut models_json = BTreeMap::new();
    let mut written = 0;
    let mut write_errors = Vec::new();
    for (region, outcome) in outcomes {
        let refreshed = match outcome {
            RegionOutcome::Published(refreshed) => refreshed,
            RegionOutcome::Held(status) => retain(context, &region, status).await?,
            RegionOutcome::Failed(error) => {
                let before = &context.status.regions;
                let peers = PeerEvidence::of(&region, error.code, &error_codes, before);
                retain_failed(context, &region, error, peers).await?
            }
        };
        written += usize::from(refreshed.written);
        models_json.extend(refreshed.models_json.map(|json| (region.clone(), json)));
        let errors = refreshed.write_errors.into_iter();
        write_errors.extend(errors.map(|error| (region.clone(), error)));
        regions.insert(region, refreshed.status);
    }
    for region in in_scope {
        if let Some(status) = context.status.regions.get(&region) {
            regions.entry(region).or_insert_with(|| status.clone());
        }
    }
    let (mapping, mapping_written) = merge(context, &regions, models_json).await?;
    Ok(Publication {
        applied: Applied {
            regions,
            account,
            mapping,
        },
        changes,
        queried,
        written: written + usize::from(mapping_written),
        write_errors,
    })
}

/// The changes in the regions that responded, and in those no longer in scope.
fn changes<E: Effects>(context: &RefreshContext<'_, E>, discovered: &Discovered) -> Changes {
    let removed = context
        .status
        .regions
        .iter()
        .filter(|(region, status)| {
            status.config_map.is_some() && !discovered.regions.contains(region)
        })
        .map(|(region, _)| (region.as_str(), ChangeKind::RegionRemoved));
    let published = discovered.outcomes.iter().flat_map(|(region, outcome)| {
        let changes = match outcome {
            RegionOutcome::Published(RefreshedRegion { changes, .. }) => changes.as_slice(),
            RegionOutcome::Held(_) | RegionOutcome::Failed(_) => &[],
        };
        changes.iter().map(|what| (region.as_str(), what.clone()))
    });
    removed.chain(published).collect()
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
    pub(super) fn into_status(
        self,
        before: BedrockModelMapStatus,
        generation: Option<i64>,
        reason: &Reason,
    ) -> BedrockModelMapStatus {
        let request = match reason {
            Reason::Requested(token) => Some(token.clone()),
            Reason::First | Reason::NewGeneration | Reason::Due => {
                before.last_handled_refresh_request
            }
        };
        let confirmed = self
            .regions
            .values()
            .filter_map(|r| r.last_success_time.as_ref());
        BedrockModelMapStatus {
            observed_generation: generation,
            conditions: before.conditions,
            last_refresh_time: confirmed.max_by_key(|time| time.0).cloned(),
            next_refresh_time: None,
            last_handled_refresh_request: request,
            summary: None,
            mapping: self.mapping,
            mapping_omitted: None,
            account_regions: self.account,
            regions: self.regions,
        }
    }
}

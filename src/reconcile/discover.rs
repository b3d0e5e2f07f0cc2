//! The step that discovers: lists the regions and queries those that are due, all at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::Effects;
use super::context::RefreshContext;
use super::region::{RegionOutcome, query_context, refresh_region};
use crate::api::{AccountRegionsStatus, LABEL_REGION};
use crate::bedrock::region::is_region;
use crate::reconcile::plan::{PlanInput, Reason, Refresh, regions_to_query};
use crate::reconcile::status::account;
use crate::reconcile::status::region::{QueryContext, is_not_in_spec};

/// Result of the step.
pub(super) struct Discovered {
    /// The regions in scope, those not queried included.
    pub(super) regions: Vec<String>,
    /// The account's list of regions. None: the spec names the regions.
    pub(super) account: Option<AccountRegionsStatus>,
    /// The regions queried.
    pub(super) outcomes: BTreeMap<String, RegionOutcome>,
}

pub(super) async fn discover<E: Effects>(
    context: &RefreshContext<'_, E>,
    refresh: &Refresh,
    input: &PlanInput<'_>,
) -> Discovered {
    let (regions, account) = list_regions(context, refresh).await;
    let outcomes =
        refresh_regions(context, refresh, regions_to_query(refresh, input, &regions)).await;
    Discovered {
        regions,
        account,
        outcomes,
    }
}

/// Publishes a region as soon as it has responded: it waits for no other.
async fn refresh_regions<E: Effects>(
    context: &RefreshContext<'_, E>,
    refresh: &Refresh,
    regions: Vec<&str>,
) -> BTreeMap<String, RegionOutcome> {
    let in_flight: FuturesUnordered<_> = regions
        .into_iter()
        .map(|region| async move {
            let outcome = refresh_region(context, region, refresh).await;
            (region.to_owned(), outcome)
        })
        .collect();
    in_flight.collect().await
}

/// The regions in scope: those of the spec, or those of the account, or, without a response of the
/// account, those known from before.
async fn list_regions<E: Effects>(
    context: &RefreshContext<'_, E>,
    refresh: &Refresh,
) -> (Vec<String>, Option<AccountRegionsStatus>) {
    if let Some(named) = &context.settings.regions {
        return (named.clone(), None);
    }
    let before = context.status.account_regions.clone();
    let is_included = |region: &String| !context.settings.excluded_regions.is_match(region);
    let regions = &context.status.regions;
    let is_known =
        |region: &String| is_included(region) && !regions.get(region).is_some_and(is_not_in_spec);
    let known = regions.keys().filter(|region| is_known(region)).cloned();
    if !refresh.list_account_regions {
        return (known.collect(), before);
    }
    // A refresh that was killed before its status left published regions that the status lacks.
    let known: BTreeSet<String> = known
        .chain(published_regions(context).filter(is_known))
        .collect();
    let not_before = refresh.account_not_before(before.as_ref(), context.now);
    let (regions, mut account) = account::after_query(
        before.as_ref(),
        known.into_iter().collect(),
        context.effects.list_account_regions(not_before).await,
        QueryContext {
            // The account's list does not depend on the spec.
            guard_shrinking: match refresh.reason {
                Reason::First | Reason::Requested(_) => false,
                Reason::NewGeneration | Reason::Due => true,
            },
            ..query_context(context, refresh)
        },
    );
    if account.error.is_none() {
        let globs = &context.resource.spec.exclude_regions;
        account.unmatched_excludes = account::unmatched_globs(globs, &regions);
    }
    (
        regions.into_iter().filter(is_included).collect(),
        Some(account),
    )
}

/// The regions of the ConfigMaps in the cluster.
fn published_regions<E: Effects>(context: &RefreshContext<'_, E>) -> impl Iterator<Item = String> {
    context
        .effects
        .labelled_config_maps()
        .into_iter()
        .filter(|seen| context.owner.owns(seen))
        .filter_map(|seen| seen.labels?.remove(LABEL_REGION))
        .filter(|region| is_region(region))
}

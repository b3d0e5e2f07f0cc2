//! One refresh of one resource: asks the regions, publishes each as soon as it has answered, then
//! the merged mapping.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;

use super::Effects;
use super::last_good::LastGood;
use super::region::{RegionOutcome, error_codes};
use crate::api::{
    AccountRegionsStatus, AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode,
    LABEL_REGION, MappingStatus, RegionStatus,
};
use crate::bedrock::diff::{ChangeKind, Changes};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::bedrock::region::is_region;
use crate::publication::content::RegionContent;
use crate::publication::ownership::{Content, DesiredConfigMap, Owner};
use crate::publication::render::region_files;
use crate::reconcile::plan::{PlanInput, Reason, Refresh, regions_to_ask};
use crate::reconcile::status::account;
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::region::QueryContext;
use crate::reconcile::validate::ValidatedSpec;

/// What a refresh works with.
pub(super) struct RefreshContext<'a, W> {
    pub(super) resource: &'a BedrockModelMap,
    pub(super) settings: &'a ValidatedSpec,
    pub(super) status: &'a BedrockModelMapStatus,
    pub(super) now: Timestamp,
    pub(super) owner: &'a Owner,
    pub(super) world: &'a W,
    pub(super) last_good: &'a LastGood<'a, W>,
}

/// What a refresh has come to so far.
pub(super) struct RefreshResult {
    /// The regions, those not asked included.
    pub(super) regions: BTreeMap<String, RegionStatus>,
    /// The published `models.json` of regions, as far as it is known already.
    pub(super) models_json: BTreeMap<String, String>,
    /// The question to the account, if there was one.
    account: Option<AccountRegionsStatus>,
    /// The merged mapping.
    pub(super) mapping: Option<MappingStatus>,
    /// What changed in what is published.
    pub(super) changes: Changes,
    /// Regions asked.
    pub(super) asked: usize,
    /// ConfigMaps written.
    pub(super) written: usize,
    /// See [`super::Outcome::write_errors`].
    pub(super) write_errors: Vec<(String, AttemptError)>,
}

impl<W: Effects> RefreshContext<'_, W> {
    /// Carries the refresh out.
    pub(super) async fn run(
        &self,
        refresh: &Refresh,
        inputs: &PlanInput<'_>,
    ) -> Result<RefreshResult, W::Error> {
        let (known, account) = self.regions(refresh).await;
        let attempts = self.ask(refresh, inputs, &known).await;
        let error_codes = error_codes(&attempts);
        let mut round = RefreshResult {
            account,
            changes: self.changes(&attempts, &known),
            asked: attempts.len(),
            ..RefreshResult::of(BTreeMap::new())
        };
        for (region, attempt) in attempts {
            let status = match attempt {
                RegionOutcome::Published(answered) => {
                    round.written += usize::from(answered.written);
                    round
                        .models_json
                        .extend(answered.models_json.map(|json| (region.clone(), json)));
                    answered.status
                }
                RegionOutcome::Held(status) => self.keep(&region, status, &mut round).await?,
                RegionOutcome::Failed(error) => {
                    let before = &self.status.regions;
                    let others = PeerEvidence::of(&region, error.code, &error_codes, before);
                    self.fail(&region, error, others, &mut round).await?
                }
            };
            round.regions.insert(region, status);
        }
        for region in known {
            if let Some(status) = self.status.regions.get(&region) {
                let status = || status.clone();
                round.regions.entry(region).or_insert_with(status);
            }
        }
        self.merge(&mut round).await?;
        Ok(round)
    }

    /// Asks the regions that are due, all at once.
    async fn ask(
        &self,
        refresh: &Refresh,
        inputs: &PlanInput<'_>,
        known: &[String],
    ) -> BTreeMap<String, RegionOutcome> {
        let asked = regions_to_ask(refresh, inputs, known).into_iter();
        let mut under_way: FuturesUnordered<_> = asked
            .map(|region| self.named_attempt(region, refresh))
            .collect();
        let mut attempts = BTreeMap::new();
        while let Some((region, attempt)) = under_way.next().await {
            attempts.insert(region, attempt);
        }
        attempts
    }

    /// The regions that are looked after: those named, or those of the account, or, where the
    /// account does not tell, those known from before.
    async fn regions(&self, refresh: &Refresh) -> (Vec<String>, Option<AccountRegionsStatus>) {
        if let Some(named) = &self.settings.regions {
            return (named.clone(), None);
        }
        let before = self.status.account_regions.clone();
        let is_included = |region: &String| !self.settings.excluded_regions.is_match(region);
        let known = self.status.regions.keys().cloned().filter(is_included);
        if !refresh.list_account_regions {
            return (known.collect(), before);
        }
        // Those too that a refresh published which was cut short before the status could tell.
        let known: BTreeSet<String> = known.chain(self.published()).collect();
        let (regions, account) = account::answered(
            before.as_ref(),
            known.into_iter().collect(),
            self.world.list_account_regions().await,
            self.asked(refresh),
        );
        let regions = regions.into_iter().filter(is_included);
        (regions.collect(), Some(account))
    }

    /// The regions whose ConfigMaps are there.
    fn published(&self) -> impl Iterator<Item = String> {
        let labelled = self.world.labelled_config_maps().into_iter();
        labelled
            .filter(|seen| self.owner.owns(seen))
            .filter_map(|seen| seen.labels?.remove(LABEL_REGION))
            .filter(|region| is_region(region))
    }

    pub(super) fn asked(&self, refresh: &Refresh) -> QueryContext {
        QueryContext {
            generation: self.resource.metadata.generation,
            guard_shrinking: refresh.reason.guards_against_shrinking(),
            at: self.now,
        }
    }

    /// What changes in what is published, in the regions that answer and in those no longer looked
    /// after.
    fn changes(&self, attempts: &BTreeMap<String, RegionOutcome>, known: &[String]) -> Changes {
        let gone = self.status.regions.iter();
        let gone = gone
            .filter(|(region, status)| status.config_map.is_some() && !known.contains(region))
            .map(|(region, _)| (region.as_str(), ChangeKind::RegionRemoved));
        let answered = attempts.iter().flat_map(|(region, attempt)| {
            let changes = match attempt {
                RegionOutcome::Published(answered) => answered.changes.as_slice(),
                RegionOutcome::Held(_) | RegionOutcome::Failed(_) => &[],
            };
            changes.iter().map(|what| (region.as_str(), what.clone()))
        });
        gone.chain(answered).collect()
    }

    /// The ConfigMap as it is, to be written next.
    pub(super) async fn read_to_write(
        &self,
        name: &str,
    ) -> Result<Option<ConfigMap>, AttemptError> {
        let read = self.world.read(name).await;
        read.map_err(|cause| unwritable(&cause))
    }

    /// Makes the region's ConfigMap, which was just read, what content and status say. Returns
    /// whether it was written.
    pub(super) async fn publish(
        &self,
        name: &str,
        region: &str,
        content: &RegionContent,
        status: &RegionStatus,
        live: Option<ConfigMap>,
    ) -> Result<bool, AttemptError> {
        let files = region_files(region, content, status, &self.settings.policy)
            .map_err(|cause| AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string()))?;
        let target = DesiredConfigMap {
            name: name.to_owned(),
            content: Content::Region(region.to_owned()),
            ends: LifecycleSummary::from_models(&content.models),
            files,
        };
        self.world.apply(&target, live).await
    }
}

impl RefreshResult {
    /// Nothing was asked of these regions.
    pub(super) fn of(regions: BTreeMap<String, RegionStatus>) -> Self {
        Self {
            regions,
            models_json: BTreeMap::new(),
            account: None,
            mapping: None,
            changes: Changes::default(),
            asked: 0,
            written: 0,
            write_errors: Vec::new(),
        }
    }

    /// The status after the refresh, without what follows from it (conditions, next time).
    pub(super) fn status(
        self,
        before: &BedrockModelMapStatus,
        generation: Option<i64>,
        reason: &Reason,
    ) -> BedrockModelMapStatus {
        let request = match reason {
            Reason::Requested(token) => Some(token.clone()),
            Reason::First | Reason::NewGeneration | Reason::Due => {
                before.last_handled_refresh_request.clone()
            }
        };
        let confirmed = self
            .regions
            .values()
            .filter_map(|r| r.last_success_time.as_ref());
        BedrockModelMapStatus {
            observed_generation: generation,
            conditions: before.conditions.clone(),
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

pub(super) fn unwritable(cause: &impl Display) -> AttemptError {
    AttemptError::new(ErrorCode::WriteFailed, cause.to_string())
}

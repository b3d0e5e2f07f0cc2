//! One refresh of one resource: asks the regions, publishes each as soon as it has answered, then
//! the merged mapping, then takes away what is no longer wanted.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::call::CallError;
use super::last_good::LastGood;
use super::ledger::Ledger;
use super::publish::Publisher;
use crate::api::{
    AccountRegionsStatus, AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode,
    MappingStatus, RegionState, RegionStatus,
};
use crate::aws::Snapshots;
use crate::core::account_state;
use crate::core::association::associate;
use crate::core::changes::{Changes, changes};
use crate::core::content::{METADATA_JSON, MODELS_JSON, RegionContent, RegionMetadata};
use crate::core::ownership::{Content, Target};
use crate::core::plan::{Inputs, Reason, Refresh, regions_to_ask};
use crate::core::region_state::{
    Answer, Others, Publication, answered, disabled_or_invalid_credentials, error, failed, stamp,
};
use crate::core::render::region_files;
use crate::core::resolve::Models;
use crate::core::settings::Settings;

/// What a refresh works with.
pub(super) struct Refresher<'a> {
    pub(super) resource: &'a BedrockModelMap,
    pub(super) settings: &'a Settings,
    pub(super) status: &'a BedrockModelMapStatus,
    pub(super) uid: &'a str,
    pub(super) now: Timestamp,
    pub(super) publisher: &'a Publisher,
    pub(super) snapshots: &'a Snapshots,
    pub(super) last_good: &'a LastGood<'a>,
    pub(super) ledger: &'a Ledger,
}

/// What a refresh came to.
pub(super) struct Refreshed {
    /// The regions, those not asked included.
    pub(super) regions: BTreeMap<String, RegionStatus>,
    /// The question to the account, if there was one.
    pub(super) account: Option<AccountRegionsStatus>,
    /// The merged mapping.
    pub(super) mapping: Option<MappingStatus>,
    /// What changed in what is published.
    pub(super) changes: Changes,
    /// Regions asked.
    pub(super) asked: usize,
    /// `ConfigMaps` written or deleted.
    pub(super) written: usize,
}

/// What one region's attempt came to, before the others are known.
enum Attempt {
    /// It answered, and the answer is published if there is anything in it.
    Answered(Answered),
    /// It answered, and the answer is held back.
    Held(RegionStatus),
    /// It did not answer, or the answer could not be published.
    Failed(AttemptError),
}

/// An answer that is published, or has nothing in it.
struct Answered {
    status: RegionStatus,
    content: RegionContent,
    /// What was published before, if it was something else and is still to be had.
    before: Option<RegionContent>,
    written: bool,
}

impl Refresher<'_> {
    /// Carries the refresh out.
    pub(super) async fn run(
        &self,
        refresh: &Refresh,
        inputs: &Inputs<'_>,
    ) -> Result<Refreshed, CallError> {
        let (known, account) = self.regions(refresh).await;
        let attempts = self.ask(refresh, inputs, &known).await;
        let mut refreshed = Refreshed {
            regions: BTreeMap::new(),
            account,
            mapping: None,
            changes: self.changes(&attempts, &known),
            asked: attempts.len(),
            written: 0,
        };
        let mut contents = BTreeMap::new();
        let others = self.others(&attempts, &known);
        for (region, attempt) in attempts {
            let status = match attempt {
                Attempt::Answered(answered) => {
                    refreshed.written += usize::from(answered.written);
                    contents.insert(region.clone(), answered.content);
                    answered.status
                }
                Attempt::Held(status) => self.keep(&region, status, &mut refreshed.written).await?,
                Attempt::Failed(error) => {
                    let others = others.get(&region).copied().unwrap_or(Others::NONE);
                    self.fail(&region, error, others, &mut refreshed.written)
                        .await?
                }
            };
            refreshed.regions.insert(region, status);
        }
        for region in known {
            if let Some(status) = self.status.regions.get(&region) {
                refreshed
                    .regions
                    .entry(region)
                    .or_insert_with(|| status.clone());
            }
        }
        self.merge(&mut refreshed, contents).await?;
        Ok(refreshed)
    }

    /// Asks the regions that are due, all at once.
    async fn ask(
        &self,
        refresh: &Refresh,
        inputs: &Inputs<'_>,
        known: &[String],
    ) -> BTreeMap<String, Attempt> {
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
        let known = || self.status.regions.keys().cloned().collect();
        let before = self.status.account_regions.clone();
        if !refresh.ask_account {
            return (known(), before);
        }
        let (regions, account) = account_state::answered(
            before.as_ref(),
            known(),
            self.snapshots.account_regions().await,
            refresh.reason.guards_against_shrinking(),
            self.now,
        );
        (regions, Some(account))
    }

    async fn named_attempt(&self, region: &str, refresh: &Refresh) -> (String, Attempt) {
        (region.to_owned(), self.attempt(region, refresh).await)
    }

    async fn attempt(&self, region: &str, refresh: &Refresh) -> Attempt {
        let not_before = refresh.not_before(self.status.regions.get(region), self.now);
        let snapshot = match self.snapshots.get(region, not_before).await {
            Ok(snapshot) => snapshot,
            Err(error) => return Attempt::Failed(error),
        };
        let catalog = associate(&snapshot, &self.settings.selection);
        let profile_ids = catalog.profile_ids();
        let answer = match Answer::of(catalog, snapshot.taken_at) {
            Ok(answer) => answer,
            Err(cause) => {
                return Attempt::Failed(error(ErrorCode::PayloadTooLarge, cause.to_string()));
            }
        };
        let (mut status, publication) = answered(
            self.status.regions.get(region),
            &answer,
            &self.settings.region_config_map(region),
            refresh.reason.guards_against_shrinking(),
            self.now,
        );
        match publication {
            Publication::Keep => Attempt::Held(status),
            Publication::Remove => Attempt::Answered(Answered {
                status,
                content: answer.content,
                before: None,
                written: false,
            }),
            Publication::Publish => {
                let before = self.replaced(region, &status).await;
                if let Some(seen) = self.seen_before(region, &status).await {
                    status.discovered_at = Some(seen);
                }
                match self.publish(region, &answer.content, &status).await {
                    Ok(written) => {
                        status.mapping = Some(profile_ids);
                        Attempt::Answered(Answered {
                            status,
                            content: answer.content,
                            before,
                            written,
                        })
                    }
                    Err(error) => Attempt::Failed(error),
                }
            }
        }
    }

    /// What is published of the region and about to be replaced, as far as it is to be had: without it, nobody is told
    /// what changed.
    async fn replaced(&self, region: &str, status: &RegionStatus) -> Option<RegionContent> {
        let before = self.status.regions.get(region)?;
        if before.sha256 == status.sha256 {
            return None;
        }
        self.last_good.content(region, before).await.ok()?
    }

    /// What changes in what is published, in the regions that answer and in those no longer looked after.
    fn changes(&self, attempts: &BTreeMap<String, Attempt>, known: &[String]) -> Changes {
        let nothing = Models::new();
        let mut before: BTreeMap<&str, &Models> = self
            .status
            .regions
            .iter()
            .filter(|(region, status)| status.config_map.is_some() && !known.contains(region))
            .map(|(region, _)| (region.as_str(), &nothing))
            .collect();
        let mut after = BTreeMap::new();
        for (region, attempt) in attempts {
            let Attempt::Answered(answered) = attempt else {
                continue;
            };
            let status = self.status.regions.get(region);
            let was_published = status.is_some_and(|status| status.config_map.is_some());
            let is_published = answered.status.config_map.is_some();
            match (was_published, is_published, &answered.before) {
                (true, true, Some(replaced)) => {
                    before.insert(region, &replaced.models);
                    after.insert(region.as_str(), &answered.content.models);
                }
                (true, false, _) => drop(before.insert(region, &nothing)),
                (false, true, _) => drop(after.insert(region.as_str(), &answered.content.models)),
                // The same as before, or what was before is not to be had.
                (true, true, None) | (false, false, _) => {}
            }
        }
        changes(&before, &after)
    }

    /// When the content was first seen, if it is published already and the status does not know of it: a refresh that
    /// was cut short had published it, or a resource of the same name that is gone.
    async fn seen_before(&self, region: &str, status: &RegionStatus) -> Option<Time> {
        let known = self.status.regions.get(region);
        if known.is_some_and(|known| known.sha256 == status.sha256) {
            return None;
        }
        let name = status.config_map.as_deref()?;
        let data = self.publisher.read(name).await.ok()??.data?;
        RegionContent::read(data.get(MODELS_JSON)?, status.sha256.as_deref()?)?;
        let metadata = data.get(METADATA_JSON)?;
        let metadata: RegionMetadata = serde_json::from_str(metadata).ok()?;
        metadata.discovered_at.map(stamp)
    }

    /// Makes the region's `ConfigMap` what content and status say. Returns whether it was written.
    pub(super) async fn publish(
        &self,
        region: &str,
        content: &RegionContent,
        status: &RegionStatus,
    ) -> Result<bool, AttemptError> {
        let files = region_files(region, content, status)
            .map_err(|cause| error(ErrorCode::PayloadTooLarge, cause.to_string()))?;
        let target = Target {
            name: self.settings.region_config_map(region),
            content: Content::Region(region.to_owned()),
            files,
        };
        self.apply(&target).await
    }

    pub(super) async fn apply(&self, target: &Target) -> Result<bool, AttemptError> {
        let published = self.publisher.apply(target).await?;
        self.ledger
            .verified(self.uid, &target.name, published.resource_version);
        Ok(published.written)
    }

    async fn fail(
        &self,
        region: &str,
        error: AttemptError,
        others: Others,
        written: &mut usize,
    ) -> Result<RegionStatus, CallError> {
        let error = disabled_or_invalid_credentials(error, others);
        let before = self.status.regions.get(region);
        let (status, publication) = failed(before, error, others, self.now);
        match publication {
            Publication::Keep => self.keep(region, status, written).await,
            Publication::Publish | Publication::Remove => Ok(status),
        }
    }

    /// Lets the region's `ConfigMap` say how fresh its content is. Where that cannot be written,
    /// the region's own error is the one to report.
    async fn keep(
        &self,
        region: &str,
        status: RegionStatus,
        written: &mut usize,
    ) -> Result<RegionStatus, CallError> {
        if let Some(content) = self.last_good.content(region, &status).await? {
            match self.publish(region, &content, &status).await {
                Ok(changed) => *written += usize::from(changed),
                Err(error) => tracing::warn!(region, "{}", error.message),
            }
        }
        Ok(status)
    }

    /// What is known, for each region asked, of the others.
    fn others(
        &self,
        attempts: &BTreeMap<String, Attempt>,
        known: &[String],
    ) -> BTreeMap<String, Others> {
        let of = |region: &String| match attempts.get(region) {
            Some(Attempt::Answered(_) | Attempt::Held(_)) => Others::ANSWER,
            Some(Attempt::Failed(error)) => Others::of_error(error.code),
            None => match self.status.regions.get(region).map(|r| r.state) {
                Some(RegionState::Fresh | RegionState::Empty) => Others::ANSWER,
                Some(
                    RegionState::Stale
                    | RegionState::Failed
                    | RegionState::Unsupported
                    | RegionState::Disabled,
                )
                | None => Others::NONE,
            },
        };
        let each: Vec<(&String, Others)> =
            known.iter().map(|region| (region, of(region))).collect();
        attempts
            .keys()
            .map(|region| {
                let others = each.iter().filter(|(other, _)| *other != region);
                (
                    region.clone(),
                    others.fold(Others::NONE, |sum, (_, other)| sum.or(*other)),
                )
            })
            .collect()
    }
}

impl Refreshed {
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

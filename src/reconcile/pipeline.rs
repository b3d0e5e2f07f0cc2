//! One look at one resource, from what is seen of it to what is written: puts right what drifted,
//! plans, refreshes, reports, and takes away what is no longer wanted.
//!
//! The order of these decides what a kill in between can cost, so it stands here, with everything
//! else that decides, and not where the network is. What a look needs done is done by a [`Effects`]:
//! the operator's has the Kubernetes API and AWS behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::last_good::LastGood;
use super::plan::{Plan, PlanInput, Reason, Refresh, next_due, next_reconcile, plan};
use super::refresh::RefreshContext;
use super::schedule::RefreshSchedule;
use super::status::conditions;
use super::status::events::events;
use super::status::region::to_k8s_time;
use super::validate::ValidatedSpec;
use super::{Effects, Work};
use crate::api::{
    ANNOTATION_REQUESTED_AT, AttemptError, BedrockModelMap, BedrockModelMapStatus, RegionSource,
};
use crate::bedrock::diff::Changes;
use crate::publication::ownership::Owner;

/// The shortest wait for the next look: a time that has just come is not looked at twice.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    Change,
    /// After this time, or when something changes.
    After(Duration),
}

/// What a look came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When to look again.
    pub next: Next,
    /// ConfigMaps that were put back.
    pub restored: usize,
    /// The refresh, if something was due.
    pub refreshed: Option<Refreshed>,
    /// What could not be written, by region, and is not in the status for something graver.
    pub write_errors: Vec<(String, AttemptError)>,
}

/// What a refresh came to.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// Why it happened.
    pub reason: Reason,
    /// The status after it.
    pub status: BedrockModelMapStatus,
    /// What changed in what is published.
    pub changes: Changes,
    /// Regions asked.
    pub asked: usize,
    /// ConfigMaps written or deleted.
    pub written: usize,
}

/// One look at one resource.
#[derive(Clone, Copy, Debug)]
pub struct Reconciler<'a, W> {
    /// The resource as it is.
    pub resource: &'a BedrockModelMap,
    /// What its spec asks for, or why that cannot be worked with.
    pub settings: Result<&'a ValidatedSpec, &'a AttemptError>,
    /// The time.
    pub now: Timestamp,
    /// What carries it out.
    pub world: &'a W,
}

impl<W: Effects> Reconciler<'_, W> {
    /// Looks at the resource.
    pub async fn look(&self) -> Result<Outcome, W::Error> {
        if self.resource.spec.suspend {
            return Ok(Outcome::without_refresh(Next::Change));
        }
        let settings = match self.settings {
            Ok(settings) => settings,
            Err(error) => return self.refuse(error).await,
        };
        let mut status = self.resource.status.clone().unwrap_or_default();
        if conditions::was_refused(&status) {
            // Nothing was asked or published for this generation.
            status.observed_generation = Some(0);
        }
        let owner = Owner::from_resource(self.resource);
        let refresher = RefreshContext {
            resource: self.resource,
            settings,
            status: &status,
            now: self.now,
            owner: &owner,
            world: self.world,
            last_good: &LastGood::new(self.world, &owner, settings, &status),
        };
        let mut looked = Outcome::without_refresh(Next::Change);
        let lost = self.repair_drift(&refresher, &mut looked).await?;
        let inputs = self.inputs(settings, &status, &lost);
        match plan(&inputs) {
            Plan::Wait { until } => {
                // What a kill before the end of the last refresh left.
                self.prune(&owner, &status).await?;
                looked.next = wait(self.now, until);
            }
            Plan::Refresh(refresh) => {
                self.refresh(&refresher, refresh, &inputs, &mut looked)
                    .await?;
            }
        }
        Ok(looked)
    }

    fn inputs<'s>(
        &'s self,
        settings: &'s ValidatedSpec,
        status: &'s BedrockModelMapStatus,
        lost: &'s Unrecoverable,
    ) -> PlanInput<'s> {
        let metadata = &self.resource.metadata;
        let annotations = metadata.annotations.as_ref();
        PlanInput {
            generation: metadata.generation,
            named_regions: settings.regions.as_deref(),
            requested_at: annotations
                .and_then(|a| a.get(ANNOTATION_REQUESTED_AT))
                .map(String::as_str),
            status,
            lost: &lost.regions,
            mapping_lost: lost.mapping,
            schedule: RefreshSchedule::new(
                settings.interval,
                metadata.uid.as_deref().unwrap_or_default(),
            ),
            now: self.now,
        }
    }

    /// Says why the spec cannot be worked with; what is published stays.
    async fn refuse(&self, error: &AttemptError) -> Result<Outcome, W::Error> {
        let mut status = self.resource.status.clone().unwrap_or_default();
        let generation = self.resource.metadata.generation;
        status.observed_generation = generation;
        // Nothing is asked until the spec is another one.
        status.next_refresh_time = None;
        status.conditions = conditions::refused(&status, error, generation, self.now);
        let source = RegionSource::from(self.resource.spec.regions.as_deref());
        self.report(&status, &Changes::default(), source).await?;
        Ok(Outcome::without_refresh(Next::Change))
    }

    /// Writes the status, and then the Events of what is new in it.
    async fn report(
        &self,
        status: &BedrockModelMapStatus,
        changes: &Changes,
        source: RegionSource,
    ) -> Result<(), W::Error> {
        let before = self.resource.status.clone().unwrap_or_default();
        let events = events(&before, status, changes, source);
        self.world.report(status, events).await
    }

    /// Puts back published ConfigMaps that were changed or deleted.
    async fn repair_drift(
        &self,
        refresher: &RefreshContext<'_, W>,
        looked: &mut Outcome,
    ) -> Result<Unrecoverable, W::Error> {
        let mut lost = Unrecoverable::default();
        let status = refresher.status;
        // A new spec renders everything anew.
        if status.observed_generation != self.resource.metadata.generation {
            return Ok(lost);
        }
        for (region, region_status) in &status.regions {
            let Some(name) = &region_status.config_map else {
                continue;
            };
            if self.world.is_unchanged(name) {
                continue;
            }
            let _permit = self.world.render_permit(Work::Region).await;
            let found = refresher.last_good.find(region, region_status).await?;
            let Some(content) = found.content else {
                lost.regions.insert(region.clone());
                continue;
            };
            let put_back = refresher.publish(name, region, &content, region_status, found.live);
            match put_back.await {
                Ok(written) => looked.restored += usize::from(written),
                // A refresh of the region reports it, and tries again at the right time.
                Err(error) => {
                    looked.write_errors.push((region.clone(), error));
                    lost.regions.insert(region.clone());
                }
            }
        }
        // One that is not published yet is the plan's.
        let mapping = status.mapping.as_ref().filter(|m| m.error.is_none());
        if lost.regions.is_empty()
            && mapping.is_some_and(|m| !self.world.is_unchanged(&m.config_map))
        {
            match refresher.restore_mapping().await? {
                Ok(written) => looked.restored += usize::from(written),
                Err(_) => lost.mapping = true,
            }
        }
        Ok(lost)
    }

    async fn refresh(
        &self,
        refresher: &RefreshContext<'_, W>,
        refresh: Refresh,
        inputs: &PlanInput<'_>,
        looked: &mut Outcome,
    ) -> Result<(), W::Error> {
        let generation = self.resource.metadata.generation;
        let mut before = inputs.status.clone();
        if let Some((reason, message)) = announcement(&refresh.reason) {
            let spec_is_new = before.observed_generation != generation;
            before.conditions = conditions::while_refreshing(
                &before,
                reason,
                message,
                spec_is_new,
                generation,
                self.now,
            );
            self.world.report(&before, Vec::new()).await?;
        }
        let mut round = refresher.run(&refresh, inputs).await?;
        let (asked, mut written) = (round.asked, round.written);
        looked.write_errors.append(&mut round.write_errors);
        let changes = std::mem::take(&mut round.changes);
        let mut status = round.status(&before, generation, &refresh.reason);

        let source = RegionSource::from(inputs.named_regions);
        status.summary = Some(conditions::summary(&status.regions, source));
        status.conditions = conditions::after_refresh(&status, source, generation, self.now);
        let (nothing_lost, ended_at) = (BTreeSet::new(), self.world.now());
        let ahead = |when: fn(&PlanInput<'_>) -> Timestamp, status: &BedrockModelMapStatus| {
            when(&PlanInput {
                status,
                lost: &nothing_lost,
                mapping_lost: false,
                now: ended_at,
                ..*inputs
            })
        };
        status.next_refresh_time = Some(to_k8s_time(ahead(next_due, &status)));
        self.report(&status, &changes, source).await?;
        // Only now: until the status speaks of what has taken its place, it is the last good data.
        written += self.prune(refresher.owner, &status).await?;
        looked.next = wait(ended_at, ahead(next_reconcile, &status));
        looked.refreshed = Some(Refreshed {
            reason: refresh.reason,
            status,
            changes,
            asked,
            written,
        });
        Ok(())
    }

    /// Deletes this resource's ConfigMaps that the status does not speak of. Returns how many.
    async fn prune(
        &self,
        owner: &Owner,
        status: &BedrockModelMapStatus,
    ) -> Result<usize, W::Error> {
        let regions = status
            .regions
            .values()
            .filter_map(|r| r.config_map.as_deref());
        let mapping = status.mapping.as_ref().map(|m| m.config_map.as_str());
        let wanted: BTreeSet<&str> = regions.chain(mapping).collect();
        let mut removed = 0;
        for seen in self.world.labelled_config_maps() {
            let name = seen.name.as_deref().unwrap_or_default();
            if owner.owns(&seen) && !wanted.contains(name) {
                removed += usize::from(self.world.remove(&seen).await?);
            }
        }
        Ok(removed)
    }
}

impl Outcome {
    fn without_refresh(next: Next) -> Self {
        Self {
            next,
            restored: 0,
            refreshed: None,
            write_errors: Vec::new(),
        }
    }
}

/// What was changed or deleted and could not be put back without a refresh: the content is nowhere
/// to be had but from AWS, or cannot be written.
#[derive(Debug, Default)]
struct Unrecoverable {
    regions: BTreeSet<String>,
    mapping: bool,
}

fn wait(now: Timestamp, until: Timestamp) -> Next {
    let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    Next::After(wait.max(SHORTEST_WAIT))
}

/// How an announced refresh is announced: the condition's reason and message.
fn announcement(reason: &Reason) -> Option<(&'static str, &'static str)> {
    match reason {
        Reason::First => Some(("FirstRefresh", "the regions are asked for the first time")),
        Reason::NewGeneration => {
            Some(("NewGeneration", "the regions are asked for a changed spec"))
        }
        Reason::Requested(_) => Some((
            "RefreshRequested",
            "the regions are asked because a user wants it",
        )),
        Reason::Due => None,
    }
}

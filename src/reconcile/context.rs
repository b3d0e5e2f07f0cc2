//! Shared values of the steps of one reconciliation.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;

use super::last_good::LastGood;
use super::{Effects, Seen};
use crate::api::{
    AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode, RegionSource, RegionStatus,
};
use crate::bedrock::diff::ChangeKind;
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::digest::sha256_hex;
use crate::publication::content::RegionContent;
use crate::publication::ownership::{Content, DesiredConfigMap, Owner};
use crate::publication::render::region_files;
use crate::reconcile::status::conditions;
use crate::reconcile::status::contention::Contention;
use crate::reconcile::validate::ValidatedSpec;

/// Enough that two inputs of one ConfigMap never have the same digest, and short: the status holds one for each.
const INPUTS_DIGITS: usize = 16;

/// A resource as its reconciliation finds it.
pub(super) struct Observed<'a> {
    /// Not copied where it is used as it is: a thousand refreshes may wait for AWS at once.
    pub(super) status: Cow<'a, BedrockModelMapStatus>,
    pub(super) owner: Owner,
}

pub(super) fn observe(resource: &BedrockModelMap) -> Observed<'_> {
    let status = resource.status.as_ref();
    let mut status = status.map_or_else(Cow::default, Cow::Borrowed);
    if conditions::was_refused(&status) {
        // Nothing was queried or published for this generation.
        status.to_mut().observed_generation = Some(0);
    }
    Observed {
        status,
        owner: Owner::from_resource(resource),
    }
}

pub(super) struct RefreshContext<'a, E> {
    pub(super) resource: &'a BedrockModelMap,
    pub(super) settings: &'a ValidatedSpec,
    /// The status as observed.
    pub(super) status: &'a BedrockModelMapStatus,
    pub(super) owner: &'a Owner,
    pub(super) now: Timestamp,
    pub(super) effects: &'a E,
    pub(super) last_good: LastGood<'a, E>,
}

/// A region after its part of the refresh. It outlives the region's discovery until all regions
/// have responded: so it keeps the bytes for the merged mapping, and not the parsed models, which
/// take ten times as much memory.
pub(super) struct RefreshedRegion {
    pub(super) status: RegionStatus,
    /// The published `models.json`, if it is known.
    pub(super) models_json: Option<Arc<str>>,
    /// Changes of the published content.
    pub(super) changes: Vec<ChangeKind>,
    /// ConfigMaps written.
    pub(super) written: usize,
    /// Failed writes. The region's own error is in its status.
    pub(super) write_errors: Vec<AttemptError>,
}

impl RefreshedRegion {
    /// A region of which nothing is written.
    pub(super) fn unwritten(status: RegionStatus) -> Self {
        Self {
            status,
            models_json: None,
            changes: Vec::new(),
            written: 0,
            write_errors: Vec::new(),
        }
    }
}

impl<E: Effects> RefreshContext<'_, E> {
    pub(super) fn generation(&self) -> Option<i64> {
        self.resource.metadata.generation
    }

    pub(super) fn region_source(&self) -> RegionSource {
        RegionSource::from(self.settings.regions.as_deref())
    }

    /// The ConfigMaps that another writer changes again and again.
    pub(super) fn contended(&self) -> Vec<Contention> {
        let repairs = self.effects.repairs().into_iter();
        repairs
            .filter(|(_, repairs)| repairs.is_contended(self.now))
            .map(|(config_map, repairs)| Contention {
                config_map,
                writer: repairs.writer().map(str::to_owned),
            })
            .collect()
    }

    /// Time at which a ConfigMap ceases to be contended, if nobody changes it until then.
    pub(super) fn contended_until(&self) -> Option<Timestamp> {
        let repairs = self.effects.repairs().into_values();
        repairs
            .filter(|repairs| repairs.is_contended(self.now))
            .map(|repairs| repairs.quiet_from())
            .min()
    }

    /// Digest of all values that a ConfigMap depends on: these, and uid and generation, which stand
    /// for the owner and the spec. It serves the same version of the operator only.
    pub(super) fn inputs(&self, values: impl IntoIterator<Item = String>) -> String {
        let owner = format!("{} {:?}", self.owner.uid, self.generation());
        let inputs: Vec<String> = std::iter::once(owner).chain(values).collect();
        let mut digest = sha256_hex(inputs.join("\n").as_bytes());
        digest.truncate(INPUTS_DIGITS);
        digest
    }

    /// Digest of all values that a ConfigMap of these regions depends on; a hash stands for a region's
    /// models.
    pub(super) fn region_inputs<'r>(
        &self,
        regions: impl Iterator<Item = (&'r str, &'r RegionStatus)>,
    ) -> String {
        self.inputs(regions.map(|(region, status)| {
            let RegionStatus {
                state,
                sha256,
                discovered_at,
                stale_since,
                models,
                profiles,
                associations,
                ..
            } = status;
            format!(
                "{region} {state:?} {sha256:?} {discovered_at:?} {stale_since:?} {models} {profiles} {associations}"
            )
        }))
    }

    /// How each model is invoked from the region.
    pub(super) fn facts(
        &self,
        region: &str,
        content: &RegionContent,
    ) -> BTreeMap<String, InvocationFacts> {
        content.facts(region, &self.settings.policy)
    }

    /// The bytes of the content, once for all resources that hold them.
    pub(super) fn share(&self, content: RegionContent) -> Arc<str> {
        self.effects.share(&content.sha256, content.models_json)
    }

    /// Writes the region's ConfigMap unless it is up to date. Returns whether it was written.
    pub(super) async fn apply_region(
        &self,
        name: &str,
        region: &str,
        content: &RegionContent,
        facts: &BTreeMap<String, InvocationFacts>,
        status: &RegionStatus,
        seen: Seen,
    ) -> Result<bool, AttemptError> {
        let inputs = self.region_inputs(std::iter::once((region, status)));
        if self.effects.is_current(name, &inputs) {
            return Ok(false);
        }
        let render = || region_files(region, content, facts, status);
        let files =
            self.effects.compute(render).await.map_err(|cause| {
                AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string())
            })?;
        let target = DesiredConfigMap {
            name: name.to_owned(),
            content: Content::Region(region.to_owned()),
            ends: LifecycleSummary::from_models(&content.models),
            files,
            inputs,
        };
        self.effects.apply(&target, seen).await
    }
}

pub(super) fn unwritable(cause: &impl Display) -> AttemptError {
    AttemptError::new(ErrorCode::WriteFailed, cause.to_string())
}

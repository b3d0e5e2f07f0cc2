//! Shared values of the steps of one reconciliation.

use std::fmt::Display;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;

use super::Effects;
use super::last_good::LastGood;
use crate::api::{
    AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode, RegionSource, RegionStatus,
};
use crate::bedrock::diff::ChangeKind;
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::content::RegionContent;
use crate::publication::ownership::{Content, DesiredConfigMap, Owner};
use crate::publication::render::region_files;
use crate::reconcile::status::conditions;
use crate::reconcile::status::region::record_invocation;
use crate::reconcile::validate::ValidatedSpec;

/// A resource as its reconciliation finds it.
pub(super) struct Observed {
    pub(super) status: BedrockModelMapStatus,
    pub(super) owner: Owner,
}

pub(super) fn observe(resource: &BedrockModelMap) -> Observed {
    let mut status = resource.status.clone().unwrap_or_default();
    if conditions::was_refused(&status) {
        // Nothing was queried or published for this generation.
        status.observed_generation = Some(0);
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
    pub(super) models_json: Option<String>,
    /// Changes of the published content.
    pub(super) changes: Vec<ChangeKind>,
    pub(super) written: bool,
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
            written: false,
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

    /// Reads a ConfigMap that is written next.
    pub(super) async fn read_to_write(
        &self,
        name: &str,
    ) -> Result<Option<ConfigMap>, AttemptError> {
        let live = self.effects.read(name).await;
        live.map_err(|cause| unwritable(&cause))
    }

    /// Records what the published `invocation.json` says.
    pub(super) fn record_invocation(
        &self,
        region: &str,
        content: &RegionContent,
        status: &mut RegionStatus,
    ) {
        record_invocation(status, &content.facts(region, &self.settings.policy));
    }

    /// Writes the region's ConfigMap unless it is up to date; `live` is the ConfigMap as just read.
    /// Returns whether it was written.
    pub(super) async fn apply_region(
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
        self.effects.apply(&target, live).await
    }
}

pub(super) fn unwritable(cause: &impl Display) -> AttemptError {
    AttemptError::new(ErrorCode::WriteFailed, cause.to_string())
}

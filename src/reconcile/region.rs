//! What one region comes to: asked, its answer published.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::refresh::{RefreshContext, unwritable};
use super::{Effects, Work};
use crate::api::{AttemptError, ErrorCode, RegionStatus};
use crate::bedrock::association::associate;
use crate::bedrock::diff::{ChangeKind, region_changes};
use crate::bedrock::view::{FactsSource, RegionView};
use crate::publication::content::RegionContent;
use crate::reconcile::plan::Refresh;
use crate::reconcile::status::region::{PublishAction, answered, to_k8s_time};

/// What one region's attempt came to, before the others are known.
pub(super) enum RegionOutcome {
    /// It answered, and the answer is published if there is anything in it.
    Published(Published),
    /// It answered, and the answer is held back.
    Held(RegionStatus),
    /// It did not answer, or the answer could not be published.
    Failed(AttemptError),
}

/// An answer that is published, or has nothing in it. It outlives the region's attempt until all
/// regions have answered: so it keeps the bytes for the merged mapping, and not the parsed models,
/// which take ten times as much memory.
pub(super) struct Published {
    pub(super) status: RegionStatus,
    /// `models.json`, if there is any model.
    pub(super) models_json: Option<String>,
    /// What changed in what is published.
    pub(super) changes: Vec<ChangeKind>,
    pub(super) written: bool,
}

impl<W: Effects> RefreshContext<'_, W> {
    pub(super) async fn named_attempt(
        &self,
        region: &str,
        refresh: &Refresh,
    ) -> (String, RegionOutcome) {
        let attempt = self.attempt(region, refresh).await;
        (
            region.to_owned(),
            attempt.unwrap_or_else(RegionOutcome::Failed),
        )
    }

    async fn attempt(
        &self,
        region: &str,
        refresh: &Refresh,
    ) -> Result<RegionOutcome, AttemptError> {
        let before = self.status.regions.get(region);
        let not_before = refresh.not_before(before, self.now);
        let snapshot = self
            .world
            .ask(region, not_before, refresh.urgency(before))
            .await?;
        let _permit = self.world.render_permit(Work::Region).await;
        let catalog = associate(&snapshot, &self.settings.selection);
        let content = RegionContent::from_catalog(catalog)
            .map_err(|cause| AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string()))?;
        let name = self.settings.region_config_map(region);
        let (mut status, publication) = answered(
            before,
            &content,
            snapshot.taken_at,
            &name,
            self.asked(refresh),
        );
        Ok(match publication {
            PublishAction::Keep => RegionOutcome::Held(status),
            PublishAction::Remove => RegionOutcome::Published(Published {
                status,
                models_json: None,
                changes: match before {
                    Some(before) if before.config_map.is_some() => vec![ChangeKind::RegionRemoved],
                    Some(_) | None => Vec::new(),
                },
                written: false,
            }),
            PublishAction::Publish => {
                let (replaced, live) = self.replaced(region, &name, &content).await?;
                let told = self.last_good.recorded_content(live.as_ref());
                // Published already, and the status does not know of it: a refresh was cut short,
                // or a resource of the same name is gone.
                if before.is_none_or(|before| before.sha256 != status.sha256)
                    && let Some((published, Some(since))) = told
                    && published.sha256 == content.sha256
                {
                    status.discovered_at = Some(to_k8s_time(since));
                }
                let written = self.publish(&name, region, &content, &status, live);
                let written = written.await?;
                status.mapping = Some(content.profile_ids());
                let changes = match replaced {
                    Some(replaced) => {
                        let view = |models| RegionView {
                            models,
                            facts: FactsSource::Policy(&self.settings.policy),
                        };
                        region_changes(
                            region,
                            Some(&view(&replaced.models)),
                            Some(&view(&content.models)),
                        )
                    }
                    // The same as before, or what was before is not to be had.
                    None if before.is_some_and(|b| b.config_map.is_some()) => Vec::new(),
                    None => vec![ChangeKind::RegionAdded],
                };
                RegionOutcome::Published(Published {
                    status,
                    models_json: Some(content.models_json),
                    changes,
                    written,
                })
            }
        })
    }

    /// What is published of the region and about to be replaced by something else, as far as it is
    /// to be had (without it, nobody is told what changed), and the ConfigMap that is to be written.
    async fn replaced(
        &self,
        region: &str,
        name: &str,
        by: &RegionContent,
    ) -> Result<(Option<RegionContent>, Option<ConfigMap>), AttemptError> {
        let before = self.status.regions.get(region);
        let Some(before) = before.filter(|b| b.sha256.as_ref() != Some(&by.sha256)) else {
            return Ok((None, self.read_to_write(name).await?));
        };
        let found = self.last_good.find(region, before).await;
        let found = found.map_err(|cause| unwritable(&cause))?;
        let live = if before.config_map.as_deref() == Some(name) {
            found.live
        } else {
            self.read_to_write(name).await?
        };
        Ok((found.content, live))
    }
}

/// What each came to, without what is in it.
pub(super) fn error_codes(
    attempts: &BTreeMap<String, RegionOutcome>,
) -> BTreeMap<String, Result<(), ErrorCode>> {
    let error_codes = |attempt: &RegionOutcome| match attempt {
        RegionOutcome::Published(_) | RegionOutcome::Held(_) => Ok(()),
        RegionOutcome::Failed(error) => Err(error.code),
    };
    attempts
        .iter()
        .map(|(region, attempt)| (region.clone(), error_codes(attempt)))
        .collect()
}

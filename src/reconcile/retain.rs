//! A region that gave no answer to publish: what it had published stays.

use super::last_good::Found;
use super::refresh::{RefreshContext, RefreshResult};
use super::{Effects, Work};
use crate::api::{AttemptError, RegionState, RegionStatus};
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::region::{
    PublishAction, disabled_or_invalid_credentials, failed, from_published,
};

impl<W: Effects> RefreshContext<'_, W> {
    pub(super) async fn fail(
        &self,
        region: &str,
        error: AttemptError,
        others: PeerEvidence,
        round: &mut RefreshResult,
    ) -> Result<RegionStatus, W::Error> {
        let error = disabled_or_invalid_credentials(error, others);
        let before = self.status.regions.get(region).cloned();
        let before = match before {
            Some(before) if before.config_map.is_some() => Some(before),
            // What is still there of it is on its way out.
            Some(before) if before.state == RegionState::Empty => Some(before),
            before => self.find_unrecorded(region).await?.or(before),
        };
        let (status, publication) = failed(before.as_ref(), error, others, self.now);
        match publication {
            PublishAction::Keep => self.keep(region, status, round).await,
            PublishAction::Publish | PublishAction::Remove => Ok(status),
        }
    }

    /// The region as it is published although the status tells of nothing: a refresh was cut short,
    /// or a resource of the same name is gone and had retained it.
    async fn find_unrecorded(&self, region: &str) -> Result<Option<RegionStatus>, W::Error> {
        let name = self.settings.region_config_map(region);
        let _permit = self.world.render_permit(Work::Region).await;
        let live = self.world.read(&name).await?;
        let told = self.last_good.recorded_content(live.as_ref());
        Ok(told.map(|(content, since)| from_published(None, &name, &content, since)))
    }

    /// Lets the region's ConfigMap say how fresh its content is, under the name that the spec asks
    /// for if it can be had. Where that cannot be written, the region's own error is the one to
    /// report.
    pub(super) async fn keep(
        &self,
        region: &str,
        mut status: RegionStatus,
        round: &mut RefreshResult,
    ) -> Result<RegionStatus, W::Error> {
        let Some(before) = status.config_map.clone() else {
            return Ok(status);
        };
        let _permit = self.world.render_permit(Work::Region).await;
        let Found { content, live } = self.last_good.find(region, &status).await?;
        let content = if let Some(content) = content {
            content
        } else if let Some((content, since)) = self.last_good.recorded_content(live.as_ref()) {
            // A refresh was cut short between this content and its status.
            status = from_published(Some(&status), &before, &content, since);
            content
        } else {
            return Ok(status);
        };
        status.mapping = Some(content.profile_ids());
        let wanted = self.settings.region_config_map(region);
        if before != wanted {
            let moved = match self.read_to_write(&wanted).await {
                Ok(at) => self.publish(&wanted, region, &content, &status, at).await,
                Err(error) => Err(error),
            };
            match moved {
                Ok(written) => {
                    round.written += usize::from(written);
                    round
                        .models_json
                        .insert(region.to_owned(), content.models_json);
                    status.config_map = Some(wanted);
                    return Ok(status);
                }
                Err(error) => round.write_errors.push((region.to_owned(), error)),
            }
        }
        let kept = self.publish(&before, region, &content, &status, live);
        match kept.await {
            Ok(written) => round.written += usize::from(written),
            Err(error) => round.write_errors.push((region.to_owned(), error)),
        }
        round
            .models_json
            .insert(region.to_owned(), content.models_json);
        Ok(status)
    }
}

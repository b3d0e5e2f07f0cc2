//! Writes of the status: after the `ConfigMaps` that it describes, and only if it differs.

use std::mem;
use std::sync::Arc;

use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};

use super::definition_skew::DefinitionSkew;
use super::own_writes::OwnWrites;
use super::request::{CallError, call};
use crate::api::{BedrockModelMap, BedrockModelMapStatus, MANAGER, StatusDetail};
use crate::ops::metrics::Metrics;
use crate::reconcile::status::detail::{completed, lacks_mapping};
use crate::reconcile::status::older_definition::{dropped_fields, without_unknown_values};

/// Attempts of a write that conflicts with concurrent changes.
const ATTEMPTS: usize = 5;

/// Writes the status of one resource.
pub(super) struct StatusWriter<'a> {
    api: Api<BedrockModelMap>,
    /// As last read or written, without its compact mappings.
    known: Arc<BedrockModelMap>,
    own_writes: &'a OwnWrites,
    metrics: &'a Metrics,
    skew: &'a DefinitionSkew,
}

impl<'a> StatusWriter<'a> {
    pub(super) fn new(
        client: Client,
        known: Arc<BedrockModelMap>,
        own_writes: &'a OwnWrites,
        metrics: &'a Metrics,
        skew: &'a DefinitionSkew,
    ) -> Self {
        let namespace = known.namespace().unwrap_or_default();
        Self {
            api: Api::namespaced(client, &namespace),
            known,
            own_writes,
            metrics,
            skew,
        }
    }

    /// Writes the status. A region's compact mapping stays if the new status omits it and its content
    /// is unchanged: only then, or after a conflict, is the live resource read. Returns the resource
    /// after the write; `None`: it was deleted.
    pub(super) async fn write(
        &self,
        status: &BedrockModelMapStatus,
        detail: StatusDetail,
    ) -> Result<Option<Arc<BedrockModelMap>>, CallError> {
        let mut base = if needs_live_mapping(status, detail) {
            self.get().await?
        } else {
            Some(BedrockModelMap::clone(&self.known))
        };
        let mut attempt = 1;
        while let Some(known) = base {
            let known = without_record(known);
            let Some(wanted) = self.changed(&known, status, detail) else {
                return Ok(Some(self.own_writes.record(without_bulk(known))));
            };
            let wanted = BedrockModelMap {
                status: Some(wanted),
                ..known
            };
            match self.replace(wanted).await {
                Ok(written) => {
                    self.metrics.count_status_write();
                    return Ok(Some(self.own_writes.record(without_bulk(written))));
                }
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
            base = self.get().await?;
        }
        Ok(None)
    }

    /// Replaces the status. An older definition rejects values that it does not know: then the rest of
    /// the status is written.
    async fn replace(&self, wanted: BedrockModelMap) -> Result<BedrockModelMap, CallError> {
        let error = match self.try_replace(&wanted).await {
            Err(error) => error,
            written => return written,
        };
        let status = wanted.status.as_ref();
        let accepted =
            status.and_then(|status| without_unknown_values(status, &error.invalid_fields()));
        let Some(accepted) = accepted else {
            return Err(error);
        };
        self.skew.log_rejected(accepted.unknown);
        let wanted = BedrockModelMap {
            status: Some(accepted.status),
            ..wanted
        };
        self.try_replace(&wanted).await
    }

    async fn try_replace(&self, wanted: &BedrockModelMap) -> Result<BedrockModelMap, CallError> {
        let params = PostParams {
            dry_run: false,
            field_manager: Some(MANAGER.to_owned()),
        };
        let name = wanted.name_any();
        let request = self.api.replace_status(&name, &params, wanted);
        let written = call(|| self.describe("write the status of"), request).await?;
        if let (Some(sent), Some(stored)) = (&wanted.status, &written.status) {
            self.skew.log_dropped(dropped_fields(sent, stored));
        }
        Ok(written)
    }

    /// The status to write, with the record of the verified `ConfigMaps`; `None` if the resource has it. A
    /// record alone is not worth a write: without it a restart verifies again.
    fn changed(
        &self,
        known: &BedrockModelMap,
        status: &BedrockModelMapStatus,
        detail: StatusDetail,
    ) -> Option<BedrockModelMapStatus> {
        let uid = known.metadata.uid.as_deref().unwrap_or_default();
        let status = BedrockModelMapStatus {
            verified: self.own_writes.record_verified(uid, status),
            ..status.clone()
        };
        let mut wanted = completed(status, known.status.as_ref(), detail);
        let verified = wanted.verified.take();
        (known.status.as_ref() != Some(&wanted))
            .then_some(BedrockModelMapStatus { verified, ..wanted })
    }

    /// The live resource; `None` if it was deleted or recreated.
    async fn get(&self) -> Result<Option<BedrockModelMap>, CallError> {
        let name = self.known.name_any();
        let live = call(|| self.describe("read"), self.api.get_opt(&name)).await?;
        Ok(live.filter(|live| live.uid() == self.known.uid()))
    }

    fn describe(&self, verb: &str) -> String {
        format!(
            "cannot {verb} BedrockModelMap {}/{}",
            self.known.namespace().unwrap_or_default(),
            self.known.name_any()
        )
    }
}

/// Whether a region's compact mapping is in the cluster only.
fn needs_live_mapping(status: &BedrockModelMapStatus, detail: StatusDetail) -> bool {
    match detail {
        StatusDetail::Mapping => status.regions.values().any(lacks_mapping),
        StatusDetail::Summary => false,
    }
}

/// The resource without the parts that the operator keeps out of memory.
fn without_bulk(resource: BedrockModelMap) -> BedrockModelMap {
    let mut resource = without_record(resource);
    strip(&mut resource);
    resource
}

fn without_record(mut resource: BedrockModelMap) -> BedrockModelMap {
    if let Some(status) = &mut resource.status {
        status.verified = None;
    }
    resource
}

/// Removes managed fields and compact mappings, and packs the rest.
pub(super) fn strip(resource: &mut BedrockModelMap) {
    resource.metadata.managed_fields = None;
    if let Some(status) = &mut resource.status {
        for region in status.regions.values_mut() {
            region.mapping = None;
        }
        // A map that grew entry by entry is half empty; one that is collected is full.
        status.regions = mem::take(&mut status.regions).into_iter().collect();
    }
}

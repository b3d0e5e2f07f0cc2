//! The merged mapping: the published models of all regions in one ConfigMap.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::RefreshContext;
use super::{Effects, Seen, Work};
use crate::api::{AttemptError, ErrorCode, MappingStatus, RegionStatus};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::ownership::{Content, DesiredConfigMap};
use crate::publication::render::mapping_files;
use crate::reconcile::status::conditions::has_answered;

/// Publishes the merged mapping of these regions. `models_json` holds their published content as
/// far as it is in memory; the rest is read back. Returns the mapping's status and whether its
/// ConfigMap was written.
pub(super) async fn merge<E: Effects>(
    context: &RefreshContext<'_, E>,
    regions: &BTreeMap<String, RegionStatus>,
    mut models_json: BTreeMap<String, Arc<str>>,
) -> Result<(Option<MappingStatus>, bool), E::Error> {
    let before = &context.status.mapping;
    let has_answers = regions.values().any(has_answered);
    // Once published it stays: a failure of all regions does not remove it.
    if !has_answers && (before.is_none() || regions.is_empty()) {
        return Ok((None, false));
    }
    let published = regions.iter().filter(|(_, r)| r.config_map.is_some());
    let inputs = context.region_inputs(published.clone().map(|(region, r)| (region.as_str(), r)));
    let name = context.settings.mapping_config_map();
    let is_published = |m: &MappingStatus| m.error.is_none() && m.config_map == name;
    if before.as_ref().is_some_and(is_published) && context.effects.is_current(&name, &inputs) {
        return Ok((before.clone(), false));
    }
    let _permit = context.effects.render_permit(Work::Mapping).await;
    for (region, status) in published.clone() {
        if models_json.contains_key(region) {
            continue;
        }
        let Some(content) = context.last_good.find(region, status).await?.content else {
            // The plan queries the region now. Until then the mapping stays as it is.
            return Ok((before.clone(), false));
        };
        models_json.insert(region.clone(), context.share(content));
    }
    let regions = published.filter_map(|(region, status)| {
        Some((region.as_str(), &**models_json.get(region)?, status))
    });
    Ok(
        match publish_mapping(context, name, regions, inputs).await {
            Ok((mapping, written)) => (Some(mapping), written),
            Err(error) => {
                let mapping = MappingStatus {
                    error: Some(error),
                    ..before.clone().unwrap_or_default()
                };
                (Some(mapping), false)
            }
        },
    )
}

async fn publish_mapping<'r, E: Effects>(
    context: &RefreshContext<'_, E>,
    name: String,
    regions: impl Iterator<Item = (&'r str, &'r str, &'r RegionStatus)> + Clone + Send,
    inputs: String,
) -> Result<(MappingStatus, bool), AttemptError> {
    let compression = context.resource.spec.output.compression;
    let mapping = context
        .effects
        .compute(|| mapping_files(regions, compression))
        .await
        .map_err(|cause| AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string()))?;
    let status = MappingStatus {
        config_map: name.clone(),
        sha256: mapping.files.sha256.clone(),
        bytes: i64::try_from(mapping.bytes).unwrap_or(i64::MAX),
        compressed: mapping.compressed,
        error: None,
    };
    let target = DesiredConfigMap {
        name,
        content: Content::Mapping,
        // The regions' own ConfigMaps count their lifecycles.
        ends: LifecycleSummary::default(),
        files: mapping.files,
        inputs,
    };
    let written = context.effects.apply(&target, Seen::Unread).await?;
    Ok((status, written))
}

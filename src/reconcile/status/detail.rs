//! The compact mapping in the status, within its size limit.

use crate::api::{BedrockModelMapStatus, MappingOmitted, RegionStatus, StatusDetail};

/// Largest status, well below etcd's limit for one object with spec and metadata.
const MAX_STATUS_BYTES: usize = 512 * 1024;

/// Completes the status with the compact mapping of every region, or of none if the spec omits it or
/// it exceeds the limit.
pub fn completed(
    mut status: BedrockModelMapStatus,
    live: Option<&BedrockModelMapStatus>,
    detail: StatusDetail,
) -> BedrockModelMapStatus {
    status.mapping_omitted = None;
    let shown = match detail {
        StatusDetail::Summary => false,
        StatusDetail::Mapping => {
            take_known_mappings(&mut status, live);
            let complete = !status.regions.values().any(lacks_mapping);
            let bytes = serde_json::to_vec(&status).map_or(usize::MAX, |json| json.len());
            let omitted_before = live.is_some_and(|live| live.mapping_omitted.is_some());
            let too_large = bytes > MAX_STATUS_BYTES || (omitted_before && !complete);
            status.mapping_omitted = too_large.then_some(MappingOmitted::TooLarge);
            !too_large
        }
    };
    if !shown {
        status
            .regions
            .values_mut()
            .for_each(|region| region.mapping = None);
    }
    status
}

/// Whether the status of a published region has no compact mapping.
pub fn lacks_mapping(region: &RegionStatus) -> bool {
    region.config_map.is_some() && region.mapping.is_none()
}

fn take_known_mappings(status: &mut BedrockModelMapStatus, live: Option<&BedrockModelMapStatus>) {
    for (name, region) in &mut status.regions {
        if region.mapping.is_none()
            && let Some(known) = live.and_then(|live| live.regions.get(name))
            && known.sha256 == region.sha256
        {
            region.mapping.clone_from(&known.mapping);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(models: usize, with_mapping: bool) -> BedrockModelMapStatus {
        let id = |n| format!("provider.a-model-with-a-name-of-usual-length-v{n}:0");
        let mapping: serde_json::Map<_, _> = (0..models)
            .map(|n| (id(n), json!([format!("us.{}", id(n))])))
            .collect();
        let mut region = json!({"state": "Fresh", "configMap": "m-us-east-1", "sha256": "abc"});
        if with_mapping {
            region["mapping"] = json!(mapping);
        }
        serde_json::from_value(json!({"regions": {"us-east-1": region}})).unwrap()
    }

    fn shows_ids(status: &BedrockModelMapStatus) -> bool {
        status.regions["us-east-1"].mapping.is_some()
    }

    #[test]
    fn mapping_is_shown_as_in_spec_within_size_limit() {
        let (few, many) = (10, 5000);
        let large = completed(status(many, true), None, StatusDetail::Mapping);
        assert!(!shows_ids(&large));
        assert_eq!(large.mapping_omitted, Some(MappingOmitted::TooLarge));
        assert!(serde_json::to_vec(&large).unwrap().len() < MAX_STATUS_BYTES);

        let summary = completed(status(few, true), None, StatusDetail::Summary);
        assert!(!shows_ids(&summary) && summary.mapping_omitted.is_none());

        let known = status(few, true);
        let kept = completed(status(few, false), Some(&known), StatusDetail::Mapping);
        assert_eq!(kept, known);

        let mut other_content = status(few, false);
        other_content
            .regions
            .values_mut()
            .for_each(|r| r.sha256 = Some("other".into()));
        let unknown = completed(other_content, Some(&known), StatusDetail::Mapping);
        assert!(!shows_ids(&unknown));
    }

    #[test]
    fn omitted_mapping_stays_omitted_until_every_region_has_one() {
        let omitted = completed(status(5000, true), None, StatusDetail::Mapping);
        let partly = completed(status(10, false), Some(&omitted), StatusDetail::Mapping);
        assert_eq!(partly.mapping_omitted, Some(MappingOmitted::TooLarge));
        let all = completed(status(10, true), Some(&omitted), StatusDetail::Mapping);
        assert!(shows_ids(&all) && all.mapping_omitted.is_none());
    }
}

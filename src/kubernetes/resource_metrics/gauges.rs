//! The gauges of a resource, of its regions and of its models.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Resource, Series, count, float, seconds};
use crate::api::{RegionState, RegionStatus, Summary};
use crate::bedrock::lifecycle_summary::LifecycleSummary;

/// A gauge of each resource.
pub(super) struct OfResource {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) write: fn(&Resource<'_>, &mut Series<'_, '_>) -> fmt::Result,
}

/// A gauge of each region of each resource.
pub(super) struct OfRegion {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) value: fn(&Resource<'_>, &RegionStatus) -> Option<f64>,
}

/// A time in the lifecycle of each published model: the earliest of the regions that publish it.
pub(super) struct OfModel {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) times: fn(&LifecycleSummary) -> &BTreeMap<String, Timestamp>,
}

pub(super) const OF_RESOURCES: &[OfResource] = &[
    OfResource {
        name: "condition",
        help: "1 for the current status of each condition",
        write: |resource, series| {
            resource.status.conditions.iter().try_for_each(|condition| {
                let (kind, status) = (&condition.type_, &condition.status);
                series.labelled(&[("type", kind), ("status", status)], 1.0)
            })
        },
    },
    OfResource {
        name: "suspended",
        help: "1 if the resource is suspended, else 0",
        write: |resource, series| series.value(f64::from(u8::from(resource.suspended))),
    },
    OfResource {
        name: "refresh_interval_seconds",
        help: "Interval between refreshes of a region",
        write: |resource, series| series.optional(resource.interval_seconds),
    },
    OfResource {
        name: "last_refresh_timestamp_seconds",
        help: "Time when at least one region last confirmed the published content",
        write: |resource, series| series.optional(time(resource.status.last_refresh_time.as_ref())),
    },
    OfResource {
        name: "next_refresh_timestamp_seconds",
        help: "Time of the next refresh; absent for suspended and rejected resources",
        write: |resource, series| {
            let next = resource.status.next_refresh_time.as_ref();
            series.optional(time(next.filter(|_| !resource.suspended)))
        },
    },
    OfResource {
        name: "regions",
        help: "Regions, by state",
        write: |resource, series| {
            RegionState::ALL.into_iter().try_for_each(|state| {
                let regions = resource.status.regions.values();
                let regions = regions.filter(|region| region.state == state).count();
                series.labelled(&[("state", state.as_str())], count(regions))
            })
        },
    },
    OfResource {
        name: "failing_regions",
        help: "Regions that make the resource Degraded",
        write: |resource, series| series.optional(summary(resource, |s| s.stale + s.failed)),
    },
    OfResource {
        name: "errors",
        help: "Regions whose last attempt failed, by error code; includes errors of the aliases, of the merged mapping and of the account's region list",
        write: |resource, series| {
            error_codes(resource)
                .into_iter()
                .try_for_each(|(code, errors)| series.labelled(&[("code", code)], errors))
        },
    },
    OfResource {
        name: "models",
        help: "Published (region, model) pairs",
        write: |resource, series| series.optional(summary(resource, |s| s.models)),
    },
    OfResource {
        name: "profiles",
        help: "Published (region, inference profile) pairs",
        write: |resource, series| series.optional(summary(resource, |s| s.profiles)),
    },
    OfResource {
        name: "associations",
        help: "Inference profiles embedded in models",
        write: |resource, series| series.optional(summary(resource, |s| s.associations)),
    },
    OfResource {
        name: "models_requiring_profile",
        help: "Published (region, model) pairs that can only be invoked through an inference profile",
        write: |resource, series| series.optional(summary(resource, |s| s.requiring_profile)),
    },
    OfResource {
        name: "models_invocable",
        help: "Published (region, model) pairs that have an ID which callers may pass",
        write: |resource, series| series.optional(summary(resource, |s| s.invocable)),
    },
    OfResource {
        name: "aliases",
        help: "Published (region, alias) pairs that stand for a model",
        write: |resource, series| series.optional(summary(resource, |s| s.aliases)),
    },
    OfResource {
        name: "aliases_unresolved",
        help: "(Region, alias) pairs that stand for no model",
        write: |resource, series| series.optional(summary(resource, |s| s.aliases_unresolved)),
    },
    OfResource {
        name: "legacy_models",
        help: "Published (region, model) pairs that are LEGACY",
        write: |resource, series| {
            // After a restart, published content is known once its resource has been reconciled.
            let is_known = |region: &RegionStatus| {
                region.config_map.is_none() || resource.lifecycles_of(region).is_some()
            };
            let all_known = resource.status.regions.values().all(is_known);
            series.optional(all_known.then(|| count(resource.lifecycles.legacy)))
        },
    },
    OfResource {
        name: "mapping_bytes",
        help: "Size of the files of the merged ConfigMap",
        write: |resource, series| {
            let mapping = resource.status.mapping.as_ref();
            let published = mapping.and_then(|m| resource.published.get(&m.config_map));
            series.optional(published.map(|published| count(published.bytes)))
        },
    },
    OfResource {
        name: "largest_configmap_bytes",
        help: "Size of the files of the largest ConfigMap of the resource",
        write: |resource, series| {
            let largest = resource.published.values().map(|p| p.bytes).max();
            series.optional(largest.map(count))
        },
    },
];

pub(super) const OF_REGIONS: &[OfRegion] = &[
    OfRegion {
        name: "region_last_success_timestamp_seconds",
        help: "Time when the region last confirmed the published content",
        value: |_, region| {
            region
                .last_success_time
                .as_ref()
                .map(|time| seconds(time.0))
        },
    },
    OfRegion {
        name: "region_consecutive_failures",
        help: "Consecutive failed attempts",
        value: |_, region| Some(float(region.consecutive_failures)),
    },
    OfRegion {
        name: "region_retry_after_seconds",
        help: "Retry-After of the last response, if AWS sent one",
        value: |_, region| {
            let wait = region.error.as_ref()?.retry_after_seconds?;
            Some(float(wait))
        },
    },
    OfRegion {
        name: "region_models",
        help: "Published models",
        value: |_, region| Some(float(region.models)),
    },
    OfRegion {
        name: "region_profiles",
        help: "Inference profiles that at least one published model embeds",
        value: |_, region| Some(float(region.profiles)),
    },
    OfRegion {
        name: "region_associations",
        help: "Inference profiles embedded in models",
        value: |_, region| Some(float(region.associations)),
    },
    OfRegion {
        name: "region_models_requiring_profile",
        help: "Published models that can only be invoked through an inference profile",
        value: |_, region| Some(float(region.requiring_profile)),
    },
    OfRegion {
        name: "region_models_invocable",
        help: "Published models that have an ID which callers may pass",
        value: |_, region| region.invocable.map(float),
    },
    OfRegion {
        name: "region_legacy_models",
        help: "Published models that are LEGACY",
        value: |resource, region| {
            let lifecycles = resource.lifecycles_of(region);
            lifecycles.map(|lifecycles| count(lifecycles.legacy))
        },
    },
    OfRegion {
        name: "region_bytes",
        help: "Size of the files of the region's ConfigMap",
        value: |resource, region| {
            let published = resource.published_of(region);
            published.map(|published| count(published.bytes))
        },
    },
];

pub(super) const OF_MODELS: &[OfModel] = &[
    OfModel {
        name: "model_legacy_timestamp_seconds",
        help: "Time from which a published model is LEGACY: the earliest of the regions that publish it",
        times: |lifecycles| &lifecycles.legacy_since,
    },
    OfModel {
        name: "model_extended_access_timestamp_seconds",
        help: "Time from which a published model is in extended access: the earliest of the regions that publish it",
        times: |lifecycles| &lifecycles.extended_access_since,
    },
    OfModel {
        name: "model_end_of_life_timestamp_seconds",
        help: "End of life of a published model: the earliest of the regions that publish it",
        times: |lifecycles| &lifecycles.end_of_life,
    },
];

/// Number of errors in the status, by code.
fn error_codes(resource: &Resource<'_>) -> BTreeMap<&'static str, f64> {
    let status = &resource.status;
    let regions = status.regions.values().map(|region| &region.error);
    let aliases = status.regions.values().filter_map(|r| r.aliases.as_ref());
    let aliases = aliases.map(|aliases| &aliases.error);
    let mapping = status.mapping.iter().map(|mapping| &mapping.error);
    let account = status.account_regions.iter().map(|account| &account.error);
    let errors = regions.chain(aliases).chain(mapping).chain(account);
    let mut codes = BTreeMap::new();
    for error in errors.flatten() {
        *codes.entry(error.code.as_str()).or_default() += 1.0;
    }
    codes
}

fn summary<N: Into<Option<i64>>>(resource: &Resource<'_>, field: fn(&Summary) -> N) -> Option<f64> {
    let number = field(resource.status.summary.as_ref()?).into();
    number.map(float)
}

fn time(time: Option<&Time>) -> Option<f64> {
    time.map(|time| seconds(time.0))
}

//! Gauges of the resources, collected from the watch stores at each scrape: a deleted resource leaves
//! no series behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::own_writes::{OwnWrites, Verified};
use super::watch::Stores;
use crate::api::{BedrockModelMap, BedrockModelMapStatus, RegionState, RegionStatus, Summary};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::render::MAX_CONFIG_MAP_BYTES;
use crate::reconcile::plan::is_due;
use crate::reconcile::validate::refresh_interval;

/// Reads the metrics of all resources.
pub(super) struct ResourceCollector {
    pub(super) resources: Stores<BedrockModelMap>,
    pub(super) own_writes: Arc<OwnWrites>,
    /// Whether there are series of single regions.
    pub(super) by_region: bool,
}

impl fmt::Debug for ResourceCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceCollector").finish_non_exhaustive()
    }
}

/// A resource, and what is known of what it has published.
struct Resource {
    namespace: String,
    name: String,
    suspended: bool,
    interval_seconds: Option<f64>,
    status: BedrockModelMapStatus,
    /// By the name of the ConfigMap.
    published: BTreeMap<String, Verified>,
}

type Labels<'a> = Vec<(&'static str, &'a str)>;
/// Labels beside the resource's own, and the value.
type Series<'a> = Vec<(Labels<'a>, f64)>;

/// A gauge of each resource.
struct OfResource {
    name: &'static str,
    help: &'static str,
    series: fn(&Resource) -> Series<'_>,
}

/// A gauge of each region of each resource.
struct OfRegion {
    name: &'static str,
    help: &'static str,
    value: fn(&Resource, &RegionStatus) -> Option<f64>,
}

const OF_RESOURCES: &[OfResource] = &[
    OfResource {
        name: "condition",
        help: "1 for the current status of each condition",
        series: |resource| {
            let conditions = resource.status.conditions.iter();
            conditions
                .map(|c| (vec![("type", &*c.type_), ("status", &*c.status)], 1.0))
                .collect()
        },
    },
    OfResource {
        name: "suspended",
        help: "1 if the resource is suspended, else 0",
        series: |resource| one(f64::from(u8::from(resource.suspended))),
    },
    OfResource {
        name: "refresh_interval_seconds",
        help: "Interval between refreshes of a region",
        series: |resource| resource.interval_seconds.map_or_else(Vec::new, one),
    },
    OfResource {
        name: "last_refresh_timestamp_seconds",
        help: "Time when at least one region last confirmed the published content",
        series: |resource| time(resource.status.last_refresh_time.as_ref()),
    },
    OfResource {
        name: "next_refresh_timestamp_seconds",
        help: "Time of the next refresh; absent for suspended and rejected resources",
        series: |resource| {
            let next = resource.status.next_refresh_time.as_ref();
            time(next.filter(|_| !resource.suspended))
        },
    },
    OfResource {
        name: "regions",
        help: "Regions, by state",
        series: |resource| {
            let count = |state| {
                let regions = resource.status.regions.values();
                count(regions.filter(|region| region.state == state).count())
            };
            RegionState::ALL
                .into_iter()
                .map(|state| (vec![("state", state.as_str())], count(state)))
                .collect()
        },
    },
    OfResource {
        name: "failing_regions",
        help: "Regions that make the resource Degraded",
        series: |resource| summary(resource, |s| s.stale + s.failed),
    },
    OfResource {
        name: "errors",
        help: "Regions whose last attempt failed, by error code; includes errors of the aliases, of the merged mapping and of the account's region list",
        series: |resource| {
            let mut codes: BTreeMap<&'static str, f64> = BTreeMap::new();
            let status = &resource.status;
            let regions = status.regions.values().map(|region| &region.error);
            let mapping = status.mapping.iter().map(|mapping| &mapping.error);
            let account = status.account_regions.iter().map(|account| &account.error);
            let aliases = status
                .regions
                .values()
                .filter_map(|region| region.aliases.as_ref());
            let aliases = aliases.map(|aliases| &aliases.error);
            for error in regions
                .chain(aliases)
                .chain(mapping)
                .chain(account)
                .flatten()
            {
                *codes.entry(error.code.as_str()).or_default() += 1.0;
            }
            let codes = codes.into_iter();
            codes.map(|(code, n)| (vec![("code", code)], n)).collect()
        },
    },
    OfResource {
        name: "models",
        help: "Published (region, model) pairs",
        series: |resource| summary(resource, |s| s.models),
    },
    OfResource {
        name: "profiles",
        help: "Published (region, inference profile) pairs",
        series: |resource| summary(resource, |s| s.profiles),
    },
    OfResource {
        name: "associations",
        help: "Inference profiles embedded in models",
        series: |resource| summary(resource, |s| s.associations),
    },
    OfResource {
        name: "models_requiring_profile",
        help: "Published (region, model) pairs that can only be invoked through an inference profile",
        series: |resource| summary(resource, |s| s.requiring_profile),
    },
    OfResource {
        name: "models_invocable",
        help: "Published (region, model) pairs that have an ID which callers may pass",
        series: |resource| {
            let summary = resource.status.summary.as_ref();
            let invocable = summary.and_then(|summary| summary.invocable);
            invocable.map_or_else(Vec::new, |invocable| one(float(invocable)))
        },
    },
    OfResource {
        name: "aliases",
        help: "Published (region, alias) pairs that stand for a model",
        series: |resource| aliases(resource, |s| s.aliases),
    },
    OfResource {
        name: "aliases_unresolved",
        help: "(Region, alias) pairs that stand for no model",
        series: |resource| aliases(resource, |s| s.aliases_unresolved),
    },
    OfResource {
        name: "legacy_models",
        help: "Published (region, model) pairs that are LEGACY",
        series: |resource| {
            // After a restart, published content is known once its resource has been reconciled.
            let known = |region: &RegionStatus| {
                region.config_map.is_none() || resource.published_of(region).is_some()
            };
            if resource.status.regions.values().all(known) {
                one(count(resource.ends().legacy))
            } else {
                Vec::new()
            }
        },
    },
    OfResource {
        name: "mapping_bytes",
        help: "Size of the files of the merged ConfigMap",
        series: |resource| {
            let mapping = resource.status.mapping.as_ref();
            let published = mapping.and_then(|m| resource.published.get(&m.config_map));
            published.map_or_else(Vec::new, |published| one(count(published.bytes)))
        },
    },
    OfResource {
        name: "largest_configmap_bytes",
        help: "Size of the files of the largest ConfigMap of the resource",
        series: |resource| {
            let largest = resource.published.values().map(|p| p.bytes).max();
            largest.map_or_else(Vec::new, |bytes| one(count(bytes)))
        },
    },
];

const OF_REGIONS: &[OfRegion] = &[
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
            let published = resource.published_of(region);
            published.map(|published| count(published.ends.legacy))
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

/// A time in the lifecycle of each published model: the earliest of the regions that publish it.
struct OfModel {
    name: &'static str,
    help: &'static str,
    times: fn(&LifecycleSummary) -> &BTreeMap<String, Timestamp>,
}

const OF_MODELS: &[OfModel] = &[
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

impl Resource {
    fn of(resource: &BedrockModelMap, own_writes: &OwnWrites) -> Self {
        let status = resource.status.clone().unwrap_or_default();
        let mut published = own_writes.published(&resource.uid().unwrap_or_default());
        let regions = status
            .regions
            .values()
            .filter_map(|r| r.config_map.as_ref());
        let mapping = status.mapping.iter().map(|mapping| &mapping.config_map);
        let aliases = status.regions.values().filter_map(|r| r.aliases.as_ref());
        let aliases = aliases.flat_map(|a| [&a.config_map, &a.env_config_map]);
        let named: Vec<&String> = regions.chain(aliases).chain(mapping).collect();
        // Content of an earlier prefix, or of a region that the spec no longer names.
        published.retain(|name, _| named.contains(&name));
        let interval = refresh_interval(&resource.spec).ok();
        Self {
            namespace: resource.namespace().unwrap_or_default(),
            name: resource.name_any(),
            suspended: resource.spec.suspend,
            interval_seconds: interval.map(|interval| interval.as_secs_f64()),
            published,
            status,
        }
    }

    fn labels(&self) -> Labels<'_> {
        vec![("namespace", &self.namespace), ("name", &self.name)]
    }

    fn published_of(&self, region: &RegionStatus) -> Option<&Verified> {
        self.published.get(region.config_map.as_ref()?)
    }

    /// Over all regions.
    fn ends(&self) -> LifecycleSummary {
        let mut ends = LifecycleSummary::default();
        for published in self.published.values() {
            ends.add(&published.ends);
        }
        ends
    }
}

impl Collector for ResourceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (watched, now) = (self.resources.state(), Timestamp::now());
        let due = watched.iter().filter(|resource| is_due(resource, now));
        gauge(
            &mut encoder,
            "resources_due",
            "Resources with a refresh due, including those in reconciliation",
            [(Vec::new(), count(due.count()))],
        )?;
        let resources = watched.iter();
        let mut resources: Vec<Resource> = resources
            .map(|resource| Resource::of(resource, &self.own_writes))
            .collect();
        resources.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        encode(&mut encoder, &resources, self.by_region)
    }
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    resources: &[Resource],
    by_region: bool,
) -> fmt::Result {
    gauge(
        encoder,
        "configmap_limit_bytes",
        "Maximum size of the files of a ConfigMap",
        [(Vec::new(), count(MAX_CONFIG_MAP_BYTES))],
    )?;
    for OfResource { name, help, series } in OF_RESOURCES {
        let all = resources.iter().flat_map(|resource| {
            let series = series(resource).into_iter();
            series.map(|(more, value)| ([resource.labels(), more].concat(), value))
        });
        gauge(encoder, name, help, all)?;
    }
    let lifecycles: Vec<(Labels<'_>, LifecycleSummary)> = resources
        .iter()
        .map(|resource| (resource.labels(), resource.ends()))
        .collect();
    for OfModel { name, help, times } in OF_MODELS {
        let all = lifecycles.iter().flat_map(|(labels, lifecycles)| {
            let of_model = |model| [labels.clone(), vec![("model", model)]].concat();
            let times = times(lifecycles).iter();
            times.map(move |(model, time)| (of_model(model.as_str()), seconds(*time)))
        });
        gauge(encoder, name, help, all)?;
    }
    if by_region {
        encode_regions(encoder, resources)?;
    }
    Ok(())
}

fn encode_regions(encoder: &mut DescriptorEncoder<'_>, resources: &[Resource]) -> fmt::Result {
    let regions = || {
        resources.iter().flat_map(|resource| {
            let regions = resource.status.regions.iter();
            regions.map(move |(region, status)| {
                let labels = [resource.labels(), vec![("region", region.as_str())]].concat();
                (resource, labels, status)
            })
        })
    };
    gauge(
        encoder,
        "region_state",
        "1 for the current state of the region",
        regions().map(|(_, labels, status)| {
            let state = ("state", status.state.as_str());
            ([labels, vec![state]].concat(), 1.0)
        }),
    )?;
    for OfRegion { name, help, value } in OF_REGIONS {
        let all = regions()
            .filter_map(|(resource, labels, status)| Some((labels, value(resource, status)?)));
        gauge(encoder, name, help, all)?;
    }
    Ok(())
}

fn gauge<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (Labels<'a>, f64)>,
) -> fmt::Result {
    let help = format!("{help}.");
    let mut metric = encoder.encode_descriptor(name, &help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        if labels.is_empty() {
            metric.encode_gauge(&value)?;
        } else {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

fn one<'a>(value: f64) -> Series<'a> {
    vec![(Vec::new(), value)]
}

fn time<'a>(time: Option<&Time>) -> Series<'a> {
    time.map_or_else(Vec::new, |time| one(seconds(time.0)))
}

fn summary(resource: &Resource, field: fn(&Summary) -> i64) -> Series<'_> {
    let summary = resource.status.summary.as_ref();
    summary.map_or_else(Vec::new, |summary| one(float(field(summary))))
}

fn aliases(resource: &Resource, field: fn(&Summary) -> Option<i64>) -> Series<'_> {
    let number = resource.status.summary.as_ref().and_then(field);
    number.map_or_else(Vec::new, |number| one(float(number)))
}

fn count(n: usize) -> f64 {
    float(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Counts and times are far below 2^53, up to which this is exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn float(n: i64) -> f64 {
    n as f64
}

fn seconds(time: Timestamp) -> f64 {
    float(time.as_second())
}

#[cfg(test)]
mod tests;

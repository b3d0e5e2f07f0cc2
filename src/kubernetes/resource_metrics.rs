//! Gauges of the resources, collected from the watch stores at each scrape: a deleted resource leaves
//! no series behind.

mod gauges;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;

use super::own_writes::{OwnWrites, Verified};
use super::watch::Stores;
use crate::api::{BedrockModelMap, BedrockModelMapStatus, RegionStatus};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::render::MAX_CONFIG_MAP_BYTES;
use crate::reconcile::plan::is_due;
use crate::reconcile::status::verified::config_map_names;
use crate::reconcile::validate::refresh_interval;
use gauges::{OF_MODELS, OF_REGIONS, OF_RESOURCES, OfModel, OfRegion, OfResource};

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

impl Collector for ResourceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (watched, now) = (self.resources.state(), Timestamp::now());
        let due = watched.iter().filter(|resource| is_due(resource, now));
        gauge(
            &mut encoder,
            "resources_due",
            "Resources with a refresh due, including those in reconciliation",
            |mut metric| metric.encode_gauge(&count(due.count())),
        )?;
        let unobserved = BedrockModelMapStatus::default();
        let resources = watched.iter();
        let mut resources: Vec<Resource<'_>> = resources
            .map(|resource| Resource::new(resource, &unobserved, &self.own_writes))
            .collect();
        resources.sort_by(|a, b| (a.namespace, a.name).cmp(&(b.namespace, b.name)));
        encode(&mut encoder, &resources, self.by_region)
    }
}

/// A resource, and what is known of what it has published.
struct Resource<'a> {
    namespace: &'a str,
    name: &'a str,
    suspended: bool,
    interval_seconds: Option<f64>,
    status: &'a BedrockModelMapStatus,
    /// By the name of the ConfigMap.
    published: BTreeMap<String, Arc<Verified>>,
    /// Over all regions.
    lifecycles: LifecycleSummary,
}

impl<'a> Resource<'a> {
    fn new(
        resource: &'a BedrockModelMap,
        unobserved: &'a BedrockModelMapStatus,
        own_writes: &OwnWrites,
    ) -> Self {
        let status = resource.status.as_ref().unwrap_or(unobserved);
        let metadata = &resource.metadata;
        let mut published = own_writes.published(metadata.uid.as_deref().unwrap_or_default());
        // Content of an earlier prefix, or of a region that the spec no longer names.
        let named = config_map_names(status);
        published.retain(|name, _| named.contains(name.as_str()));
        let mut lifecycles = LifecycleSummary::default();
        for ends in published
            .values()
            .filter_map(|published| published.ends.as_deref())
        {
            lifecycles.add(ends);
        }
        let interval = refresh_interval(&resource.spec).ok();
        Self {
            namespace: metadata.namespace.as_deref().unwrap_or_default(),
            name: metadata.name.as_deref().unwrap_or_default(),
            suspended: resource.spec.suspend,
            interval_seconds: interval.map(|interval| interval.as_secs_f64()),
            status,
            published,
            lifecycles,
        }
    }

    fn labels(&self) -> [Label<'a>; 2] {
        [("namespace", self.namespace), ("name", self.name)]
    }

    fn published_of(&self, region: &RegionStatus) -> Option<&Verified> {
        let published = self.published.get(region.config_map.as_ref()?);
        published.map(Arc::as_ref)
    }

    fn lifecycles_of(&self, region: &RegionStatus) -> Option<&LifecycleSummary> {
        self.published_of(region)?.ends.as_deref()
    }
}

type Label<'a> = (&'a str, &'a str);

/// Writes the series of one gauge for one resource.
struct Series<'m, 'e> {
    metric: &'m mut MetricEncoder<'e>,
    resource: [Label<'m>; 2],
}

impl Series<'_, '_> {
    fn value(&mut self, value: f64) -> fmt::Result {
        self.labelled(&[], value)
    }

    fn optional(&mut self, value: Option<f64>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.value(value))
    }

    /// A series with labels beside the resource's own.
    fn labelled(&mut self, labels: &[Label<'_>], value: f64) -> fmt::Result {
        let labels = (self.resource, labels);
        self.metric.encode_family(&labels)?.encode_gauge(&value)
    }
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    resources: &[Resource<'_>],
    by_region: bool,
) -> fmt::Result {
    gauge(
        encoder,
        "configmap_limit_bytes",
        "Maximum size of the files of a ConfigMap",
        |mut metric| metric.encode_gauge(&count(MAX_CONFIG_MAP_BYTES)),
    )?;
    for OfResource { name, help, write } in OF_RESOURCES {
        of_each(encoder, name, help, resources, write)?;
    }
    for OfModel { name, help, times } in OF_MODELS {
        of_each(encoder, name, help, resources, |resource, series| {
            times(&resource.lifecycles)
                .iter()
                .try_for_each(|(model, time)| series.labelled(&[("model", model)], seconds(*time)))
        })?;
    }
    if by_region {
        encode_regions(encoder, resources)?;
    }
    Ok(())
}

fn encode_regions(encoder: &mut DescriptorEncoder<'_>, resources: &[Resource<'_>]) -> fmt::Result {
    of_each(
        encoder,
        "region_state",
        "1 for the current state of the region",
        resources,
        |resource, series| {
            let mut regions = resource.status.regions.iter();
            regions.try_for_each(|(region, status)| {
                let state = ("state", status.state.as_str());
                series.labelled(&[("region", region), state], 1.0)
            })
        },
    )?;
    for OfRegion { name, help, value } in OF_REGIONS {
        of_each(encoder, name, help, resources, |resource, series| {
            let mut regions = resource.status.regions.iter();
            regions.try_for_each(|(region, status)| match value(resource, status) {
                Some(value) => series.labelled(&[("region", region)], value),
                None => Ok(()),
            })
        })?;
    }
    Ok(())
}

/// A gauge with the series of each resource.
fn of_each(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    resources: &[Resource<'_>],
    write: impl Fn(&Resource<'_>, &mut Series<'_, '_>) -> fmt::Result,
) -> fmt::Result {
    gauge(encoder, name, help, |mut metric| {
        resources.iter().try_for_each(|resource| {
            let mut series = Series {
                metric: &mut metric,
                resource: resource.labels(),
            };
            write(resource, &mut series)
        })
    })
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    write: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    let help = format!("{help}.");
    write(encoder.encode_descriptor(name, &help, None, MetricType::Gauge)?)
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

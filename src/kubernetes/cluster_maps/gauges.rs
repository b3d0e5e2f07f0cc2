//! Gauges of cluster maps, collected at each scrape: a deleted one leaves no series behind.

use std::fmt;

use kube::ResourceExt as _;
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::api::ClusterBedrockModelMap;

/// Reads the metrics of all cluster maps.
pub(in crate::kubernetes) struct ClusterMapCollector {
    pub(in crate::kubernetes) maps: Store<ClusterBedrockModelMap>,
}

impl fmt::Debug for ClusterMapCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterMapCollector")
            .finish_non_exhaustive()
    }
}

impl Collector for ClusterMapCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut maps = self.maps.state();
        if maps.is_empty() {
            return Ok(());
        }
        maps.sort_by_key(|map| map.name_any());
        let mut metric = encoder.encode_descriptor(
            "cluster_map_namespaces",
            "Namespaces of a ClusterBedrockModelMap by state.",
            None,
            MetricType::Gauge,
        )?;
        for map in maps {
            let status = map.status.as_ref();
            let Some(counts) = status.and_then(|s| s.namespaces.as_ref()) else {
                continue;
            };
            for (state, count) in [
                ("matched", counts.matched),
                ("ready", counts.ready),
                ("degraded", counts.degraded),
                ("conflicting", counts.conflicting),
                ("failed", counts.failed),
            ] {
                let name = map.name_any();
                let labels = [("name", name.as_str()), ("state", state)];
                metric.encode_family(&labels)?.encode_gauge(&count)?;
            }
        }
        Ok(())
    }
}

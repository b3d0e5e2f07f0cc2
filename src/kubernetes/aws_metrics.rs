//! Metrics of requests to AWS.

use std::time::Duration;

use crate::aws::{AwsMetrics, SnapshotSource, WaitReason};
use crate::ops::metrics::Metrics;

impl AwsMetrics for Metrics {
    fn request_finished(
        &self,
        region: &str,
        operation: &str,
        code: &'static str,
        duration: Duration,
    ) {
        self.observe_aws_request(region, operation, code, duration);
    }

    fn throttle_wait(&self, region: &str, reason: WaitReason, duration: Duration) {
        self.observe_aws_wait(region, reason.as_str(), duration);
    }

    fn snapshot_served(&self, source: SnapshotSource) {
        self.count_snapshot(source.as_str());
    }

    fn fetch_started(&self) {
        self.count_fetch_start();
    }

    fn fetch_finished(&self) {
        self.count_fetch_end();
    }
}

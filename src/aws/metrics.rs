//! What is measured of calls to AWS.

use std::fmt;
use std::time::Duration;

/// Receives measurements. Each method does nothing unless implemented.
pub trait AwsMetrics: fmt::Debug + Send + Sync {
    /// An HTTP request ended: with `OK`, AWS's error code, or one of few other codes.
    fn request_finished(
        &self,
        _region: &str,
        _operation: &str,
        _code: &'static str,
        _duration: Duration,
    ) {
    }

    /// Requests to a region waited.
    fn throttle_wait(&self, _region: &str, _reason: WaitReason, _duration: Duration) {}

    /// A caller got a region's snapshot, or waits for it.
    fn snapshot_served(&self, _source: SnapshotSource) {}

    /// A fetch of a region was started; it may wait for a permit.
    fn fetch_started(&self) {}

    /// A fetch of a region ended.
    fn fetch_finished(&self) {}
}

/// Why requests to a region wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// For the rate limiter of the identity in the region.
    Rate,
    /// For one of the permits of regions fetched at once.
    Concurrency,
}

impl WaitReason {
    /// The value of a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "Rate",
            Self::Concurrency => "Concurrency",
        }
    }
}

/// Where a region's snapshot comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotSource {
    /// The cache has one that is young enough.
    Cached,
    /// A fetch in flight, shared with other callers.
    Coalesced,
    /// A fetch of this caller's own.
    Fetched,
}

impl SnapshotSource {
    /// The value of a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "Cached",
            Self::Coalesced => "Coalesced",
            Self::Fetched => "Fetched",
        }
    }
}

/// Measures nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoMetrics;

impl AwsMetrics for NoMetrics {}

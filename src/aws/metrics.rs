//! Who wants to know what is asked of AWS.

use std::fmt;
use std::time::Duration;

/// Is told what happens; by itself it takes no notice.
pub trait AwsMetrics: fmt::Debug + Send + Sync {
    /// An HTTP request was sent, and came to this: `OK`, AWS's word for the error, or one of few others.
    fn requested(&self, _region: &str, _operation: &str, _code: &'static str, _took: Duration) {}

    /// Requests to a region were held back for so long.
    fn waited(&self, _region: &str, _by: WaitReason, _took: Duration) {}

    /// A region's answer was handed out.
    fn snapshot_served(&self, _source: SnapshotSource) {}

    /// A fetch of a region has begun; it may have to wait for its turn.
    fn fetch_began(&self) {}

    /// A fetch of a region has ended.
    fn fetch_ended(&self) {}
}

/// What requests to a region wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The identity's rate in the region.
    Rate,
    /// As many regions are asked as may be at once.
    Place,
}

/// Where a region's answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotSource {
    /// A young enough one was known.
    Known,
    /// One was on its way.
    Joined,
    /// AWS was asked.
    Fetched,
}

/// Takes no notice.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoMetrics;

impl AwsMetrics for NoMetrics {}

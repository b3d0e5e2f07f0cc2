//! How many requests a second an identity makes in a region.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use super::cache_key::CacheKey;
use super::metrics::{AwsMetrics, WaitReason};
use super::priority_semaphore::{PrioritySemaphore, SharedPriority};

/// What one look at a region takes at least: its three lists. So many may be taken at once.
pub(super) const REQUESTS_PER_REFRESH: u32 = 3;
/// A bucket that nobody used for so long is full again, and need not be kept.
const IDLE: Duration = Duration::from_mins(10);
/// Buckets kept; of more, those used least are made anew, full.
const MAX_BUCKETS: u64 = 65_536;

/// A token bucket for every identity and region.
pub(super) struct RateLimiters {
    quota: Quota,
    observer: Arc<dyn AwsMetrics>,
    buckets: Cache<CacheKey, Arc<Bucket>>,
}

/// One of them.
pub(super) struct Bucket {
    /// Who takes tokens next.
    line: Arc<PrioritySemaphore>,
    limiter: DefaultDirectRateLimiter,
    region: String,
    observer: Arc<dyn AwsMetrics>,
}

impl RateLimiters {
    pub(super) fn new(requests_per_second: NonZeroU32, observer: Arc<dyn AwsMetrics>) -> Self {
        let burst = NonZeroU32::new(REQUESTS_PER_REFRESH)
            .map_or(requests_per_second, |usual| usual.max(requests_per_second));
        Self {
            quota: Quota::per_second(requests_per_second).allow_burst(burst),
            observer,
            buckets: Cache::builder()
                .time_to_idle(IDLE)
                .max_capacity(MAX_BUCKETS)
                .build(),
        }
    }

    pub(super) fn bucket(&self, key: &CacheKey) -> Arc<Bucket> {
        let new = || {
            Arc::new(Bucket {
                line: PrioritySemaphore::new(1),
                limiter: RateLimiter::direct(self.quota),
                region: key.region().to_owned(),
                observer: Arc::clone(&self.observer),
            })
        };
        self.buckets.get_with_by_ref(key, new)
    }
}

impl Bucket {
    /// Waits until so many requests may be made. Returns how long that took.
    pub(super) async fn take(&self, requests: u32, need: &SharedPriority) -> Duration {
        let begun = Instant::now();
        let _turn = self.line.pass(need).await;
        for _ in 0..requests {
            while let Err(early) = self.limiter.check() {
                let wait = early.wait_time_from(DefaultClock::default().now());
                tokio::time::sleep(wait).await;
            }
        }
        let took = begun.elapsed();
        self.observer.waited(&self.region, WaitReason::Rate, took);
        took
    }
}

/// At which pace a fetch goes on after its first requests.
pub(super) struct RequestBudget {
    pub(super) bucket: Arc<Bucket>,
    pub(super) need: SharedPriority,
}

impl RequestBudget {
    /// Waits until one more request may be made. Returns how long that took.
    pub(super) async fn one_more(&self) -> Duration {
        self.bucket.take(1, &self.need).await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::aws::identity::Identity;
    use crate::aws::metrics::NoMetrics;
    use crate::aws::priority::Priority;

    #[tokio::test]
    async fn each_region_has_a_bucket_of_its_own() {
        let rates = RateLimiters::new(NonZeroU32::MIN, Arc::new(NoMetrics));
        let need = SharedPriority::new(Priority::Routine);
        let bucket = |region| rates.bucket(&CacheKey::new(Identity::Own, region));
        for region in ["us-east-1", "us-west-1"] {
            bucket(region)
                .take(REQUESTS_PER_REFRESH, &need)
                .now_or_never()
                .unwrap();
            assert!(bucket(region).take(1, &need).now_or_never().is_none());
        }
    }
}

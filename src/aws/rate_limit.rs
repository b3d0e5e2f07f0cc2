//! The rate of requests of one identity in one region.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use super::cache_key::CacheKey;
use super::error::{Advice, AwsError};
use super::metrics::{AwsMetrics, WaitReason};
use super::priority_semaphore::{PrioritySemaphore, SharedPriority};
use crate::api::ErrorCode;

/// The requests that a refresh of a region takes at least, one for each list: the smallest burst.
pub(super) const REQUESTS_PER_REFRESH: u32 = 3;
/// The longest time that a fetch waits for its turn. A region whose fetch waits longer is retried like
/// one that AWS throttles.
pub(super) const MAX_WAIT: Duration = Duration::from_mins(2);
/// An idle limiter is full again by then, and need not be kept.
const MAX_IDLE: Duration = Duration::from_mins(10);
/// Beyond this number the least used limiters are dropped, and begin full.
const MAX_LIMITERS: u64 = 65_536;

/// A rate limiter for each identity and region.
pub(super) struct RateLimiters {
    quota: Quota,
    metrics: Arc<dyn AwsMetrics>,
    limiters: Cache<CacheKey, Arc<RegionLimiter>>,
}

pub(super) struct RegionLimiter {
    /// Orders those that wait for tokens.
    turn: Arc<PrioritySemaphore>,
    limiter: DefaultDirectRateLimiter,
    region: String,
    metrics: Arc<dyn AwsMetrics>,
}

impl RateLimiters {
    pub(super) fn new(requests_per_second: NonZeroU32, metrics: Arc<dyn AwsMetrics>) -> Self {
        let burst = NonZeroU32::new(REQUESTS_PER_REFRESH)
            .map_or(requests_per_second, |usual| usual.max(requests_per_second));
        Self {
            quota: Quota::per_second(requests_per_second).allow_burst(burst),
            metrics,
            limiters: Cache::builder()
                .time_to_idle(MAX_IDLE)
                .max_capacity(MAX_LIMITERS)
                .build(),
        }
    }

    pub(super) fn get(&self, key: &CacheKey) -> Arc<RegionLimiter> {
        self.limiters.get_with_by_ref(key, || {
            Arc::new(RegionLimiter {
                turn: PrioritySemaphore::new(1),
                limiter: RateLimiter::direct(self.quota),
                region: key.region().to_owned(),
                metrics: Arc::clone(&self.metrics),
            })
        })
    }
}

impl RegionLimiter {
    /// Waits until that many requests may be sent. Returns how long that took.
    pub(super) async fn acquire(&self, requests: u32, priority: &SharedPriority) -> Duration {
        let start = Instant::now();
        let _turn = self.turn.acquire(priority).await;
        for _ in 0..requests {
            while let Err(early) = self.limiter.check() {
                let wait = early.wait_time_from(DefaultClock::default().now());
                tokio::time::sleep(wait).await;
            }
        }
        let wait = start.elapsed();
        self.metrics
            .throttle_wait(&self.region, WaitReason::Rate, wait);
        wait
    }
}

/// Waits for a turn, and not longer than this.
pub(super) async fn wait_for_turn<T>(
    region: &str,
    max: Duration,
    turn: impl Future<Output = T>,
) -> Result<T, AwsError> {
    tokio::time::timeout(max, turn).await.map_err(|_| {
        let detail = format!(
            "requests in {region} waited {} s for their turn behind other requests",
            max.as_secs()
        );
        AwsError::new(ErrorCode::Throttled, detail, Advice::Retry)
    })
}

/// What a fetch takes its further requests from, one for each page.
pub(super) struct RequestBudget {
    pub(super) limiter: Arc<RegionLimiter>,
    pub(super) priority: SharedPriority,
}

impl RequestBudget {
    /// Waits until one more request may be sent. Returns how long that took.
    pub(super) async fn acquire_one(&self) -> Duration {
        self.limiter.acquire(1, &self.priority).await
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
    async fn turn_that_does_not_come_ends_as_throttling() {
        let never = std::future::pending::<()>();
        let waited = wait_for_turn("us-west-1", Duration::ZERO, never).await;
        let error = waited.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Throttled);
        assert_eq!(
            error.to_string(),
            "requests in us-west-1 waited 0 s for their turn behind other requests; run again"
        );
    }

    #[tokio::test]
    async fn each_region_has_its_own_limiter() {
        let limiters = RateLimiters::new(NonZeroU32::MIN, Arc::new(NoMetrics));
        let priority = SharedPriority::new(Priority::Routine);
        let limiter = |region| limiters.get(&CacheKey::new(Identity::Own, region));
        for region in ["us-east-1", "us-west-1"] {
            limiter(region)
                .acquire(REQUESTS_PER_REFRESH, &priority)
                .now_or_never()
                .unwrap();
            assert!(
                limiter(region)
                    .acquire(1, &priority)
                    .now_or_never()
                    .is_none()
            );
        }
    }
}

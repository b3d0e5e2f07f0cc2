//! Snapshots of regions, shared by all callers of the same identity: concurrent requests coalesce
//! into one fetch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _, Shared};
use jiff::Timestamp;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::account_cache::AccountCache;
use super::cache_key::CacheKey;
use super::client::Aws;
use super::error::{Advice, AwsError};
use super::metrics::{SnapshotSource, WaitReason};
use super::priority_semaphore::{PrioritySemaphore, SharedPriority};
use super::rate_limit::{
    MAX_WAIT, REQUESTS_PER_REFRESH, RateLimiters, RequestBudget, wait_for_turn,
};
use crate::api::ErrorCode;
use crate::aws::identity::{Caller, Identity};
use crate::aws::priority::Priority;
use crate::bedrock::catalog::PackedSnapshot;

/// Snapshots kept in memory: 35 regions have some 3 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The longest refresh interval. An older snapshot is useless: its region was fetched again, or no
/// resource has the region any more.
const MAX_AGE: Duration = Duration::from_hours(30 * 24);

/// The longest time for which `Retry-After` holds back fetches here; a resource's own schedule waits longer.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

type FetchResult = Result<Arc<PackedSnapshot>, AwsError>;

#[derive(Clone)]
struct Fetch {
    id: u64,
    /// When its first request was sent. None: it waits for its turn, and serves all that join it.
    sent_at: Option<Timestamp>,
    priority: SharedPriority,
    result: Shared<BoxFuture<'static, FetchResult>>,
}

/// Snapshots by identity and region, and the fetches in flight.
pub struct SnapshotCache(Arc<Inner>);

struct Inner {
    aws: Aws,
    /// For the regions fetched at once.
    permits: Arc<PrioritySemaphore>,
    rate_limiters: RateLimiters,
    snapshots: Cache<CacheKey, Arc<PackedSnapshot>>,
    accounts: AccountCache,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fetches: u64,
    in_flight: HashMap<CacheKey, Fetch>,
    throttled: HashMap<CacheKey, Throttled>,
}

/// A region that must not be called before a time: its response had a `Retry-After`.
struct Throttled {
    until: Instant,
    error: AwsError,
}

/// Keeps a fetch among those in flight. The fetch caches its snapshot before it drops this, so that
/// there is no moment at which a caller finds neither.
struct InFlight {
    cache: Arc<Inner>,
    key: CacheKey,
    id: u64,
}

impl InFlight {
    fn new(cache: &Arc<Inner>, key: CacheKey, id: u64) -> Self {
        cache.aws.metrics().fetch_started();
        Self {
            cache: Arc::clone(cache),
            key,
            id,
        }
    }

    /// Records that the fetch sends its first request now: a caller that needs a later snapshot does
    /// not join it any more.
    fn set_sent(&self) {
        let in_flight = &mut self.cache.state.lock().in_flight;
        if let Some(fetch) = in_flight.get_mut(&self.key).filter(|f| f.id == self.id) {
            fetch.sent_at = Some(Timestamp::now());
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.cache.aws.metrics().fetch_finished();
        let in_flight = &mut self.cache.state.lock().in_flight;
        if in_flight.get(&self.key).is_some_and(|f| f.id == self.id) {
            in_flight.remove(&self.key);
        }
    }
}

impl SnapshotCache {
    /// An empty cache.
    pub fn new(aws: Aws) -> Self {
        let limits = aws.limits();
        let weigher = |_: &CacheKey, snapshot: &Arc<PackedSnapshot>| {
            u32::try_from(snapshot.bytes()).unwrap_or(u32::MAX)
        };
        Self(Arc::new(Inner {
            permits: PrioritySemaphore::new(limits.concurrent_regions),
            rate_limiters: RateLimiters::new(limits.requests_per_second, Arc::clone(aws.metrics())),
            aws,
            snapshots: Cache::builder()
                .weigher(weigher)
                .max_capacity(MAX_BYTES)
                .time_to_live(MAX_AGE)
                .build(),
            accounts: AccountCache::default(),
            state: Mutex::default(),
        }))
    }

    /// The enabled regions of the caller's account, fetched now.
    pub async fn account_regions(&self, caller: &Caller) -> Result<Vec<String>, AwsError> {
        self.account_regions_since(caller, Timestamp::now()).await
    }

    /// The enabled regions of the caller's account, taken at `not_before` or later.
    pub(crate) async fn account_regions_since(
        &self,
        caller: &Caller,
        not_before: Timestamp,
    ) -> Result<Vec<String>, AwsError> {
        self.0.accounts.get(&self.0.aws, caller, not_before).await
    }

    /// The region's last snapshot of this identity, of any age; no call.
    pub fn last(&self, identity: &Identity, region: &str) -> Option<Arc<PackedSnapshot>> {
        self.0
            .snapshots
            .get(&CacheKey::new(identity.clone(), region))
    }

    /// The region's snapshot, taken at `not_before` or later: cached, of a fetch in flight, or of a
    /// fetch that starts as soon as its priority permits.
    pub async fn get(
        &self,
        caller: &Caller,
        region: &str,
        not_before: Timestamp,
        priority: Priority,
    ) -> FetchResult {
        self.0.aws.check_partition(caller, region)?;
        let key = CacheKey::new(caller.identity(), region);
        let result = {
            let mut state = self.0.state.lock();
            if let Some(snapshot) = self.0.cached(&key, not_before) {
                self.0.aws.metrics().snapshot_served(SnapshotSource::Cached);
                return Ok(snapshot);
            }
            if let Some(error) = state.throttled(&key) {
                return Err(error);
            }
            match state.in_flight.get(&key) {
                Some(fetch) if fetch.sent_at.is_none_or(|sent| sent >= not_before) => {
                    let metrics = self.0.aws.metrics();
                    metrics.snapshot_served(SnapshotSource::Coalesced);
                    fetch.priority.raise(priority);
                    fetch.result.clone()
                }
                Some(_) | None => {
                    let metrics = self.0.aws.metrics();
                    metrics.snapshot_served(SnapshotSource::Fetched);
                    state.start(&self.0, key, caller.clone(), priority)
                }
            }
        };
        result.await
    }
}

impl State {
    /// Starts a fetch as a task of its own: it goes on when its callers are dropped.
    fn start(
        &mut self,
        cache: &Arc<Inner>,
        key: CacheKey,
        caller: Caller,
        priority: Priority,
    ) -> Shared<BoxFuture<'static, FetchResult>> {
        self.fetches += 1;
        let id = self.fetches;
        let priority = SharedPriority::new(priority);
        let task = tokio::spawn({
            let (cache, key, priority) = (Arc::clone(cache), key.clone(), priority.clone());
            async move {
                let in_flight = InFlight::new(&cache, key.clone(), id);
                let result = cache.fetch(&in_flight, &caller, priority).await;
                let result = result.map(Arc::new);
                match &result {
                    Ok(snapshot) => cache.insert(key, snapshot),
                    Err(error) => cache.state.lock().hold(key, error),
                }
                result
            }
        });
        let result = async move {
            task.await.unwrap_or_else(|ended| {
                Err(AwsError::new(
                    ErrorCode::ServiceError,
                    format!("the fetch stopped unexpectedly ({ended})"),
                    Advice::Retry,
                ))
            })
        };
        let result = result.boxed().shared();
        let fetch = Fetch {
            id,
            sent_at: None,
            priority,
            result: result.clone(),
        };
        self.in_flight.insert(key, fetch);
        result
    }

    /// Holds back further fetches if AWS named a time before which it wants no request.
    fn hold(&mut self, key: CacheKey, error: &AwsError) {
        let now = Instant::now();
        self.throttled.retain(|_, throttled| throttled.until > now);
        let retry_after = error
            .retry_after_seconds()
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
        if let Some(retry_after) = retry_after {
            let throttled = Throttled {
                until: now + retry_after,
                error: error.clone(),
            };
            self.throttled.insert(key, throttled);
        }
    }

    /// The error of a region that must not be called yet, with the time that is left.
    fn throttled(&self, key: &CacheKey) -> Option<AwsError> {
        let throttled = self.throttled.get(key)?;
        let left = throttled.until.checked_duration_since(Instant::now())?;
        let seconds = i64::try_from(left.as_secs()).ok()?.saturating_add(1);
        Some(throttled.error.clone().with_retry_after(Some(seconds)))
    }
}

impl Inner {
    /// A snapshot from before the clock was set back seems young for as long as that was: such a
    /// snapshot, from the future, does not count.
    fn cached(&self, key: &CacheKey, not_before: Timestamp) -> Option<Arc<PackedSnapshot>> {
        self.snapshots
            .get(key)
            .filter(|snapshot| (not_before..=Timestamp::now()).contains(&snapshot.taken_at))
    }

    fn insert(&self, key: CacheKey, snapshot: &Arc<PackedSnapshot>) {
        let is_newer = |cached: Arc<PackedSnapshot>| cached.taken_at < snapshot.taken_at;
        if self.snapshots.get(&key).is_none_or(is_newer) {
            self.snapshots.insert(key, Arc::clone(snapshot));
        }
    }

    async fn fetch(
        &self,
        in_flight: &InFlight,
        caller: &Caller,
        priority: SharedPriority,
    ) -> Result<PackedSnapshot, AwsError> {
        let key = &in_flight.key;
        // Before it holds a permit: a fetch that waits for STS or its own rate delays no other.
        let start = Instant::now();
        self.aws.ensure_credentials(caller).await?;
        let timeout = self
            .aws
            .limits()
            .region_timeout
            .saturating_sub(start.elapsed());
        let limiter = self.rate_limiters.get(key);
        let turn = async {
            limiter.acquire(REQUESTS_PER_REFRESH, &priority).await;
            let start = Instant::now();
            let permit = self.permits.acquire(&priority).await;
            let metrics = self.aws.metrics();
            metrics.throttle_wait(key.region(), WaitReason::Concurrency, start.elapsed());
            permit
        };
        let _permit = wait_for_turn(key.region(), MAX_WAIT, turn).await?;
        in_flight.set_sent();
        let budget = RequestBudget { limiter, priority };
        self.aws
            .discover(caller, key.region(), timeout, &budget)
            .await
    }
}

#[cfg(test)]
mod tests;

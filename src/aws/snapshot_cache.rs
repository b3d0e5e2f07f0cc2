//! What the regions answered, shared by all that ask as the same identity: one fetch, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _, Shared};
use jiff::Timestamp;
use moka::sync::Cache;

use super::cache_key::CacheKey;
use super::client::Aws;
use super::error::{Advice, AwsError};
use super::metrics::{AwsMetrics, SnapshotSource, WaitReason};
use super::priority_semaphore::{PrioritySemaphore, SharedPriority};
use super::rate_limit::{REQUESTS_PER_REFRESH, RateLimiters, RequestBudget};
use crate::api::ErrorCode;
use crate::aws::identity::{Caller, Identity};
use crate::aws::priority::Priority;
use crate::bedrock::catalog::Snapshot;

/// Answers kept in memory, by the size they had on the wire: 35 regions have some 3 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The longest refresh interval. Of an older answer nobody has use: its region was asked again, or is no longer asked
/// for.
const MAX_AGE: Duration = Duration::from_hours(30 * 24);

type Fetched = Result<Arc<Snapshot>, AwsError>;

/// A fetch under way.
#[derive(Clone)]
struct Fetch {
    started_at: Timestamp,
    need: SharedPriority,
    result: Shared<BoxFuture<'static, Fetched>>,
}

/// A fetch that the observer knows of, until this is dropped.
struct UnderWay(Arc<dyn AwsMetrics>);

impl UnderWay {
    fn begin(observer: Arc<dyn AwsMetrics>) -> Self {
        observer.fetch_began();
        Self(observer)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_ended();
    }
}

/// Answers by identity and region, and the fetches under way.
pub struct SnapshotCache {
    aws: Arc<Aws>,
    /// How many regions are asked at once.
    places: Arc<PrioritySemaphore>,
    rates: RateLimiters,
    known: Cache<CacheKey, Arc<Snapshot>>,
    under_way: Mutex<HashMap<CacheKey, Fetch>>,
}

impl SnapshotCache {
    /// None known yet.
    pub fn new(aws: Aws) -> Self {
        let weigh = |_: &CacheKey, snapshot: &Arc<Snapshot>| {
            u32::try_from(snapshot.bytes).unwrap_or(u32::MAX)
        };
        Self {
            places: PrioritySemaphore::new(aws.limits().concurrent_regions),
            rates: RateLimiters::new(aws.limits().requests_per_second, Arc::clone(aws.observer())),
            aws: Arc::new(aws),
            known: Cache::builder()
                .weigher(weigh)
                .max_capacity(MAX_BYTES)
                .time_to_live(MAX_AGE)
                .build(),
            under_way: Mutex::default(),
        }
    }

    /// The enabled regions of the caller's account, asked now.
    pub async fn account_regions(&self, caller: &Caller) -> Result<Vec<String>, AwsError> {
        self.aws.account_regions(caller).await
    }

    /// What the region answered this identity last, however long ago; no call.
    pub fn last(&self, identity: &Identity, region: &str) -> Option<Arc<Snapshot>> {
        self.known.get(&CacheKey::new(identity.clone(), region))
    }

    /// What the region answers, asked at `not_before` or later: known, under way, or asked now by this caller, as soon
    /// as it is its turn.
    pub async fn get(
        &self,
        caller: &Caller,
        region: &str,
        not_before: Timestamp,
        urgency: Priority,
    ) -> Fetched {
        self.aws.check_partition(caller, region)?;
        let key = CacheKey::new(caller.identity(), region);
        let known = self.known.get(&key);
        // One from before the clock was set back looks young for as long as that took: it is asked anew.
        let young =
            |known: &Arc<Snapshot>| (not_before..=Timestamp::now()).contains(&known.taken_at);
        if let Some(known) = known.filter(young) {
            self.aws.observer().snapshot_served(SnapshotSource::Known);
            return Ok(known);
        }
        let fetched = self.join_or_start(&key, caller, not_before, urgency).await;
        if let Ok(snapshot) = &fetched {
            self.remember(key, snapshot);
        }
        fetched
    }

    fn join_or_start(
        &self,
        key: &CacheKey,
        caller: &Caller,
        not_before: Timestamp,
        urgency: Priority,
    ) -> Shared<BoxFuture<'static, Fetched>> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, fetch| fetch.result.peek().is_none());
        if let Some(fetch) = under_way.get(key).filter(|f| f.started_at >= not_before) {
            self.aws.observer().snapshot_served(SnapshotSource::Joined);
            fetch.need.raise(urgency);
            return fetch.result.clone();
        }
        self.aws.observer().snapshot_served(SnapshotSource::Fetched);
        let need = SharedPriority::new(urgency);
        let fetch = Fetch {
            started_at: Timestamp::now(),
            result: self.start(key, caller.clone(), need.clone()),
            need,
        };
        under_way.insert(key.clone(), fetch.clone());
        fetch.result
    }

    /// A task of its own: it goes on when whoever asked first goes away.
    fn start(
        &self,
        key: &CacheKey,
        caller: Caller,
        need: SharedPriority,
    ) -> Shared<BoxFuture<'static, Fetched>> {
        let (aws, places) = (Arc::clone(&self.aws), Arc::clone(&self.places));
        let bucket = self.rates.bucket(key);
        let region = key.region().to_owned();
        let task = tokio::spawn(async move {
            let _under_way = UnderWay::begin(Arc::clone(aws.observer()));
            // Before it takes a place: whom STS or its own rate lets wait delays nobody else.
            let begun = Instant::now();
            aws.ensure_credentials(&caller).await?;
            let within = aws.limits().region_timeout.saturating_sub(begun.elapsed());
            bucket.take(REQUESTS_PER_REFRESH, &need).await;
            let begun = Instant::now();
            let _place = places.pass(&need).await;
            aws.observer()
                .waited(&region, WaitReason::Place, begun.elapsed());
            let pace = RequestBudget { bucket, need };
            let discovered = aws.discover(&caller, &region, within, &pace).await;
            discovered.map(Arc::new)
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
        result.boxed().shared()
    }

    fn remember(&self, key: CacheKey, snapshot: &Arc<Snapshot>) {
        let older = |known: Arc<Snapshot>| known.taken_at < snapshot.taken_at;
        if self.known.get(&key).is_none_or(older) {
            self.known.insert(key, Arc::clone(snapshot));
        }
    }
}

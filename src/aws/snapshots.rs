//! What the regions answered, shared by all resources: one fetch, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _, Shared};
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::client::Aws;
use super::observer::{Observer, SnapshotSource};
use crate::api::{AttemptError, ErrorCode};
use crate::core::catalog::Snapshot;
use crate::core::region_state::error;

/// Answers kept in memory, by the size they had on the wire: 35 regions have some 3 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

type Fetched = Result<Arc<Snapshot>, AttemptError>;

/// A fetch under way.
#[derive(Clone)]
struct Fetch {
    started_at: Timestamp,
    result: Shared<BoxFuture<'static, Fetched>>,
}

/// A fetch that the observer knows of, until this is dropped.
struct UnderWay(Arc<dyn Observer>);

impl UnderWay {
    fn begin(observer: Arc<dyn Observer>) -> Self {
        observer.fetch_began();
        Self(observer)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_ended();
    }
}

/// Answers by region, and the fetches under way.
pub struct Snapshots {
    aws: Arc<Aws>,
    /// How many regions are asked at once.
    places: Arc<Semaphore>,
    known: Cache<String, Arc<Snapshot>>,
    under_way: Mutex<HashMap<String, Fetch>>,
}

impl Snapshots {
    /// None known yet.
    pub fn new(aws: Aws) -> Self {
        let weigh = |_: &String, snapshot: &Arc<Snapshot>| {
            u32::try_from(snapshot.bytes).unwrap_or(u32::MAX)
        };
        Self {
            places: Arc::new(Semaphore::new(aws.limits().concurrent_regions.max(1))),
            aws: Arc::new(aws),
            known: Cache::builder()
                .weigher(weigh)
                .max_capacity(MAX_BYTES)
                .build(),
            under_way: Mutex::default(),
        }
    }

    /// The account's enabled regions, asked now.
    pub async fn account_regions(&self) -> Result<Vec<String>, AttemptError> {
        self.aws.account_regions().await
    }

    /// What the region answered last, however long ago; no call.
    pub fn last(&self, region: &str) -> Option<Arc<Snapshot>> {
        self.known.get(region)
    }

    /// What the region answers, asked at `not_before` or later: known, under way, or asked now.
    pub async fn get(&self, region: &str, not_before: Timestamp) -> Fetched {
        if let Some(known) = self
            .last(region)
            .filter(|known| known.taken_at >= not_before)
        {
            self.aws.observer().handed_out(SnapshotSource::Known);
            return Ok(known);
        }
        let result = self.join_or_start(region, not_before);
        let fetched = result.await;
        if let Ok(snapshot) = &fetched {
            self.remember(region, snapshot);
        }
        fetched
    }

    fn join_or_start(
        &self,
        region: &str,
        not_before: Timestamp,
    ) -> Shared<BoxFuture<'static, Fetched>> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, fetch| fetch.result.peek().is_none());
        if let Some(fetch) = under_way.get(region).filter(|f| f.started_at >= not_before) {
            self.aws.observer().handed_out(SnapshotSource::Joined);
            return fetch.result.clone();
        }
        self.aws.observer().handed_out(SnapshotSource::Fetched);
        let fetch = Fetch {
            started_at: Timestamp::now(),
            result: self.start(region.to_owned()),
        };
        under_way.insert(region.to_owned(), fetch.clone());
        fetch.result
    }

    /// A task of its own: it goes on when whoever asked first goes away.
    fn start(&self, region: String) -> Shared<BoxFuture<'static, Fetched>> {
        let (aws, places) = (Arc::clone(&self.aws), Arc::clone(&self.places));
        let task = tokio::spawn(async move {
            let _under_way = UnderWay::begin(Arc::clone(aws.observer()));
            // The semaphore is never closed.
            let _place = places.acquire_owned().await.ok();
            aws.discover(&region).await.map(Arc::new)
        });
        let result = async move {
            task.await.unwrap_or_else(|ended| {
                Err(error(
                    ErrorCode::ServiceError,
                    format!("the fetch ended early: {ended}"),
                ))
            })
        };
        result.boxed().shared()
    }

    fn remember(&self, region: &str, snapshot: &Arc<Snapshot>) {
        let older = |known: Arc<Snapshot>| known.taken_at < snapshot.taken_at;
        if self.known.get(region).is_none_or(older) {
            self.known.insert(region.to_owned(), Arc::clone(snapshot));
        }
    }
}

//! Lists of an account's regions, shared by all callers of the same identity.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::client::Aws;
use super::error::AwsError;
use crate::aws::identity::{Caller, Identity};

/// Identities whose lists are kept. A list has at most 128 names.
const MAX_IDENTITIES: u64 = 1024;

/// The longest refresh interval: an older list serves no resource.
const MAX_AGE: Duration = Duration::from_hours(30 * 24);

/// The last list of each identity. The lock of an identity is held while its request is in flight: the
/// callers that wait for it share the response.
pub(super) struct AccountCache(Cache<Identity, Arc<Mutex<Option<Answer>>>>);

struct Answer {
    /// When its request was sent.
    taken_at: Timestamp,
    ended: Instant,
    regions: Result<Vec<String>, AwsError>,
}

impl Default for AccountCache {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_IDENTITIES)
            .time_to_idle(MAX_AGE)
            .build();
        Self(cache)
    }
}

impl AccountCache {
    /// The enabled regions of the caller's account, in a response to a request that was sent at
    /// `not_before` or later.
    pub(super) async fn get(
        &self,
        aws: &Aws,
        caller: &Caller,
        not_before: Timestamp,
    ) -> Result<Vec<String>, AwsError> {
        let arrived = Instant::now();
        let slot = self.0.get_with(caller.identity(), Arc::default);
        let mut last = slot.lock().await;
        if let Some(answer) = last.as_ref().filter(|a| a.serves(not_before, arrived)) {
            return answer.regions.clone();
        }
        let taken_at = Timestamp::now();
        let regions = aws.account_regions(caller).await;
        *last = Some(Answer {
            taken_at,
            ended: Instant::now(),
            regions: regions.clone(),
        });
        regions
    }
}

impl Answer {
    /// An error serves only the callers that waited for it. A list from the future is one from before
    /// the clock was set back.
    fn serves(&self, not_before: Timestamp, arrived: Instant) -> bool {
        (not_before..=Timestamp::now()).contains(&self.taken_at)
            && (self.regions.is_ok() || arrived <= self.ended)
    }
}

#[cfg(test)]
mod tests {
    use bedrock_simulator::{Catalog, Fault, FaultRule, Operation, Simulator};
    use futures::future::join_all;

    use super::*;
    use crate::aws::test_support::aws_at;

    /// The region of the Account service.
    const ENDPOINT: &str = "us-east-1";

    async fn start() -> (Simulator, Aws, AccountCache) {
        let simulator = Simulator::start(Catalog::real().unwrap()).await.unwrap();
        let aws = aws_at(&simulator.url());
        (simulator, aws, AccountCache::default())
    }

    fn requests(simulator: &Simulator) -> usize {
        simulator.count(ENDPOINT, Operation::ListRegions)
    }

    #[tokio::test]
    async fn callers_of_one_identity_share_list_until_it_is_too_old() {
        let (simulator, aws, cache) = start().await;
        let at_first = Timestamp::now();
        let get = |not_before| cache.get(&aws, &Caller::Own, not_before);
        let lists = join_all((0..100).map(|_| get(at_first))).await;
        let first = lists[0].as_ref().unwrap();
        assert!(first.len() > 20, "{first:?}");
        assert!(lists.iter().all(|list| list.as_ref().unwrap() == first));
        assert_eq!(requests(&simulator), 1);
        get(at_first).await.unwrap();
        assert_eq!(requests(&simulator), 1);
        // A forced refresh accepts no earlier response; those that come together share the next.
        let forced = Timestamp::now();
        join_all((0..100).map(|_| get(forced))).await;
        assert_eq!(requests(&simulator), 2);
    }

    #[tokio::test]
    async fn error_serves_only_callers_that_waited_for_it() {
        let (simulator, aws, cache) = start().await;
        let denied = FaultRule::new(Fault::AccessDenied).operation(Operation::ListRegions);
        simulator.faults().set(vec![denied]);
        let start = Timestamp::now();
        let get = || cache.get(&aws, &Caller::Own, start);
        for answer in join_all((0..100).map(|_| get())).await {
            answer.unwrap_err();
        }
        assert_eq!(requests(&simulator), 1);
        simulator.faults().set(Vec::new());
        get().await.unwrap();
        assert_eq!(requests(&simulator), 2);
    }

    #[tokio::test]
    async fn dropped_caller_leaves_request_to_next() {
        let (simulator, aws, cache) = start().await;
        let hangs = FaultRule::new(Fault::Hang).operation(Operation::ListRegions);
        simulator.faults().set(vec![hangs]);
        let start = Timestamp::now();
        let get = || cache.get(&aws, &Caller::Own, start);
        let dropped = tokio::time::timeout(Duration::from_millis(200), get()).await;
        assert!(dropped.is_err());
        simulator.faults().set(Vec::new());
        get().await.unwrap();
    }
}

use bedrock_simulator::{Catalog, Fault, FaultRule, Operation, Simulator};
use futures::FutureExt as _;

use super::*;
use crate::aws::test_support::aws_at;

const REGION: &str = "us-west-1";

async fn start() -> (Simulator, SnapshotCache) {
    let simulator = Simulator::start(Catalog::real().unwrap()).await.unwrap();
    let cache = SnapshotCache::new(aws_at(&simulator.url()));
    (simulator, cache)
}

async fn until_cached(cache: &SnapshotCache) {
    for _ in 0..500 {
        if cache.last(&Identity::Own, REGION).is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the snapshot is not cached");
}

fn model_requests(simulator: &Simulator) -> usize {
    simulator.count(REGION, Operation::ListFoundationModels)
}

#[tokio::test]
async fn completed_fetch_is_cached_before_its_caller_resumes() {
    let (simulator, cache) = start().await;
    let start = Timestamp::now();
    let get = || cache.get(&Caller::Own, REGION, start, Priority::Routine);
    let mut first = get().boxed();
    assert!((&mut first).now_or_never().is_none());
    until_cached(&cache).await;

    let second = get().now_or_never();
    let second = second.expect("no fetch for the second caller").unwrap();
    assert!(Arc::ptr_eq(&second, &first.await.unwrap()));
    assert_eq!(model_requests(&simulator), 1);
}

#[tokio::test]
async fn abandoned_fetch_is_cached_and_leaves_nothing_in_flight() {
    let (simulator, cache) = start().await;
    let start = Timestamp::now();
    let get = || cache.get(&Caller::Own, REGION, start, Priority::Routine);
    assert!(get().now_or_never().is_none());
    until_cached(&cache).await;

    get().await.unwrap();
    for _ in 0..500 {
        if cache.0.state.lock().in_flight.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(cache.0.state.lock().in_flight.is_empty());
    assert_eq!(model_requests(&simulator), 1);
}

#[tokio::test]
async fn no_request_is_sent_before_retry_after() {
    let (simulator, cache) = start().await;
    let throttling = |retry_after| {
        FaultRule::new(Fault::Throttling { retry_after }).operation(Operation::ListFoundationModels)
    };
    simulator.faults().add(throttling(Some(50)));
    for _ in 0..3 {
        let error = cache
            .get(&Caller::Own, REGION, Timestamp::now(), Priority::Requested)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::Throttled);
        let seconds = error.retry_after_seconds().unwrap();
        assert!((45..=50).contains(&seconds), "{seconds}");
    }
    assert_eq!(model_requests(&simulator), 1);

    // The SDK itself retries if AWS names no time.
    simulator.faults().set(vec![throttling(None)]);
    let other_region = "us-west-2";
    cache
        .get(
            &Caller::Own,
            other_region,
            Timestamp::now(),
            Priority::Requested,
        )
        .await
        .unwrap_err();
    let requests = simulator.count(other_region, Operation::ListFoundationModels);
    assert_eq!(requests, 3);
}

/// Holds all permits, so that every further fetch waits for its turn.
async fn hold_permits(cache: &SnapshotCache) -> Vec<impl Drop> {
    let priority = SharedPriority::new(Priority::First);
    let mut held = Vec::new();
    for _ in 0..cache.0.aws.limits().concurrent_regions {
        held.push(cache.0.permits.acquire(&priority).await);
    }
    held
}

async fn until_true(is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not become true");
}

#[tokio::test]
async fn fetch_that_waits_for_its_turn_serves_all_who_come_meanwhile() {
    let (simulator, cache) = start().await;
    let held = hold_permits(&cache).await;
    let get = || cache.get(&Caller::Own, REGION, Timestamp::now(), Priority::Requested);
    let mut callers: Vec<_> = (0..100).map(|_| get().boxed()).collect();
    for caller in &mut callers {
        assert!(caller.now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(held);
    let first = callers.remove(0).await.unwrap();
    for caller in callers {
        assert!(Arc::ptr_eq(&caller.await.unwrap(), &first));
    }
    assert_eq!(model_requests(&simulator), 1);
}

#[tokio::test]
async fn sent_fetch_serves_no_later_request() {
    let (simulator, cache) = start().await;
    simulator.faults().add(FaultRule::new(Fault::Hang));
    let get = || cache.get(&Caller::Own, REGION, Timestamp::now(), Priority::Requested);
    assert!(get().now_or_never().is_none());
    until_true(|| model_requests(&simulator) == 1).await;
    assert!(get().now_or_never().is_none());
    until_true(|| model_requests(&simulator) == 2).await;
}

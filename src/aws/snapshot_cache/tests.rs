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

//! The operator while everything around it breaks, and itself: what is published stays true, and
//! once the faults end it becomes what it should be.
//!
//! A short form runs with the other tests; `make chaos` runs a long one. `CHAOS_SEED` replays one.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod history;
#[allow(
    dead_code,
    reason = "shared with the integration tests, which use all of it"
)]
#[path = "../integration/oracle.rs"]
mod oracle;
mod random;
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the integration tests, which use all of it"
)]
#[path = "../integration/support"]
mod support {
    mod cluster;
    mod fixture;
    mod operator;
    mod proxy;
    mod published;
    mod status_check;

    pub use cluster::{Cluster, Namespace, eventually, eventually_within, kubectl};
    pub use fixture::{Fixture, OperatorOptions, catalog_of, condition, whole_catalog};
    pub use operator::{Credentials, KEYS, Launch, Operator};
    pub use proxy::Proxy;
    pub use published::{data, file, mapping_json, mapping_value};
    pub use status_check::check_status;
}
mod config_map_observer;
mod restore;
mod unreliable;

use std::time::Duration;

use bedrock_simulator::{Fault, FaultRule};
use control_plane::ControlPlane;
use tokio::time::sleep;

use history::{Form, History};
use support::{Fixture, OperatorOptions, eventually};
use unreliable::Unreliable;

/// One after the other: some stop the API server that all share.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_refreshes_converge() {
    let _turn = TURN.lock().await;
    let form = Form::of(
        "SIGKILL of the operator during a refresh of all regions",
        1,
        5,
        10,
        10,
    );
    form.run(History::start, async |history: &mut History| {
        let queried = history.disturb_and_refresh().await;
        history.moment(400).await;
        history.fixture.operator.kill();
        history.fixture.operator.restart();
        queried
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_server_restarts_converge() {
    outage(
        "SIGKILL of the API server, and its restart",
        ControlPlane::stop_api_server,
        ControlPlane::start_api_server,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_restarts_converge() {
    outage(
        "SIGKILL of etcd, and its restart",
        ControlPlane::stop_etcd,
        ControlPlane::start_etcd,
    )
    .await;
}

/// A part of the control plane is gone for a while during refreshes.
async fn outage(
    what: &'static str,
    stop: impl Fn(&ControlPlane),
    start: impl AsyncFn(&'static ControlPlane) -> Result<(), control_plane::Error>,
) {
    let _turn = TURN.lock().await;
    let form = Form::of(what, 1, 1, 5, 2);
    form.run(History::start, async |history: &mut History| {
        let queried = history.disturb_and_refresh().await;
        history.moment(400).await;
        let control_plane = history.fixture.cluster.control_plane;
        stop(control_plane);
        history.moment(2_000).await;
        start(control_plane).await.unwrap();
        queried
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_server_errors_and_hangs_converge() {
    let _turn = TURN.lock().await;
    let what = "API server answers 409, 429, 500 or nothing to a third of the requests";
    let form = Form::of(what, 1, 2, 5, 10);
    let behind_unreliable = async |form: &Form| {
        let proxy = Unreliable::to(form.cluster().await, form.seed()).await;
        let mut history = History::start_by(form, proxy.kubeconfig()).await;
        history.proxy = Some(proxy);
        history
    };
    form.run(behind_unreliable, async |history: &mut History| {
        let proxy = history.proxy.as_ref().unwrap();
        proxy.fails(true);
        let queried = history.disturb_and_refresh().await;
        history.moment(3_000).await;
        history.proxy.as_ref().unwrap().fails(false);
        queried
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_regions_converge() {
    let _turn = TURN.lock().await;
    let form = Form::of(
        "faults of every kind at Bedrock, on random regions",
        1,
        4,
        5,
        20,
    );
    form.run(History::start, async |history: &mut History| {
        history.faulty = true;
        history.fixture.simulator.faults().clear();
        for fault in faults() {
            if history.random.below(2) == 0 {
                let region = history.random_region();
                let rule = FaultRule::new(fault).region(&region);
                history.fixture.simulator.faults().add(rule);
            }
        }
        let queried = history.disturb_and_refresh().await;
        history.moment(1_500).await;
        if history.random.below(3) == 0 {
            history.fixture.operator.kill();
            history.fixture.operator.restart();
        }
        queried
    })
    .await;
}

/// All that the simulator can do to an answer, but for changing what is in it: a changed answer
/// would be published, as it should.
fn faults() -> Vec<Fault> {
    vec![
        Fault::latency(Duration::from_millis(300)),
        Fault::Throttling { retry_after: None },
        Fault::Throttling {
            retry_after: Some(1),
        },
        Fault::AccessDenied,
        Fault::UnrecognizedClient,
        Fault::ExpiredToken,
        Fault::InternalServerError,
        Fault::MalformedJson,
        Fault::HtmlPage,
        Fault::MissingList,
        Fault::ConnectionReset,
        Fault::Hang,
        Fault::ShortPages { size: 3 },
        Fault::EmptyPages { count: 2 },
        Fault::RepeatedToken,
        Fault::EndlessTokens,
        Fault::Reorder { seed: 7 },
        Fault::TruncatedBody,
        Fault::SlowBody {
            over: Duration::from_secs(30),
        },
        // More than is accepted.
        Fault::HugeDescription { bytes: 10_000_000 },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_and_killed_replicas_converge() {
    let _turn = TURN.lock().await;
    let form = Form::of("two replicas, paused (SIGSTOP) and killed", 1, 4, 3, 20);
    let replicated = async |form: &Form| {
        let mut history = History::with(form, &ELECTED).await;
        history.second = Some(
            history
                .fixture
                .second_operator(&OperatorOptions::new(&ELECTED)),
        );
        history
    };
    form.run(replicated, async |history: &mut History| {
        let queried = history.disturb_and_refresh().await;
        history.moment(300).await;
        let first = history.random.below(2) == 0;
        let (paused, killed) = (history.random.below(2) == 0, history.random.below(3) == 0);
        // Longer than the lease in some histories, shorter in others.
        let pause = Duration::from_millis(1_000 + history.random.below(6_000));
        let second = history.second.as_ref().unwrap();
        let replica = if first {
            &history.fixture.operator
        } else {
            second
        };
        if paused {
            // One that has lost the lease ends.
            if replica.pause() {
                sleep(pause).await;
                replica.resume();
            }
        } else if killed {
            replica.kill();
            replica.restart();
        }
        history.start_again_what_ended();
        queried
    })
    .await;
}

const ELECTED: [&str; 3] = [
    "--leader-elect",
    "--leader-election-id=chaos",
    "--lease-duration-seconds=4",
];

/// Until the API server answers again, many times in a row: after an outage of etcd some answers
/// fail that come later than the first good ones.
pub async fn reachable(fixture: &Fixture) {
    let api = fixture
        .namespace
        .api::<k8s_openapi::api::core::v1::ConfigMap>();
    eventually(async || {
        for _ in 0..10 {
            api.list(&kube::api::ListParams::default()).await?;
        }
        Ok::<_, kube::Error>(())
    })
    .await;
}

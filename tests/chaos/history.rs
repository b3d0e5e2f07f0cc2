//! A history: disturbances, and the state in the end.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bedrock_simulator::{Catalog, Delay, Fault, FaultRule, Simulator};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::PostParams;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::config_map_observer::ConfigMapObserver;
use crate::random::Random;
use crate::support::{
    Cluster, Credentials, Fixture, Launch, Operator, condition, data, mapping_json, whole_catalog,
};
use crate::unreliable::Unreliable;
use crate::{oracle, reachable};

const NAME: &str = "claude";
/// The simulator's calls of one region.
const CALLS: usize = 3;
/// Regions of the short form.
const FEW: usize = 8;

/// How many histories of how many disturbances.
pub struct Form {
    what: &'static str,
    histories: u64,
    disturbances: u64,
    long: bool,
    seed: u64,
}

impl Form {
    pub fn of(
        what: &'static str,
        histories: u64,
        disturbances: u64,
        long_histories: u64,
        long_disturbances: u64,
    ) -> Self {
        let long = std::env::var("CHAOS").is_ok_and(|form| form == "long");
        let seed = std::env::var("CHAOS_SEED").ok();
        let by_clock = || jiff::Timestamp::now().as_millisecond().unsigned_abs();
        let seed = match seed {
            Some(seed) => seed.parse().unwrap(),
            None if long => by_clock(),
            None => 20_261_123,
        };
        Self {
            what,
            histories: if long { long_histories } else { histories },
            disturbances: if long {
                long_disturbances
            } else {
                disturbances
            },
            long,
            seed,
        }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub async fn cluster(&self) -> &'static Cluster {
        Cluster::shared().await
    }

    /// Runs the histories, and prints a row of the table of what was survived.
    pub async fn run(
        mut self,
        start: impl AsyncFn(&Self) -> History,
        disturb: impl AsyncFn(&mut History) -> usize,
    ) {
        let mut times = Vec::new();
        let (mut versions, mut regions, mut queried, mut due) = (0, 0, 0, 0);
        for number in 0..self.histories {
            println!("{}: history {number}, CHAOS_SEED={}", self.what, self.seed);
            let mut history = start(&self).await;
            let mut refreshes = 1;
            for _ in 0..self.disturbances {
                refreshes += disturb(&mut history).await;
            }
            times.push(history.converges(refreshes).await);
            versions += history.observer.versions();
            regions = history.regions.len() + 1;
            queried += history.queried.0;
            due += history.queried.1;
            self.seed = self.seed.wrapping_add(1);
        }
        times.sort();
        println!(
            "| {} | {} | {} | {regions} | {versions} | {queried}/{due} | {:.1} s | {:.1} s |",
            self.what,
            self.histories,
            self.histories * self.disturbances,
            times[times.len() / 2].as_secs_f64(),
            times[times.len() - 1].as_secs_f64(),
        );
    }
}

/// A resource of many regions, and what happens to it.
pub struct History {
    pub fixture: Fixture,
    pub random: Random,
    pub proxy: Option<Unreliable>,
    pub second: Option<Operator>,
    /// Bedrock itself fails, so that the SDK asks again.
    pub faulty: bool,
    /// Calls of AWS, and those that the refreshes needed.
    queried: (usize, usize),
    /// Those that can be published.
    regions: Vec<String>,
    /// The region whose `ConfigMap`'s name a foreign one has.
    taken: String,
    observer: ConfigMapObserver,
    edition: u64,
    foreign: ConfigMap,
}

impl History {
    pub async fn start(form: &Form) -> Self {
        Self::with(form, &[]).await
    }

    pub async fn with(form: &Form, arguments: &[&str]) -> Self {
        let cluster = form.cluster().await;
        let kubeconfig = cluster.control_plane.kubeconfig().to_owned();
        Self::launched(form, &kubeconfig, arguments).await
    }

    pub async fn start_by(form: &Form, kubeconfig: &Path) -> Self {
        Self::launched(form, kubeconfig, &[]).await
    }

    async fn launched(form: &Form, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let cluster = form.cluster().await;
        let catalog = whole_catalog();
        let few = if form.long { usize::MAX } else { FEW };
        let mut regions = catalog.regions().take(few).map(str::to_owned);
        // Its place is taken.
        let taken = regions.next().unwrap();
        let regions: Vec<String> = regions.collect();
        let namespace = cluster.namespace().await;
        let simulator = Simulator::start(catalog).await.unwrap();
        let mut all = vec!["--region-timeout-seconds=3"];
        all.extend(arguments);
        let operator = Operator::start(&Launch {
            control_plane: cluster.control_plane,
            kubeconfig: kubeconfig.to_owned(),
            aws: simulator.url(),
            credentials: Credentials::Given,
            environment: &[],
            runner: &[],
            namespace: &namespace.name,
            arguments: &all,
        });
        let fixture = Fixture {
            cluster,
            namespace,
            simulator,
            operator,
        };
        let mut foreign = ConfigMap::default();
        foreign.metadata.name = Some(format!("{NAME}-{taken}"));
        foreign.data = Some([("theirs".to_owned(), "untouched".to_owned())].into());
        let api = fixture.namespace.api::<ConfigMap>();
        let foreign = api.create(&PostParams::default(), &foreign).await.unwrap();
        let mut history = Self {
            observer: ConfigMapObserver::new(fixture.namespace.api(), foreign.clone()),
            fixture,
            random: Random(form.seed),
            proxy: None,
            second: None,
            regions,
            taken,
            edition: 0,
            faulty: false,
            queried: (0, 0),
            foreign,
        };
        history.allow_all();
        history.slow_down();
        let mut named = history.regions.clone();
        named.push(history.taken.clone());
        history
            .fixture
            .create(
                NAME,
                json!({"regions": named, "output": {"compression": "Always"}}),
            )
            .await;
        history
    }

    fn allow_all(&mut self) {
        let catalog = self.fixture.simulator.catalog();
        for region in &self.regions {
            self.observer.allow(oracle::models_json(&catalog, region));
        }
    }

    /// A refresh takes long enough for something to happen in it.
    fn slow_down(&self) {
        let delay = Delay::between(Duration::from_millis(5), Duration::from_millis(150));
        self.fixture
            .simulator
            .faults()
            .add(FaultRule::new(Fault::latency(delay)));
    }

    pub fn random_region(&mut self) -> String {
        let index = self.random.below(self.regions.len() as u64);
        self.regions[usize::try_from(index).unwrap()].clone()
    }

    /// Up to so many milliseconds.
    pub async fn moment(&mut self, milliseconds: u64) {
        sleep(Duration::from_millis(self.random.below(milliseconds))).await;
    }

    /// Has regions answer something new, and requests a refresh. Returns how many were requested.
    pub async fn disturb_and_refresh(&mut self) -> usize {
        for _ in 0..3 {
            let region = self.random_region();
            self.edition += 1;
            let mut catalog: Catalog = self.fixture.simulator.catalog();
            let mut models = catalog.models(&region).to_vec();
            models[0]["modelName"] = json!(format!("edition {}", self.edition));
            catalog.set_models(&region, models.clone());
            self.observer.allow(oracle::models_json(&catalog, &region));
            self.fixture.simulator.edit_catalog(|catalog| {
                catalog.set_models(&region, models);
            });
        }
        self.edition += 1;
        reachable(&self.fixture).await;
        let token = self.edition.to_string();
        self.fixture.request_refresh(NAME, &token).await;
        1
    }

    /// Starts replicas again that have lost the lease; nothing else may end one.
    pub fn start_again_what_ended(&self) {
        for replica in [Some(&self.fixture.operator), self.second.as_ref()] {
            let Some((replica, status)) = replica.and_then(|r| Some((r, r.ended()?))) else {
                continue;
            };
            let lost_lease = self.second.is_some() && status.code() == Some(1);
            assert!(lost_lease, "the operator has ended: {status}");
            replica.restart();
        }
    }

    async fn as_a_kubelet(&self) -> Infallible {
        loop {
            self.start_again_what_ended();
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the faults, and checks what is there then. Returns how long it took until it was.
    async fn converges(&mut self, refreshes: usize) -> Duration {
        let began = Instant::now();
        self.fixture.simulator.faults().clear();
        reachable(&self.fixture).await;
        self.fixture.request_refresh(NAME, "the end").await;
        let resource = tokio::select! {
            resource = self.fixture.sound(NAME) => resource,
            never = self.as_a_kubelet() => match never {},
        };
        let took = began.elapsed();
        let (queried, due) = self.calls(refreshes);
        // Who is cut short asks again: once for each disturbance, at most.
        assert!(
            self.faulty || queried <= 2 * due,
            "{queried} calls, {due} were due"
        );
        self.queried = (queried, due);
        let fixture = &self.fixture;
        let [degraded, _, message] = condition(&resource, "Degraded");
        assert_eq!(degraded, "True");
        assert!(message.starts_with("1 of "), "{message}");
        let catalog = fixture.simulator.catalog();
        for region in &self.regions {
            let published = fixture.config_map(&format!("{NAME}-{region}")).await;
            let expected = oracle::models_json(&catalog, region);
            assert!(data(&published, "models.json") == expected, "{region}");
        }
        let merged = mapping_json(&fixture.config_map(&format!("{NAME}-mapping")).await);
        let regions = self.regions.iter().map(String::as_str);
        assert!(merged == oracle::mapping_json(&catalog, regions));
        let foreign = fixture.config_map(&self.foreign.name_any()).await;
        assert_eq!(foreign, self.foreign);
        assert_eq!(self.observer.broken(), Vec::<String>::new());
        let failed = self.proxy.as_ref().map(Unreliable::failed);
        assert_ne!(failed, Some(0), "no request went wrong");
        self.nothing_is_due().await;
        took
    }

    /// Calls of AWS, and how many the refreshes had needed if nothing had happened.
    fn calls(&self, refreshes: usize) -> (usize, usize) {
        let requests = self.fixture.simulator.requests();
        let queried = requests.iter().filter(|r| r.region != self.taken).count();
        (queried, (refreshes + 1) * self.regions.len() * CALLS)
    }

    /// An operator that starts now asks for nothing of what is there, and writes nothing.
    async fn nothing_is_due(&mut self) {
        self.second = None;
        let fixture = &self.fixture;
        fixture.operator.kill();
        fixture.simulator.reset_counts();
        let before = fixture.versions(NAME).await;
        fixture.operator.restart();
        // Younger, and so reconciled later.
        let one = json!({"regions": [self.regions[0]]});
        fixture.create("younger", one).await;
        fixture.settled("younger").await;
        assert_eq!(fixture.versions(NAME).await, before);
        let queried = fixture.simulator.requests();
        // What has no place is tried again every minute.
        let others = queried.iter().filter(|r| r.region != self.taken);
        let others: Vec<_> = others.filter(|r| r.region != self.regions[0]).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

//! An operator of two namespaces: that of the innocent resource, and its neighbour's.

use bedrock_model_map::api::{BedrockModelMap, BedrockModelMapSpec};
use bedrock_simulator::Catalog;
use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{Cluster, Fixture, FixtureBuilder, Namespace, OperatorOptions, condition};

/// The region of the innocent resource; no neighbour names it, so that its requests can be counted.
pub const REGION: &str = "us-west-1";

const LEASE: &str = "tenants";

/// A first publication and a forced refresh, each of three requests; a repair sends none. The SDK makes
/// up to three attempts at a request, if the simulator of a busy machine is slow.
const REQUESTS: usize = 6 * 3;

/// `short`, or `long` in the long form.
pub fn size(short: usize, long: usize) -> usize {
    let is_long = std::env::var("TENANTS").is_ok_and(|form| form == "long");
    if is_long { long } else { short }
}

/// How many requests a neighbour has in flight to the API server.
const AT_ONCE: usize = 8;

/// Does this for each number below the count, some at once.
pub async fn each(count: usize, action: impl AsyncFn(usize)) {
    futures::stream::iter(0..count)
        .for_each_concurrent(AT_ONCE, |number| action(number))
        .await;
}

/// The namespace of who misbehaves.
pub struct Neighbour {
    pub namespace: Namespace,
}

impl Neighbour {
    pub async fn new() -> Self {
        let namespace = Cluster::shared().await.namespace().await;
        Self { namespace }
    }

    pub fn api(&self) -> Api<BedrockModelMap> {
        self.namespace.api()
    }

    pub async fn create(&self, name: &str, spec: Value) {
        let spec: BedrockModelMapSpec = serde_json::from_value(spec).unwrap();
        let resource = BedrockModelMap::new(name, spec);
        let parameters = PostParams::default();
        self.api().create(&parameters, &resource).await.unwrap();
    }

    pub async fn patch(&self, name: &str, patch: Value) {
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        self.api().patch(name, &parameters, &patch).await.unwrap();
    }

    pub async fn request_refresh(&self, name: &str, token: usize) {
        let annotations = json!({"bedrock.modelmap.dev/requestedAt": token.to_string()});
        self.patch(name, json!({"metadata": {"annotations": annotations}}))
            .await;
    }

    /// How many of its resources have been reconciled to the end.
    pub async fn served(&self) -> usize {
        let resources = self.api().list(&ListParams::default()).await.unwrap();
        // Unknown: the first refresh goes on.
        let is_served = |resource: &&BedrockModelMap| {
            let [ready, ..] = condition(resource, "Ready");
            ready == "True" || ready == "False"
        };
        resources.items.iter().filter(is_served).count()
    }
}

/// Both namespaces, and their operator.
pub struct Tenants {
    pub fixture: Fixture,
    pub neighbour: Neighbour,
    holder: (String, Option<i32>),
}

impl Tenants {
    pub async fn start(catalog: Catalog, arguments: &[&str]) -> Self {
        Self::beside(Neighbour::new().await, catalog, arguments).await
    }

    /// The operator finds what the neighbour has already.
    pub async fn beside(neighbour: Neighbour, catalog: Catalog, arguments: &[&str]) -> Self {
        let builder = FixtureBuilder::new(catalog).await;
        let own = builder.namespace.name.clone();
        let mut all = vec![
            "--watch-namespace",
            &neighbour.namespace.name,
            "--leader-elect",
            "--leader-election-id",
            LEASE,
            "--leader-election-namespace",
            &own,
        ];
        all.extend(arguments);
        let fixture = builder.start_operator(&OperatorOptions::new(&all));
        let leads = r#""message":"leader election won""#;
        fixture.operator.logged(&[leads]).await;
        let holder = holder(&fixture).await;
        Self {
            fixture,
            neighbour,
            holder,
        }
    }

    /// The innocent resource is published, refreshed by force and repaired, and the operator is what it was.
    /// Returns how many neighbours were served before its publication.
    pub async fn innocent_is_served(&self, max_mib: u64) -> usize {
        let fixture = &self.fixture;
        fixture
            .create("innocent", json!({"regions": [REGION]}))
            .await;
        assert_good(&fixture.settled("innocent").await);
        let first_served = self.neighbour.served().await;
        assert_good(&fixture.refresh("innocent", "1").await);
        fixture.reconciled(&format!("innocent-{REGION}")).await;
        let requests = self.requests(|region| region == REGION);
        assert!(requests <= REQUESTS, "{requests} requests for the innocent");
        let peak = self.operator_is_well(max_mib).await;
        eprintln!(
            "{first_served} neighbours served before, {requests} requests, at most {peak} MiB"
        );
        first_served
    }

    /// How many requests the simulator has had for regions like this.
    pub fn requests(&self, is_meant: impl Fn(&str) -> bool) -> usize {
        let requests = self.fixture.simulator.requests();
        requests.iter().filter(|r| is_meant(&r.region)).count()
    }

    /// The same process leads, answers its probes, and has not had more memory than this; returns how much.
    pub async fn operator_is_well(&self, max_mib: u64) -> u64 {
        let operator = &self.fixture.operator;
        // Nothing starts it again: it is still the first process.
        assert_eq!(operator.ended(), None);
        assert_eq!(holder(&self.fixture).await, self.holder);
        for probe in ["/livez", "/readyz"] {
            assert_eq!(operator.http_get(probe).await.0, 200, "{probe}");
        }
        if !cfg!(target_os = "linux") {
            return 0;
        }
        let peak = operator.peak_memory_mib();
        assert!(peak < max_mib, "{peak} MiB");
        peak
    }
}

async fn holder(fixture: &Fixture) -> (String, Option<i32>) {
    let lease = fixture.namespace.api::<Lease>().get(LEASE).await.unwrap();
    let spec = lease.spec.unwrap();
    let identity = spec.holder_identity.unwrap();
    // The first holder counts as a transition too.
    (identity, spec.lease_transitions)
}

fn assert_good(innocent: &BedrockModelMap) {
    assert_eq!(condition(innocent, "Ready")[0], "True", "{innocent:?}");
    assert_eq!(condition(innocent, "Degraded")[0], "False", "{innocent:?}");
}

//! Each neighbour there is.

use std::time::{Duration, Instant};

use bedrock_simulator::{Catalog, Fault, FaultRule};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{catalog_of, condition, eventually, whole_catalog};
use crate::tenants::{Neighbour, REGION, Tenants, each, size};

const NEIGHBOURS: [&str; 2] = ["ap-east-2", "eu-central-2"];

/// What one operator with few regions stays below, whatever a neighbour does. A debug build takes some
/// 85 MiB without any; what the long form sends would take several hundred.
const MAX_MIB: u64 = 160;

fn catalog() -> Catalog {
    catalog_of(&[REGION, NEIGHBOURS[0], NEIGHBOURS[1]])
}

fn spec() -> Value {
    json!({"regions": NEIGHBOURS})
}

async fn is_published(neighbour: &Neighbour, name: &str) {
    eventually(async || {
        let resource = neighbour.api().get(name).await.unwrap();
        let is_ready = condition(&resource, "Ready")[0] == "True";
        is_ready.then_some(()).ok_or(format!("{name} is not Ready"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_on_hanging_region_delay_no_neighbour() {
    // Longer than the test waits for anything: a resource that waits behind one of them waits in vain.
    let tenants = Tenants::start(catalog(), &["--region-timeout-seconds", "300"]).await;
    let hang = FaultRule::new(Fault::Hang).region(NEIGHBOURS[0]);
    tenants.fixture.simulator.faults().add(hang);
    let spec = json!({"regions": [NEIGHBOURS[0]]});
    let neighbours = size(100, 300);
    each(neighbours, async |number| {
        let name = format!("map-{number}");
        tenants.neighbour.create(&name, spec.clone()).await;
    })
    .await;
    let served = tenants.innocent_is_served(MAX_MIB).await;
    // Each of them ends after some 20 s; the innocent one waits for none.
    assert!(served < neighbours / 2, "{served} were served before");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_spammer_delays_no_neighbour() {
    let tenants = Tenants::start(catalog(), &[]).await;
    let neighbour = &tenants.neighbour;
    neighbour.create("map", spec()).await;
    is_published(neighbour, "map").await;
    let start = Instant::now();
    let spam = async {
        for token in 0.. {
            neighbour.request_refresh("map", token).await;
        }
    };
    tokio::select! {
        () = spam => {}
        _ = tenants.innocent_is_served(MAX_MIB) => {}
    }
    let mut second = tokio::time::interval(Duration::from_secs(1));
    for token in 0..size(5, 60) {
        second.tick().await;
        neighbour.request_refresh("map", token).await;
    }
    each(size(20, 1_000), async |token| {
        neighbour.request_refresh("map", 100 + token).await;
    })
    .await;
    // Ten seconds apart, with the first publication and some of the last one's ten seconds left.
    let refreshes = usize::try_from(start.elapsed().as_secs()).unwrap() / 10 + 3;
    let requests = tenants.requests(|region| region != REGION);
    let most = refreshes * 3 * NEIGHBOURS.len();
    assert!(requests <= most, "{requests} requests, {most} at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_and_slow_scrapes_delay_no_neighbour() {
    let tenants = Tenants::start(catalog(), &[]).await;
    tenants.neighbour.create("map", spec()).await;
    is_published(&tenants.neighbour, "map").await;
    let address = tenants.fixture.operator.http_address().unwrap();
    let mut open = Vec::new();
    for _ in 0..size(32, 256) {
        let mut scrape = TcpStream::connect(&address).await.unwrap();
        // Nobody reads what comes of it.
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
        scrape.write_all(request.as_bytes()).await.unwrap();
        open.push(scrape);
    }
    for _ in 0..size(300, 1_300) {
        open.push(TcpStream::connect(&address).await.unwrap());
    }
    tenants.innocent_is_served(MAX_MIB).await;
    drop(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_config_maps_delay_no_neighbour() {
    let neighbour = Neighbour::new().await;
    let count = size(20, 1_000);
    let forge = async |neighbour: &Neighbour, kind: &str, number: usize| {
        let forged = json!({"metadata": {
            "name": format!("{kind}-{number}"),
            "labels": {
                "app.kubernetes.io/managed-by": "bedrock-model-map",
                "bedrock.modelmap.dev/name": format!("map-{number}"),
            },
            "annotations": {"note": "x".repeat(200_000)},
        }});
        let forged: ConfigMap = serde_json::from_value(forged).unwrap();
        let api = neighbour.namespace.api();
        api.create(&PostParams::default(), &forged).await.unwrap();
    };
    // A half is there when the operator starts and lists; the other half comes by its watch.
    each(count / 2, async |number| {
        forge(&neighbour, "old", number).await;
    })
    .await;
    let tenants = Tenants::beside(neighbour, catalog(), &[]).await;
    let flood = each(count / 2, async |number| {
        forge(&tenants.neighbour, "new", number).await;
    });
    tokio::join!(flood, tenants.innocent_is_served(MAX_MIB));
    tenants.operator_is_well(MAX_MIB).await;
    let api = tenants.neighbour.namespace.api::<ConfigMap>();
    let note = "bedrock.modelmap.dev/name";
    let left = api.list_metadata(&ListParams::default().labels(note)).await;
    assert_eq!(left.unwrap().items.len(), count / 2 * 2, "they are foreign");
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_descriptions_delay_no_neighbour() {
    let all: Vec<String> = whole_catalog().regions().map(str::to_owned).collect();
    let others = all.iter().filter(|region| *region != REGION);
    let others: Vec<&str> = others.map(String::as_str).take(size(8, 100)).collect();
    let mut regions = others.clone();
    regions.push(REGION);
    let tenants = Tenants::start(catalog_of(&regions), &[]).await;
    for region in &others {
        let huge = Fault::HugeDescription { bytes: 10_000_000 };
        let rule = FaultRule::new(huge).region(region);
        tenants.fixture.simulator.faults().add(rule);
    }
    let spec = json!({ "regions": others });
    tenants.neighbour.create("map", spec).await;
    tenants.innocent_is_served(DESCRIPTIONS_MIB).await;
    eventually(async || {
        let served = tenants.neighbour.served().await;
        (served == 1).then_some(()).ok_or("the neighbour waits")
    })
    .await;
    tenants.operator_is_well(DESCRIPTIONS_MIB).await;
}

/// Half of the chart's limit.
const DESCRIPTIONS_MIB: u64 = 256;

#[tokio::test(flavor = "multi_thread")]
async fn drift_war_delays_no_neighbour() {
    let tenants = Tenants::start(catalog(), &[]).await;
    let neighbour = &tenants.neighbour;
    neighbour.create("map", spec()).await;
    is_published(neighbour, "map").await;
    let before = tenants.requests(|region| region != REGION);
    let war = async {
        let api = neighbour.namespace.api::<ConfigMap>();
        let parameters = PatchParams::default();
        let name = format!("map-{}", NEIGHBOURS[0]);
        for number in 0_u64.. {
            let patch = json!({"data": {"models.json": format!("[{number}]")}});
            api.patch(&name, &parameters, &Patch::Merge(patch))
                .await
                .unwrap();
        }
    };
    let served = async {
        tenants.innocent_is_served(MAX_MIB).await;
        eventually(async || {
            let resource = neighbour.api().get("map").await.unwrap();
            let [_, reason, _] = condition(&resource, "Degraded").map(str::to_owned);
            (reason == "Contended").then_some(()).ok_or(reason)
        })
        .await;
    };
    tokio::select! {
        () = war => {}
        () = served => {}
    }
    let innocent = tenants.fixture.get("innocent").await;
    assert_eq!(condition(&innocent, "Degraded")[0], "False");
    // What is repaired is known: no region is queried again for it.
    assert_eq!(tenants.requests(|region| region != REGION), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn prefix_churn_delays_no_neighbour() {
    let tenants = Tenants::start(catalog(), &[]).await;
    let neighbour = &tenants.neighbour;
    neighbour.create("map", spec()).await;
    is_published(neighbour, "map").await;
    let changes = size(10, 150);
    let churn = async {
        for number in 0..changes {
            let output = json!({"configMapPrefix": format!("prefix-{number}")});
            neighbour
                .patch("map", json!({"spec": {"output": output}}))
                .await;
            eventually(async || {
                let resource = neighbour.api().get("map").await.unwrap();
                let observed = resource.status.unwrap().observed_generation;
                let is_observed = observed == resource.metadata.generation;
                is_observed.then_some(()).ok_or("not observed")
            })
            .await;
        }
    };
    tokio::join!(churn, tenants.innocent_is_served(MAX_MIB));
    tenants.operator_is_well(MAX_MIB).await;
    // Nothing is left of the earlier prefixes.
    let api = neighbour.namespace.api::<ConfigMap>();
    let labels = ListParams::default().labels("bedrock.modelmap.dev/name=map");
    eventually(async || {
        let left = api.list_metadata(&labels).await.unwrap().items.len();
        let most = NEIGHBOURS.len() + 1;
        (left == most)
            .then_some(())
            .ok_or(format!("{left} ConfigMaps"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worst_globs_delay_no_neighbour() {
    let tenants = Tenants::start(catalog(), &[]).await;
    // A matcher that backtracks tries every way to place the letters.
    let globs: Vec<String> = (0..64)
        .map(|number| format!("{}*b{number}", "*a".repeat(100)))
        .collect();
    let spec = json!({"regions": NEIGHBOURS, "models": {"include": globs, "exclude": globs}});
    tenants.neighbour.create("map", spec).await;
    tenants.innocent_is_served(MAX_MIB).await;
    eventually(async || {
        let served = tenants.neighbour.served().await;
        (served == 1).then_some(()).ok_or("the neighbour waits")
    })
    .await;
    tenants.operator_is_well(MAX_MIB).await;
}

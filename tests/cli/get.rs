use std::process::Stdio;
use std::time::Duration;

use bedrock_simulator::{Fault, FaultRule};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::Stage;
use crate::oracle::mapping_of;
use crate::proxy;
use crate::support::{ask, assert_same, path, program};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// One cluster for all: starting it costs more than what is done with it.
#[tokio::test]
async fn get_reads_what_the_cluster_publishes() {
    let stage = Stage::start().await;
    stage
        .get(&["get", "all"])
        .await
        .failed(1, "this cluster has no kind BedrockModelMap");
    stage.install().await;
    stage
        .get(&["get", "all"])
        .await
        .failed(1, "BedrockModelMap default/all not found");

    published_as_discovered(&stage).await;
    proxy::reaches_the_cluster(&stage).await;
    refreshed_on_demand(&stage).await;
    watched(&stage).await;
    refusals(&stage).await;
    failed_regions(&stage).await;

    stage.operator.stop();
    no_operator(&stage).await;
    stage.control_plane.stop_api_server();
    stage
        .get(&["get", "small"])
        .await
        .failed(1, "the cluster does not respond");
}

async fn published_as_discovered(stage: &Stage) {
    stage.create("small", json!({ "regions": REGIONS })).await;
    let compressed = json!({"regions": REGIONS, "output": {"compression": "Always"}});
    stage.create("packed", compressed).await;
    let catalog = stage.simulator.catalog();
    let expected = mapping_of(&catalog, &REGIONS);
    assert_same(&stage.published("small").await, &expected);
    assert_same(&stage.published("packed").await, &expected);
    let one = [
        "get",
        "packed",
        "-n",
        "default",
        "--region",
        "us-east-1",
        "-o",
        "json",
    ];
    assert_same(
        &stage.get(&one).await.well(),
        &mapping_of(&catalog, &["us-east-1"]),
    );
    let discovered = ["discover", "--region", REGIONS[0], "--region", REGIONS[1]];
    let discovered = ask(&stage.simulator, &discovered).await.well();
    assert_eq!(stage.get(&["get", "small"]).await.well(), discovered);
    let page = stage.get(&["get", "small", "-o", "html"]).await.well();
    assert!(page.contains(r#""title":"BedrockModelMap small""#));

    let id = [
        "resolve",
        "claude-sonnet-4-5",
        "packed",
        "--region",
        "eu-west-1",
        "-o",
        "id",
    ];
    let id = stage.get(&id).await.well();
    assert_eq!(id, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0\n");
    let unknown = ["get", "small", "--region", "us-east-2"];
    stage.get(&unknown).await.failed(
        1,
        "region us-east-2 is not available; available regions: eu-west-1, us-east-1",
    );
}

async fn refreshed_on_demand(stage: &Stage) {
    let gone = "anthropic.claude-sonnet-4-6";
    stage.simulator.edit_catalog(|catalog| {
        catalog.remove_model("us-east-1", gone);
    });
    let refresh = ["get", "small", "--refresh", "-o", "json"];
    let expected = mapping_of(&stage.simulator.catalog(), &REGIONS);
    assert!(stage.published("small").await != expected);
    let done = stage.get(&refresh).await;
    assert_same(&done.stdout, &expected);
    assert_eq!(
        done.stderr,
        "changed: anthropic.claude-sonnet-4-6 removed in us-east-1\n\
         changed: inference profile global.anthropic.claude-sonnet-4-6 removed in us-east-1\n\
         changed: inference profile us.anthropic.claude-sonnet-4-6 removed in us-east-1\n"
    );
    let done = stage.get(&refresh).await;
    assert_same(&done.stdout, &expected);
    assert_eq!(done.stderr, "no changes\n");

    let fault = FaultRule::new(Fault::AccessDenied).region("us-east-1");
    stage.simulator.faults().add(fault);
    let done = stage.get(&refresh).await;
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert_same(&done.stdout, &expected);
    assert!(
        done.stderr
            .contains("us-east-1 is Stale: AccessDenied: bedrock:List"),
        "{}",
        done.stderr
    );
    let other = ["get", "small", "--region", "eu-west-1"];
    stage.get(&other).await.well();
    stage.simulator.faults().clear();
    stage.get(&refresh).await.well();
}

async fn watched(stage: &Stage) {
    let kubeconfig = path(stage.control_plane.kubeconfig()).to_owned();
    let variables = [("KUBECONFIG", kubeconfig.as_str())];
    let watch = ["get", "small", "--watch", "-o", "json"];
    let mut watch = program(&variables, &watch)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(watch.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert_eq!(
        stderr.next_line().await.unwrap().unwrap(),
        "watching BedrockModelMap default/small"
    );
    let mut next = async || {
        let line = timeout(Duration::from_mins(1), lines.next_line()).await;
        let line = line.expect("something is published").unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["namespace"], "default");
        assert_eq!(line["name"], "small");
        line["changes"][0].clone()
    };

    let refresh = async |gone: &str| {
        stage.simulator.edit_catalog(|catalog| {
            for region in REGIONS {
                catalog.remove_model(region, gone);
            }
        });
        stage.get(&["get", "small", "--refresh"]).await.well();
    };
    let removed = |gone: &str| json!({"change": "ModelRemoved", "model": gone, "regions": REGIONS});
    refresh("amazon.nova-lite-v1:0").await;
    assert_eq!(next().await, removed("amazon.nova-lite-v1:0"));

    // The watch restarts when the API server is back.
    stage.control_plane.stop_api_server();
    stage.control_plane.start_api_server().await.unwrap();
    refresh("amazon.nova-pro-v1:0").await;
    assert_eq!(next().await, removed("amazon.nova-pro-v1:0"));

    let pid = watch.id().unwrap().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(kill.unwrap().success());
    assert_eq!(watch.wait().await.unwrap().code(), Some(0));
}

/// `get` and `resolve` read the same ConfigMaps.
async fn refusals(stage: &Stage) {
    let suspended = json!({"regions": REGIONS, "suspend": true});
    stage.create("asleep", suspended).await;
    let nobody = stage.control_plane.kubeconfig_for("nobody", &[]).unwrap();
    let known = path(stage.control_plane.kubeconfig());
    let resolve = |name| {
        [
            "resolve",
            "claude",
            "--region",
            "us-east-1",
            "-o",
            "id",
            name,
        ]
    };
    let cases = [
        (
            known,
            "nothing",
            "BedrockModelMap default/nothing not found",
        ),
        (known, "asleep", "default/asleep has published nothing yet"),
        (
            path(&nobody),
            "small",
            r#"User "nobody" cannot get resource "bedrockmodelmaps""#,
        ),
        ("/nonexistent", "small", "no cluster: "),
    ];
    for (kubeconfig, name, why) in cases {
        let commands: [&[&str]; 2] = [&["get", name], &resolve(name)];
        for command in commands {
            stage.as_user(kubeconfig, command).await.failed(1, why);
        }
    }
    stage
        .get(&["get", "nothing", "--watch"])
        .await
        .failed(1, "BedrockModelMap default/nothing not found");
    let context = ["get", "small", "--context", "other"];
    stage.get(&context).await.failed(1, "no cluster: ");
    stage
        .get(&["get", "asleep", "--refresh"])
        .await
        .failed(1, "is suspended");
    let unknown = ["resolve", "claude", "small", "--region", "us-east-2"];
    stage.get(&unknown).await.failed(
        1,
        "region us-east-2 is not available; available regions: eu-west-1, us-east-1",
    );
}

/// Regions that fail from the start, or that the account does not have.
async fn failed_regions(stage: &Stage) {
    let fault = FaultRule::new(Fault::AccessDenied).region("ap-south-1");
    stage.simulator.faults().add(fault);
    let spec = json!({"regions": ["eu-west-1", "ap-south-1", "us-west-9"]});
    stage.create("partial", spec).await;
    stage.published("partial").await;
    stage
        .get(&["resolve", "nova", "partial", "--region", "ap-south-1"])
        .await
        .failed(
            1,
            "no models of ap-south-1 are published: AccessDenied: bedrock:List",
        );
    let cases = [
        (
            "ap-south-1",
            "ap-south-1 is Failed: AccessDenied: bedrock:List",
        ),
        ("us-west-9", "us-west-9 is "),
    ];
    for (region, reason) in cases {
        let one = ["get", "partial", "-o", "json", "--region", region];
        let one = stage.get(&one).await;
        assert_eq!(
            (one.code, one.stdout.as_str()),
            (3, r#"{"models":{}}"#),
            "{one}"
        );
        let all = stage.get(&["get", "partial"]).await;
        assert_eq!(all.code, 3, "{all}");
        for done in [one, all] {
            assert!(done.stderr.contains(reason), "{done}");
        }
    }
    stage
        .get(&["get", "partial", "--region", "us-east-1"])
        .await
        .failed(
            1,
            "region us-east-1 is not available; available regions: eu-west-1",
        );
    stage
        .get(&["get", "partial", "--region", "eu-west-1"])
        .await
        .well();
}

/// Drift that the operator would repair.
async fn no_operator(stage: &Stage) {
    let late = ["get", "small", "--refresh", "--timeout", "1s"];
    stage
        .get(&late)
        .await
        .failed(1, "the refresh is not finished after 1 s");
    stage
        .patch_config_map("small-mapping", json!({"data": {"mapping.json": "{}"}}))
        .await;
    stage
        .get(&["get", "small"])
        .await
        .failed(1, "ConfigMap default/small-mapping was changed");
    let label = json!({"metadata": {"labels": {"bedrock.modelmap.dev/name": "other"}}});
    stage.patch_config_map("small-mapping", label).await;
    stage
        .get(&["get", "small"])
        .await
        .failed(1, "does not belong to BedrockModelMap default/small");
    let garbage = json!({"binaryData": {"mapping.json.gz": "H4sIAAAA"}});
    stage.patch_config_map("packed-mapping", garbage).await;
    stage
        .get(&["get", "packed"])
        .await
        .failed(1, "mapping.json.gz cannot be read");
}

use std::time::Duration;

use bedrock_model_map::api::{BedrockModelMap, BedrockModelMapSpec, crd_yaml};
use bedrock_simulator::{Fault, FaultRule, Simulator};
use control_plane::{ControlPlane, Program};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::oracle::mapping_of;
use crate::support::{Done, ask, assert_same, bedrock, path, run};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// A cluster with an operator, which is killed when this is dropped.
struct Stage {
    control_plane: ControlPlane,
    client: Client,
    simulator: Simulator,
    operator: Program,
}

impl Stage {
    async fn start() -> Self {
        let control_plane = ControlPlane::start().await.unwrap();
        let kubeconfig = Kubeconfig::read_from(control_plane.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        // Taken from the environment, and of no use on loopback.
        config.proxy_url = None;
        let simulator = bedrock().await;
        let arguments = [
            "-i".to_owned(),
            format!("KUBECONFIG={}", control_plane.kubeconfig().display()),
            format!("AWS_ENDPOINT_URL={}", simulator.url()),
            "AWS_ACCESS_KEY_ID=test".to_owned(),
            "AWS_SECRET_ACCESS_KEY=test".to_owned(),
            env!("CARGO_BIN_EXE_bedrock-model-map").to_owned(),
            "run".to_owned(),
            "--bind-address=127.0.0.1:0".to_owned(),
        ];
        let operator =
            control_plane.program("operator", "/usr/bin/env".as_ref(), arguments.to_vec());
        Self {
            client: Client::try_from(config).unwrap(),
            control_plane,
            simulator,
            operator,
        }
    }

    async fn install(&self) {
        let file = self.control_plane.folder().join("crd.yaml");
        std::fs::write(&file, crd_yaml().unwrap()).unwrap();
        let kubectl = |arguments: &[&str]| {
            let mut command = tokio::process::Command::new(self.control_plane.kubectl());
            command
                .env("KUBECONFIG", self.control_plane.kubeconfig())
                .env("KUBECACHEDIR", self.control_plane.folder().join("cache"))
                .args(arguments);
            command
        };
        for arguments in [
            &["create", "-f", path(&file)][..],
            &[
                "wait",
                "--for=condition=Established",
                "crd",
                "--all",
                "--timeout=60s",
            ],
        ] {
            let output = kubectl(arguments).output().await.unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        self.operator.start().unwrap();
    }

    async fn create(&self, name: &str, spec: Value) {
        let spec: BedrockModelMapSpec = serde_json::from_value(spec).unwrap();
        let resource = BedrockModelMap::new(name, spec);
        let api = Api::default_namespaced(self.client.clone());
        api.create(&PostParams::default(), &resource).await.unwrap();
    }

    async fn patch_config_map(&self, name: &str, patch: Value) {
        let api: Api<ConfigMap> = Api::default_namespaced(self.client.clone());
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    async fn get(&self, arguments: &[&str]) -> Done {
        self.as_user(path(self.control_plane.kubeconfig()), arguments)
            .await
    }

    async fn as_user(&self, kubeconfig: &str, arguments: &[&str]) -> Done {
        run(&[("KUBECONFIG", kubeconfig)], arguments).await
    }

    /// Once it is published.
    async fn published(&self, name: &str) -> String {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let done = self.get(&["get", name, "-o", "json"]).await;
            if done.code == 0 {
                return done.stdout;
            }
            assert!(Instant::now() < deadline, "{done}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// One cluster for all: starting it costs more than what is done with it.
#[tokio::test]
async fn a_published_mapping_is_had_from_the_cluster() {
    let stage = Stage::start().await;
    stage
        .get(&["get", "all"])
        .await
        .failed(1, "this cluster has no kind BedrockModelMap");
    stage.install().await;
    stage
        .get(&["get", "all"])
        .await
        .failed(1, "there is no BedrockModelMap default/all");

    published_as_discovered(&stage).await;
    refreshed_on_demand(&stage).await;
    refusals(&stage).await;

    stage.operator.stop();
    no_operator(&stage).await;
    stage.control_plane.stop_api_server();
    stage
        .get(&["get", "small"])
        .await
        .failed(1, "the cluster does not answer");
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
        "there is no region us-east-2 here; there are: eu-west-1, us-east-1",
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
    assert_same(&stage.get(&refresh).await.well(), &expected);
    assert_same(&stage.get(&refresh).await.well(), &expected);

    let fault = FaultRule::new(Fault::AccessDenied).region("us-east-1");
    stage.simulator.faults().add(fault);
    let done = stage.get(&refresh).await;
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert_same(&done.stdout, &expected);
    assert!(
        done.stderr.contains("us-east-1 is stale: bedrock:List"),
        "{}",
        done.stderr
    );
    let other = ["get", "small", "--region", "eu-west-1"];
    stage.get(&other).await.well();
    stage.simulator.faults().clear();
    stage.get(&refresh).await.well();
}

async fn refusals(stage: &Stage) {
    let nobody = stage.control_plane.kubeconfig_for("nobody", &[]).unwrap();
    let done = stage.as_user(path(&nobody), &["get", "small"]).await;
    done.failed(1, r#"User "nobody" cannot get resource "bedrockmodelmaps""#);
    let context = ["get", "small", "--context", "other"];
    stage.get(&context).await.failed(1, "no cluster: ");
    stage
        .as_user("/nonexistent", &["get", "small"])
        .await
        .failed(1, "no cluster: ");
    let suspended = json!({"regions": REGIONS, "suspend": true});
    stage.create("asleep", suspended).await;
    stage
        .get(&["get", "asleep"])
        .await
        .failed(1, "default/asleep has published nothing yet");
    stage
        .get(&["get", "asleep", "--refresh"])
        .await
        .failed(1, "is suspended");
}

/// What the operator would put right.
async fn no_operator(stage: &Stage) {
    let late = ["get", "small", "--refresh", "--timeout", "1s"];
    stage
        .get(&late)
        .await
        .failed(1, "the refresh is not done after 1 s");
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

//! A cluster with an operator that asks a simulated Bedrock.

use std::time::Duration;

use bedrock_model_map::api::{BedrockModelMap, BedrockModelMapSpec, crd_yaml};
use bedrock_simulator::Simulator;
use control_plane::{ControlPlane, Program};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{Done, bedrock, path, run};

/// A cluster with an operator, which is killed when this is dropped.
pub struct Stage {
    pub control_plane: ControlPlane,
    client: Client,
    pub simulator: Simulator,
    pub operator: Program,
}

impl Stage {
    pub async fn start() -> Self {
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
            // A leader that cannot renew its Lease ends, and here nobody starts it again.
            "--leader-elect=false".to_owned(),
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

    pub async fn install(&self) {
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

    pub async fn create(&self, name: &str, spec: Value) {
        let spec: BedrockModelMapSpec = serde_json::from_value(spec).unwrap();
        let resource = BedrockModelMap::new(name, spec);
        let api = Api::default_namespaced(self.client.clone());
        api.create(&PostParams::default(), &resource).await.unwrap();
    }

    pub async fn patch_config_map(&self, name: &str, patch: Value) {
        let api: Api<ConfigMap> = Api::default_namespaced(self.client.clone());
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub async fn get(&self, arguments: &[&str]) -> Done {
        self.as_user(path(self.control_plane.kubeconfig()), arguments)
            .await
    }

    pub async fn as_user(&self, kubeconfig: &str, arguments: &[&str]) -> Done {
        run(&[("KUBECONFIG", kubeconfig)], arguments).await
    }

    /// Once it is published, also if some regions failed.
    pub async fn published(&self, name: &str) -> String {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let done = self.get(&["get", name, "-o", "json"]).await;
            if matches!(done.code, 0 | 3) {
                return done.stdout;
            }
            assert!(Instant::now() < deadline, "{done}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

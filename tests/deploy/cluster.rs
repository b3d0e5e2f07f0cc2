//! A control plane, and the operator as the chart would run it there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use bedrock_simulator::{Catalog, Simulator};
use control_plane::kubectl::Kubectl;
use control_plane::{ControlPlane, Program};
use kube::config::{AuthInfo, Kubeconfig};
use serde_json::Value;

use crate::manifests::{container, only, texts};
use crate::tools::{run_with, tool};

/// A control plane and how it is talked to.
pub struct Cluster<'a> {
    control_plane: &'a ControlPlane,
    kubectl: Kubectl,
}

impl<'a> Cluster<'a> {
    pub fn of(control_plane: &'a ControlPlane) -> Self {
        let kubectl = Kubectl::of(control_plane);
        Self {
            control_plane,
            kubectl,
        }
    }

    /// Runs kubectl as an administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl.run(arguments).await.unwrap()
    }

    /// Applies objects as an administrator. Unknown and doubled fields are errors.
    pub async fn apply(&self, manifests: &str) {
        let arguments = ["apply", "--server-side", "--validate=strict", "-f", "-"];
        self.kubectl.run_with(&arguments, manifests).await.unwrap();
    }

    /// Has the API server look at objects as if they were created.
    pub async fn dry_run(&self, manifests: &str) -> Result<String, String> {
        let arguments = [
            "create",
            "--dry-run=server",
            "--validate=strict",
            "--save-config=false",
            "-f",
            "-",
        ];
        let outcome = self.kubectl.run_with(&arguments, manifests).await;
        outcome.map_err(|error| error.to_string())
    }

    /// An object as it is; None: it is not there.
    pub async fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let get = ["get", kind, name, "-n", namespace];
        let rest = ["-o", "json", "--ignore-not-found"];
        let found = self.kubectl(&[&get[..], &rest].concat()).await;
        (!found.is_empty()).then(|| serde_json::from_str(&found).unwrap())
    }

    /// Runs helm as an administrator.
    pub fn helm(&self, arguments: &[&str]) -> String {
        let mut helm = Command::new(tool("helm"));
        let folder = self.control_plane.folder();
        helm.args(arguments)
            .env("KUBECONFIG", self.control_plane.kubeconfig())
            .envs(
                ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"]
                    .map(|variable| (variable, folder.join("helm"))),
            );
        run_with(&mut helm, "").unwrap()
    }

    /// The kubeconfig of a service account, with what a Pod of it would have: a token, and its namespace.
    async fn kubeconfig_of(&self, namespace: &str, service_account: &str) -> PathBuf {
        let arguments = ["create", "token", service_account, "-n", namespace];
        let token = self.kubectl(&arguments).await;
        let mut kubeconfig = Kubeconfig::read_from(self.control_plane.kubeconfig()).unwrap();
        kubeconfig.auth_infos[0].auth_info = Some(AuthInfo {
            token: Some(token.trim().to_owned().into()),
            ..AuthInfo::default()
        });
        kubeconfig.contexts[0].context.as_mut().unwrap().namespace = Some(namespace.to_owned());
        let path = self
            .control_plane
            .folder()
            .join(format!("{namespace}.{service_account}.kubeconfig"));
        fs::write(&path, serde_saphyr::to_string(&kubeconfig).unwrap()).unwrap();
        path
    }

    /// Starts the operator as the Deployment among these objects says: its service account, arguments and
    /// environment, with AWS where the simulator is.
    pub async fn operator(&self, objects: &[Value], simulator: &Simulator) -> Operator {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let deployment = only(objects, "Deployment");
        let namespace = deployment["metadata"]["namespace"].as_str().unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let service_account = pod["serviceAccountName"].as_str().unwrap();
        let kubeconfig = self.kubeconfig_of(namespace, service_account).await;
        let folder = self.control_plane.folder().display();
        let mut command = vec![
            // Inherits nothing.
            "-i".to_owned(),
            format!("KUBECONFIG={}", kubeconfig.display()),
            format!("AWS_ENDPOINT_URL={}", simulator.url()),
            "AWS_ACCESS_KEY_ID=test".to_owned(),
            "AWS_SECRET_ACCESS_KEY=test".to_owned(),
            "AWS_EC2_METADATA_DISABLED=true".to_owned(),
            // A home without `.aws`.
            format!("HOME={folder}"),
            // Several run side by side.
            "BIND_ADDRESS=127.0.0.1:0".to_owned(),
            env!("CARGO_BIN_EXE_bedrock-model-map").to_owned(),
        ];
        command.extend(
            texts(&container(objects)["args"])
                .into_iter()
                .map(str::to_owned),
        );
        // A few bytes for each operator, for as long as the process runs.
        let name = format!("operator-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let program = self
            .control_plane
            .program(name.leak(), "/usr/bin/env".as_ref(), command);
        program.start().unwrap();
        Operator(program)
    }
}

/// A running operator, killed when this is dropped.
pub struct Operator(Program);

impl Operator {
    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.0.log()).unwrap_or_default()
    }
}

/// A simulated Bedrock with these of the real regions.
pub async fn bedrock(regions: &[&str]) -> Simulator {
    let mut catalog = Catalog::real().unwrap();
    let all: Vec<String> = catalog.regions().map(str::to_owned).collect();
    for region in all {
        if !regions.contains(&region.as_str()) {
            catalog.remove_region(&region);
        }
    }
    Simulator::start(catalog).await.unwrap()
}

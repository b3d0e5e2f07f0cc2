//! A control plane, and the operator as the chart would run it there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bedrock_simulator::{Catalog, Simulator};
use control_plane::kubectl::{self, Kubectl};
use control_plane::{ControlPlane, Program};
use kube::config::{AuthInfo, Kubeconfig};
use serde_json::Value;
use tokio::time::Instant;

use crate::manifests::{container, only, texts};
use crate::tools::{run_with, tool};

/// For whatever is awaited. Much longer than needed: a machine may be busy.
const DEADLINE: Duration = Duration::from_mins(3);
/// Between two polls.
const INTERVAL: Duration = Duration::from_millis(100);

/// Until it is so; an error if it takes too long.
pub async fn eventually(awaited: &str, so: impl AsyncFn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + DEADLINE;
    while !so().await {
        if Instant::now() > deadline {
            return Err(format!("no {awaited} within {} s", DEADLINE.as_secs()));
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

/// The operator's credentials for AWS, which the simulator takes whatever they are.
const SECRET_KEY: &str = "secret-key-of-the-operator";
const SESSION_TOKEN: &str = "session-token-of-the-operator";

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

    /// Runs kubectl as an administrator; it may fail.
    pub async fn try_kubectl(&self, arguments: &[&str]) -> Result<String, kubectl::Error> {
        self.kubectl.run(arguments).await
    }

    /// Applies objects as an administrator. Unknown and doubled fields are errors.
    pub async fn apply(&self, manifests: &str) {
        let arguments = ["apply", "--server-side", "--validate=strict", "-f", "-"];
        self.kubectl.run_with(&arguments, manifests).await.unwrap();
    }

    /// Sends objects to the API server in a dry run.
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

    /// A token of a service account, as a Pod of it would have.
    async fn token_of(&self, namespace: &str, service_account: &str) -> String {
        let arguments = ["create", "token", service_account, "-n", namespace];
        self.kubectl(&arguments).await.trim().to_owned()
    }

    /// A kubeconfig with a token, in a namespace.
    fn kubeconfig_with(&self, token: &str, namespace: &str) -> PathBuf {
        let mut kubeconfig = Kubeconfig::read_from(self.control_plane.kubeconfig()).unwrap();
        kubeconfig.auth_infos[0].auth_info = Some(AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        });
        kubeconfig.contexts[0].context.as_mut().unwrap().namespace = Some(namespace.to_owned());
        let path = self
            .control_plane
            .folder()
            .join(format!("{namespace}.kubeconfig"));
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
        let token = self.token_of(namespace, service_account).await;
        let kubeconfig = self.kubeconfig_with(&token, namespace);
        let folder = self.control_plane.folder().display();
        let mut command = vec![
            // Inherits nothing.
            "-i".to_owned(),
            format!("KUBECONFIG={}", kubeconfig.display()),
            format!("AWS_ENDPOINT_URL={}", simulator.url()),
            "AWS_ACCESS_KEY_ID=test".to_owned(),
            format!("AWS_SECRET_ACCESS_KEY={SECRET_KEY}"),
            format!("AWS_SESSION_TOKEN={SESSION_TOKEN}"),
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
        Operator { program, token }
    }
}

/// A running operator, killed when this is dropped.
pub struct Operator {
    program: Program,
    token: String,
}

impl Operator {
    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.program.log()).unwrap_or_default()
    }

    /// Secrets that must not appear anywhere.
    pub fn secrets(&self) -> [&str; 3] {
        [&self.token, SECRET_KEY, SESSION_TOKEN]
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

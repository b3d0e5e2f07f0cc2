//! A control plane that knows our kind, and what tests do with it.

use std::fmt;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bedrock_model_map::api::crd_yaml;
use control_plane::ControlPlane;
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Much longer than needed: a machine may be busy.
const DEADLINE: Duration = Duration::from_mins(2);

/// Repeats the attempt until it succeeds; panics with its last error after [`DEADLINE`].
pub async fn eventually<T, E: fmt::Display>(attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    eventually_within(DEADLINE, attempt).await
}

/// As [`eventually`], for what takes its time by design.
pub async fn eventually_within<T, E: fmt::Display>(
    within: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if Instant::now() > deadline => panic!("still not: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The control plane that all tests of the process share, with the CRD installed.
pub struct Cluster {
    pub control_plane: &'static ControlPlane,
    /// What `kubectl create` said of the CRD.
    pub installation: Output,
}

impl Cluster {
    /// The first that asks starts it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let control_plane = ControlPlane::shared().await;
        let crd = crd_yaml().unwrap();
        let installation = kubectl(control_plane, &["create", "-f", "-"], &crd).await;
        assert!(installation.success, "{installation}");
        let cluster = Self {
            control_plane,
            installation,
        };
        // Established, served, found by discovery, and described.
        eventually(async || {
            cluster.run(&["get", "bmm", "-A"], "").await?;
            cluster.run(&["explain", "bmm.spec"], "").await
        })
        .await;
        cluster
    }

    /// A client of an administrator. It belongs to the runtime of the test that asks.
    pub async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.control_plane.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        // Taken from the environment, and of no use on loopback.
        config.proxy_url = None;
        Client::try_from(config).unwrap()
    }

    /// A new namespace. It stays: the whole control plane goes when the tests are done.
    pub async fn namespace(&self) -> Namespace {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let client = self.client().await;
        let mut object = NamespaceObject::default();
        object.metadata.name = Some(name.clone());
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        Namespace { name, client }
    }

    /// Runs kubectl as the administrator.
    pub async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Output {
        kubectl(self.control_plane, arguments, stdin).await
    }

    /// Runs kubectl; its stdout, or everything if it fails.
    pub async fn run(&self, arguments: &[&str], stdin: &str) -> Result<String, Output> {
        let output = self.kubectl(arguments, stdin).await;
        if output.success {
            Ok(output.stdout)
        } else {
            Err(output)
        }
    }
}

/// Applies the object as soon as the API server serves its kind.
pub async fn apply(control_plane: &ControlPlane, object: &Value) {
    let object = object.to_string();
    eventually(async || {
        let applied = kubectl(control_plane, &["apply", "-f", "-"], &object).await;
        if applied.success {
            Ok(())
        } else {
            Err(applied)
        }
    })
    .await;
}

/// A namespace of one test.
pub struct Namespace {
    pub name: String,
    pub client: Client,
}

impl Namespace {
    /// The objects of a kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }
}

/// The output of a program.
#[derive(Debug)]
pub struct Output {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.stdout, self.stderr)
    }
}

pub async fn kubectl(control_plane: &ControlPlane, arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(control_plane.kubectl())
        .env("KUBECONFIG", control_plane.kubeconfig())
        // The cache in the home folder goes by host and port, which an earlier control plane may have had too.
        .env("KUBECACHEDIR", control_plane.folder().join("kubectl-cache"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A program that reads no input may have closed it already.
    let _ = pipe.write_all(stdin.as_bytes()).await;
    drop(pipe);
    let output = child.wait_with_output().await.unwrap();
    Output {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

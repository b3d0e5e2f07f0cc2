//! All parts together: started, shown, watched.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use bedrock_simulator::{Catalog, Delay, Fault, Simulator};
use control_plane::{ControlPlane, Program};

use crate::step::step;
use crate::{manual, operator, published};
use control_plane::kubectl::{self, Kubectl};

/// The resource that the demo maps, and where it is.
const SAMPLE: &str = include_str!("../../../config/samples/bedrock_v1alpha1_bedrockmodelmap.yaml");
pub const NAMESPACE: &str = "default";
pub const NAME: &str = "claude";

/// The cluster map that the demo applies, and the namespaces that it matches.
const CLUSTER_MAP_SAMPLE: &str = include_str!("../../../config/samples/cluster-map.yaml");
pub const CLUSTER_MAP: &str = "claude-everywhere";
const TEAMS: &str = include_str!("../manifests/teams.yaml");

/// The region of which one model is shown.
pub const REGION: &str = "us-east-1";

/// How long each answer of the simulator takes, as over a real network.
const LATENCY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(300));

/// Far more than all regions take.
const READY: &str = "--timeout=120s";

/// Between two checks that the operator still runs.
const INTERVAL: Duration = Duration::from_millis(200);

/// Why the demo ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane or its programs are not available.
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    /// kubectl failed.
    #[error(transparent)]
    Kubectl(#[from] kubectl::Error),
    /// The embedded catalogue, or something published, is not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// What was published lacks something that the demo shows.
    #[error("there is no {0}")]
    Missing(String),
    /// The operator did not do its work.
    #[error("{cause}\n\n--- kubectl describe\n{description}\n--- end of the operator's log\n{log}")]
    Operator {
        cause: String,
        description: String,
        log: String,
    },
    /// A file, a process or the terminal could not be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The running parts; they end in this order when it is dropped, or when this process ends.
pub struct Environment {
    operator: Program,
    kubectl: Kubectl,
    simulator: Simulator,
    control_plane: ControlPlane,
}

impl Environment {
    /// Starts everything and waits until the sample is mapped.
    pub async fn start(operator: &Path) -> Result<Self, Error> {
        let catalog = Catalog::real()?;
        let (min, max) = LATENCY;
        let what = format!(
            "Starting a simulated Amazon Bedrock: {} regions, each answer takes {} to {} ms",
            catalog.regions().count(),
            min.as_millis(),
            max.as_millis(),
        );
        let simulator = step(&what, Simulator::start(catalog)).await?;
        simulator
            .faults()
            .add(Fault::latency(Delay::between(min, max)));

        let what = "Starting a Kubernetes control plane";
        let control_plane = step(what, ControlPlane::start_for_demo()).await?;
        if !control_plane.has_controllers() {
            writeln!(
                io::stdout(),
                "It has no kube-controller-manager: a deleted BedrockModelMap leaves its ConfigMaps behind."
            )?;
        }
        let environment = Self {
            operator: operator::prepare(operator, &control_plane, &simulator.url()),
            kubectl: Kubectl::of(&control_plane),
            simulator,
            control_plane,
        };
        let what = "Applying the definitions of BedrockModelMap and ClusterBedrockModelMap";
        step(what, environment.define(operator)).await?;
        let what = format!(
            "Starting the operator; its log is {}",
            environment.operator.log().display()
        );
        step(&what, async { environment.operator.start() }).await?;
        let what = format!("Applying the sample `{NAME}` and waiting until it is Ready");
        step(&what, environment.map_sample()).await?;
        let what = format!(
            "Applying the cluster map `{CLUSTER_MAP}`, which three namespaces match, and waiting until all have their map"
        );
        step(&what, environment.map_namespaces()).await?;
        Ok(environment)
    }

    async fn define(&self, operator: &Path) -> Result<(), Error> {
        let definition = operator::crd(operator).await?;
        let apply = ["apply", "--server-side", "-f", "-"];
        self.kubectl.run_with(&apply, &definition).await?;
        let established = "--for=condition=Established";
        let crds = [
            "customresourcedefinition/bedrockmodelmaps.bedrock.modelmap.dev",
            "customresourcedefinition/clusterbedrockmodelmaps.bedrock.modelmap.dev",
        ];
        let wait = ["wait", established];
        self.kubectl.run(&[&wait[..], &crds].concat()).await?;
        Ok(())
    }

    async fn map_sample(&self) -> Result<(), Error> {
        self.kubectl.run_with(&["apply", "-f", "-"], SAMPLE).await?;
        let resource = format!("bedrockmodelmap/{NAME}");
        let ready = "--for=condition=Ready";
        self.wait(&[ready, "-n", NAMESPACE, &resource]).await
    }

    async fn map_namespaces(&self) -> Result<(), Error> {
        let apply = ["apply", "-f", "-"];
        self.kubectl.run_with(&apply, TEAMS).await?;
        self.kubectl.run_with(&apply, CLUSTER_MAP_SAMPLE).await?;
        let resource = format!("clusterbedrockmodelmap/{CLUSTER_MAP}");
        let ready = "--for=jsonpath={.status.namespaces.readyOfMatched}=3/3";
        self.wait(&[ready, &resource]).await
    }

    async fn wait(&self, awaited: &[&str]) -> Result<(), Error> {
        let wait = [&["wait", READY], awaited].concat();
        tokio::select! {
            waited = self.kubectl.run(&wait) => match waited {
                Ok(_) => Ok(()),
                Err(error) => Err(self.operator_failed(error.to_string()).await),
            },
            ended = self.watch() => match ended? {},
        }
    }

    /// What the operator has published, for the terminal.
    pub async fn published(&self) -> Result<String, Error> {
        published::describe(&self.kubectl).await
    }

    /// Commands to try by hand.
    pub fn manual(&self) -> String {
        manual::describe(&manual::Parts {
            kubeconfig: self.control_plane.kubeconfig(),
            kubectl: self.kubectl.program(),
            simulator: &self.simulator.url(),
            log: &self.operator.log(),
        })
    }

    /// Comes back only when the operator has ended.
    pub async fn watch(&self) -> Result<Infallible, Error> {
        loop {
            if let Err(error) = self.operator.check() {
                // The log comes with the description.
                let cause = match error {
                    control_plane::Error::Ended { status, .. } => {
                        format!("the operator ended ({status})")
                    }
                    other => other.to_string(),
                };
                return Err(self.operator_failed(cause).await);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn operator_failed(&self, cause: String) -> Error {
        let describe = ["describe", "cbmm,bmm", "-n", NAMESPACE];
        let description = self.kubectl.run(&describe).await;
        Error::Operator {
            cause,
            description: description.unwrap_or_else(|error| error.to_string()),
            log: self.operator.log_tail(),
        }
    }
}

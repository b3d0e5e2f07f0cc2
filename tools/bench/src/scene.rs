//! An empty control plane and a simulated Bedrock: each measurement begins with its own.

use std::path::{Path, PathBuf};

use bedrock_model_map::api::crd_yaml;
use bedrock_simulator::{Catalog, Simulator};
use control_plane::ControlPlane;
use control_plane::kubectl::Kubectl;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::error::Error;

pub struct Scene {
    program: PathBuf,
    client: Client,
    simulator: Simulator,
    control_plane: ControlPlane,
}

impl Scene {
    pub async fn start(program: &Path) -> Result<Self, Error> {
        let simulator = Simulator::start(Catalog::real()?).await;
        let simulator = simulator.map_err(Error::io("cannot start the Bedrock simulator"))?;
        let control_plane = ControlPlane::start().await?;
        let kubectl = Kubectl::of(&control_plane);
        let definition = crd_yaml().map_err(|cause| Error::Failed(cause.to_string()))?;
        let create = ["create", "-f", "-"];
        kubectl.run_with(&create, &definition).await?;
        let established = ["wait", "--for=condition=Established", "crd", "--all"];
        kubectl.run(&established).await?;
        Ok(Self {
            program: program.to_owned(),
            client: client(control_plane.kubeconfig()).await?,
            simulator,
            control_plane,
        })
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The variables that lead the AWS SDKs to the simulator.
    pub fn aws(&self) -> [(&'static str, String); 5] {
        aws(&self.simulator)
    }
}

/// The variables that lead the AWS SDKs to a simulator.
pub fn aws(simulator: &Simulator) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", simulator.url()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
    ]
}

async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // Taken from the environment, and of no use on loopback.
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

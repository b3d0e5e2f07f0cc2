//! The operator, as its chart installs it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use control_plane::kubectl::Kubectl;
use serde_json::json;

use crate::error::Error;
use crate::helm::{Helm, NAMESPACE, RELEASE};
use crate::images;
use crate::wait::until;

/// The chart of this source tree.
const CHART: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../charts/bedrock-model-map"
);

pub struct Operator<'a> {
    kubectl: &'a Kubectl,
    helm: Helm,
    values: PathBuf,
}

impl<'a> Operator<'a> {
    pub fn new(kubectl: &'a Kubectl, helm: Helm, values: PathBuf) -> Self {
        Self {
            kubectl,
            helm,
            values,
        }
    }

    /// Writes the values that the chart is installed with: two replicas are its default.
    pub fn set_endpoint(&self, bedrock: &str) -> Result<(), Error> {
        let environment = [
            // For every service of AWS.
            ("AWS_ENDPOINT_URL", bedrock),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "e2e"),
            ("AWS_SECRET_ACCESS_KEY", "e2e"),
        ];
        let environment = environment.map(|(name, value)| json!({"name": name, "value": value}));
        let values = json!({
            "image": {"repository": images::OPERATOR, "tag": images::TAG, "pullPolicy": "Never"},
            "extraEnv": environment,
        });
        fs::write(&self.values, values.to_string())?;
        Ok(())
    }

    /// Installs the chart at that path, by default the one of this source tree, or upgrades to it.
    pub async fn upgrade(&self, chart: Option<&Path>, settings: &[&str]) -> Result<(), Error> {
        let chart = chart.unwrap_or(Path::new(CHART));
        self.helm.upgrade(chart, &self.values, settings).await?;
        Ok(())
    }

    /// Uninstalls it, and waits until no Pod of it runs.
    pub async fn uninstall(&self) -> Result<(), Error> {
        self.helm.uninstall().await?;
        let pods = async || self.run(&["get", "pods", "-o", "name"]).await;
        until("no Pod of the operator", pods, str::is_empty).await?;
        Ok(())
    }

    /// Kills the replica that leads, which can give nothing away before it is gone, and returns its name in the Lease.
    pub async fn kill_leader(&self) -> Result<String, Error> {
        let leader = self.leader().await?;
        let (pod, _) = leader.split_once('_').unwrap_or((&leader, ""));
        for process in processes(pod)? {
            let kill = Command::new("kill").args(["-KILL", &process]).status()?;
            if !kill.success() {
                return Err(Error::Kill(process));
            }
        }
        Ok(leader)
    }

    /// The name in the Lease of the replica that leads.
    pub async fn leader(&self) -> Result<String, Error> {
        let holder = "jsonpath={.spec.holderIdentity}";
        let holder = async || self.run(&["get", "lease", RELEASE, "-o", holder]).await;
        until("a replica that leads", holder, |holder| !holder.is_empty()).await
    }

    /// Waits until all replicas are ready.
    pub async fn complete(&self) -> Result<(), Error> {
        let deployment = format!("deployment/{RELEASE}");
        self.run(&["rollout", "status", &deployment, "--timeout=120s"])
            .await?;
        Ok(())
    }

    /// How often the containers of its Pods were restarted; one number each.
    pub async fn restarts(&self) -> Result<String, Error> {
        let path = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
        Ok(self.run(&["get", "pods", "-o", path]).await?)
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, control_plane::kubectl::Error> {
        let namespace = ["--namespace", NAMESPACE];
        self.kubectl.run(&[arguments, &namespace].concat()).await
    }
}

/// The ids of the operator's processes in a Pod. The node is this machine, so they are processes like any other.
fn processes(pod: &str) -> io::Result<Vec<String>> {
    let hostname = format!("HOSTNAME={pod}\0");
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        // Not a process, or one that has ended by now, if it has none.
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(&hostname) {
            found.push(process.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

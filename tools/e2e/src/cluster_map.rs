//! A cluster map, and the namespaces that it matches.

use control_plane::kubectl::Kubectl;

use crate::error::Error;
use crate::wait::until;

const MANIFEST: &str = include_str!("../manifests/cluster-map.yaml");
const TIMEOUT: &str = "--timeout=120s";
const SELECTOR: &str = "bedrock.modelmap.dev/cluster-map=everywhere";

pub struct ClusterMap<'a> {
    kubectl: &'a Kubectl,
}

impl<'a> ClusterMap<'a> {
    pub fn new(kubectl: &'a Kubectl) -> Self {
        Self { kubectl }
    }

    /// Declares it, waits until the map of each namespace is Ready, and returns its line.
    pub async fn declare(&self) -> Result<String, Error> {
        let apply = ["apply", "-f", "-"];
        self.kubectl.run_with(&apply, MANIFEST).await?;
        let matched = "--for=jsonpath={.status.namespaces.readyOfMatched}=2/2";
        let wait = ["wait", "cbmm/everywhere", matched, TIMEOUT];
        self.kubectl.run(&wait).await?;
        Ok(self.kubectl.run(&["get", "cbmm", "everywhere"]).await?)
    }

    /// The maps that it keeps, by namespace and UID.
    pub async fn children(&self) -> Result<String, Error> {
        let path = "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.uid}{\"\\n\"}{end}";
        let get = ["get", "bmm", "-A", "-l", SELECTOR, "-o", path];
        Ok(self.kubectl.run(&get).await?)
    }

    /// A namespace ceases to match, and loses its map with its ConfigMaps.
    pub async fn leave(&self) -> Result<(), Error> {
        let unlabel = ["label", "namespace", "team-d", "bedrock-"];
        self.kubectl.run(&unlabel).await?;
        let get = ["get", "bmm,configmaps", "-n", "team-d", "-o", "name"];
        let left = async || self.kubectl.run(&get).await;
        let has_none = |left: &str| !left.contains("everywhere");
        until("no map in a namespace that left", left, has_none).await?;
        Ok(())
    }
}

//! Another team's namespace: an application that calls a model by its alias, and is rolled when the ID changes.

use control_plane::kubectl::{self, Kubectl};

use crate::error::Error;
use crate::wait::until;

const NAMESPACE: &str = "team-b";
const MANIFEST: &str = include_str!("../manifests/caller.yaml");
const DEPLOYMENT: &str = "deployment/caller";
const CONFIG_MAP: &str = "configmap/claude-us-east-1-env";
const TIMEOUT: &str = "--timeout=120s";

/// The candidates of its alias, and the IDs that are passed for them.
pub const FIRST: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const FIRST_ID: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const SECOND_ID: &str = "amazon.nova-lite-v1:0";

pub struct Caller<'a> {
    kubectl: &'a Kubectl,
}

impl<'a> Caller<'a> {
    pub fn new(kubectl: &'a Kubectl) -> Self {
        Self { kubectl }
    }

    /// Declares the map and the Deployment at once: the Pod waits for the ConfigMap. Returns what it heard.
    pub async fn deploy(&self, endpoint: &str) -> Result<String, Error> {
        let manifest = MANIFEST.replace("@ENDPOINT@", endpoint);
        let apply = ["apply", "-f", "-"];
        self.kubectl.run_with(&apply, &manifest).await?;
        self.hears(FIRST_ID).await
    }

    /// A forced refresh, after which the variable has the ID of the second candidate. The Pod keeps the old one.
    pub async fn moves(&self) -> Result<String, Error> {
        let request = "bedrock.modelmap.dev/requestedAt=moved";
        self.run(&["annotate", "bmm/claude", request]).await?;
        let handled = "--for=jsonpath={.status.lastHandledRefreshRequest}=moved";
        self.run(&["wait", "bmm/claude", handled, TIMEOUT]).await?;
        let data = ["get", CONFIG_MAP, "-o", "jsonpath={.data.ANTHROPIC_MODEL}"];
        let variable = self.run(&data).await?;
        if variable != SECOND_ID {
            return Err(Error::Unexpected {
                what: "the alias has another ID",
                expected: SECOND_ID.to_owned(),
                seen: variable,
            });
        }
        self.hears(FIRST_ID).await?;
        let event = [
            "get",
            "events",
            "--field-selector=reason=AliasChanged",
            "-o",
        ];
        let note = ["jsonpath={.items[*].message}"];
        let note = async || self.run(&[&event[..], &note].concat()).await;
        until("an Event AliasChanged", note, |note| {
            note.contains(SECOND_ID)
        })
        .await
    }

    /// What a pipeline or a GitOps tool does: the ConfigMap's hash goes into the Pod template. Returns what the new Pod
    /// heard.
    pub async fn roll(&self) -> Result<String, Error> {
        let hash = r"jsonpath={.metadata.annotations.bedrock\.modelmap\.dev/content-sha256}";
        let hash = self.run(&["get", CONFIG_MAP, "-o", hash]).await?;
        let patch = format!(
            r#"{{"spec":{{"template":{{"metadata":{{"annotations":{{"example.com/models":"{hash}"}}}}}}}}}}"#
        );
        self.run(&["patch", DEPLOYMENT, "-p", &patch]).await?;
        self.hears(SECOND_ID).await
    }

    /// Waits until the only Pod has called this ID.
    async fn hears(&self, id: &str) -> Result<String, Error> {
        self.run(&["rollout", "status", DEPLOYMENT, TIMEOUT])
            .await?;
        let log = async || self.run(&["logs", DEPLOYMENT, "--tail=1"]).await;
        let awaited = format!("a response of {id} in the caller's log");
        let expected = format!("{id} in us-east-1 heard you.");
        until(&awaited, log, |log| log.contains(&expected)).await?;
        Ok(expected)
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, kubectl::Error> {
        let namespace = ["--namespace", NAMESPACE];
        self.kubectl.run(&[arguments, &namespace].concat()).await
    }
}

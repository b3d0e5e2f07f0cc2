//! The simulated Bedrock, a Pod beside the operator.

use control_plane::kubectl::Kubectl;
use serde_json::{Value, json};

use crate::error::Error;

/// The region whose catalogue changes.
const REGION: &str = "us-east-1";

/// The provider of the models that are added.
pub const EXAMPLE: &str = "example";

const NAMESPACE: &str = "simulator";
const POD: &str = include_str!("../manifests/simulator.yaml");

pub struct Bedrock<'a> {
    kubectl: &'a Kubectl,
}

impl<'a> Bedrock<'a> {
    pub fn new(kubectl: &'a Kubectl) -> Self {
        Self { kubectl }
    }

    /// Starts it, and returns where it serves: there is no DNS that would give it a name.
    pub async fn start(&self) -> Result<String, Error> {
        self.kubectl.run_with(&["apply", "-f", "-"], POD).await?;
        self.endpoint().await
    }

    /// Where it serves, once it is ready.
    pub async fn endpoint(&self) -> Result<String, Error> {
        let ready = ["wait", "--for=condition=Ready", "--timeout=120s"];
        let pod = ["-n", NAMESPACE, "pod/simulator"];
        self.kubectl.run(&[&ready[..], &pod].concat()).await?;
        let address = ["get", "-o", "jsonpath={.status.podIP}"];
        let address = self.kubectl.run(&[&address[..], &pod].concat()).await?;
        Ok(format!("http://{address}:8080"))
    }

    /// The ids of the region's models.
    pub async fn model_ids(&self) -> Result<Vec<String>, Error> {
        let listings = self.listings().await?;
        let models = listings["modelSummaries"].as_array().into_iter().flatten();
        let ids = models.filter_map(|model| model["modelId"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    /// Adds a model to the region, with an id of the provider [`EXAMPLE`].
    pub async fn add_model(&self, name: &str) -> Result<(), Error> {
        let mut listings = self.listings().await?;
        let id = format!("{EXAMPLE}.{name}");
        if let Some(models) = listings["modelSummaries"].as_array_mut() {
            models.push(json!({
                "modelId": id,
                "modelArn": format!("arn:aws:bedrock:{REGION}::foundation-model/{id}"),
                "modelName": name,
                "providerName": EXAMPLE,
                "inferenceTypesSupported": ["ON_DEMAND"],
                "modelLifecycle": {"status": "ACTIVE"},
            }));
        }
        self.replace(&listings).await
    }

    /// Removes a model from the region.
    pub async fn remove_model(&self, id: &str) -> Result<(), Error> {
        let mut listings = self.listings().await?;
        if let Some(models) = listings["modelSummaries"].as_array_mut() {
            models.retain(|model| model["modelId"] != id);
        }
        self.replace(&listings).await
    }

    async fn replace(&self, listings: &Value) -> Result<(), Error> {
        let replace = ["replace", "--raw", &path(), "-f", "-"];
        self.kubectl
            .run_with(&replace, &listings.to_string())
            .await?;
        Ok(())
    }

    async fn listings(&self) -> Result<Value, Error> {
        let listings = self.kubectl.run(&["get", "--raw", &path()]).await?;
        Ok(serde_json::from_str(&listings)?)
    }
}

/// Through the API server, which forwards to the Pod.
fn path() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods/simulator:8080/proxy/_simulator/catalog/{REGION}")
}

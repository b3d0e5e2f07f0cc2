//! This operator with the definition of an earlier version: what that does not know is dropped or
//! rejected by the API server.

use bedrock_simulator::{Fault, FaultRule, Simulator};
use control_plane::ControlPlane;
use control_plane::kubectl::{Error, Kubectl};
use serde_json::{Value, json};

use crate::support::{Credentials, Launch, Operator, apply, catalog_of, eventually};

const INSTALL: &str = "bedrock-model-map crd | kubectl apply";

/// A control plane of its own: the definition is shared by all who use it.
struct Skewed {
    kubectl: Kubectl,
    control_plane: ControlPlane,
    simulator: Simulator,
    operator: Operator,
}

impl Skewed {
    async fn start(definition: &Value) -> Self {
        let control_plane = ControlPlane::start().await.unwrap();
        let kubectl = Kubectl::of(&control_plane);
        let definition = definition.to_string();
        let installed = kubectl.run_with(&["create", "-f", "-"], &definition).await;
        installed.unwrap();
        let simulator = Simulator::start(catalog_of(&["us-west-1", "eu-central-2"]))
            .await
            .unwrap();
        let operator = Operator::start(&Launch {
            control_plane: &control_plane,
            kubeconfig: control_plane.kubeconfig().to_owned(),
            aws: simulator.url(),
            credentials: Credentials::Given,
            environment: &[],
            runner: &[],
            namespace: "default",
            arguments: &[],
        });
        Self {
            kubectl,
            control_plane,
            simulator,
            operator,
        }
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Result<String, Error> {
        self.kubectl.run_with(arguments, input).await
    }

    async fn create(&self, spec: Value) {
        let resource = json!({
            "apiVersion": "bedrock.modelmap.dev/v1alpha1",
            "kind": "BedrockModelMap",
            "metadata": {"name": "claude"},
            "spec": spec,
        });
        apply(&self.control_plane, &resource).await;
    }

    async fn status(&self) -> Value {
        let object = self.run(&["get", "bmm", "claude", "-o", "json"], "").await;
        let mut object: Value = serde_json::from_str(&object.unwrap()).unwrap();
        object["status"].take()
    }

    /// Once the refresh with this token is complete.
    async fn refresh(&self, token: &str) -> Value {
        let annotation = format!("bedrock.modelmap.dev/requestedAt={token}");
        let arguments = ["annotate", "--overwrite", "bmm", "claude", &annotation];
        self.run(&arguments, "").await.unwrap();
        eventually(async || {
            let status = self.status().await;
            let is_handled = status["lastHandledRefreshRequest"] == token;
            is_handled.then_some(()).ok_or(self.operator.log())
        })
        .await;
        self.status().await
    }

    /// Once a reconciliation has ended that began after this call: each begins with the repairs.
    async fn reconciled(&self) {
        for _ in 0..2 {
            let name = "claude-us-west-1";
            self.run(&["delete", "cm", name], "").await.unwrap();
            eventually(async || self.run(&["get", "cm", name], "").await).await;
        }
    }
}

/// The definition of an earlier version, without a state and some fields of today.
fn older_definition() -> Value {
    let mut definition = definition();
    let regions = status_schema(&mut definition)["regions"]["additionalProperties"]["properties"]
        .as_object_mut()
        .unwrap();
    for field in ["invocable", "notInvocable"] {
        regions.remove(field).unwrap();
    }
    let states = regions["state"]["enum"].as_array_mut().unwrap();
    states.retain(|state| state != "Denied");
    definition
}

fn definition() -> Value {
    let yaml = bedrock_model_map::api::crd_yaml().unwrap();
    let first = yaml.split("\n---").next().unwrap();
    let definition: Value = serde_saphyr::from_str(first).unwrap();
    assert_eq!(definition["spec"]["names"]["kind"], "BedrockModelMap");
    definition
}

fn status_schema(definition: &mut Value) -> &mut Value {
    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    &mut schema["properties"]["status"]["properties"]
}

#[tokio::test]
async fn status_with_unknown_state_is_written_without_it() {
    let skewed = Skewed::start(&older_definition()).await;
    let denied = FaultRule::new(Fault::DeniedByServiceControlPolicy).region("eu-central-2");
    skewed.simulator.faults().add(denied);
    skewed
        .create(json!({"regions": ["us-west-1", "eu-central-2"]}))
        .await;
    let status = skewed.refresh("1").await;
    let (fresh, failed) = (
        &status["regions"]["us-west-1"],
        &status["regions"]["eu-central-2"],
    );
    assert_eq!([&fresh["state"], &failed["state"]], ["Fresh", "Failed"]);
    assert_eq!(failed["error"]["code"], "DeniedByPolicy");
    assert_eq!(status["summary"]["regionsFresh"], "1/2");
    let conditions = status["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["reason"] == "Published"),
        "{conditions:?}"
    );

    // Nothing is due: neither AWS nor the status is tried again.
    let requests = skewed.simulator.total();
    skewed.reconciled().await;
    assert_eq!(skewed.status().await, status);
    assert_eq!(skewed.simulator.total(), requests);
    skewed.refresh("2").await;
    let log = skewed.operator.log();
    for said in [
        "status.regions.*.state: Denied",
        "status.regions.*.invocable",
    ] {
        let mut lines = log.lines().filter(|line| line.contains(said));
        let line = lines.next().unwrap_or_else(|| panic!("no {said}: {log}"));
        assert!(line.contains(INSTALL), "{line}");
        assert_eq!(lines.next(), None, "{log}");
    }
    assert!(!log.contains("cannot write the status"), "{log}");

    // With this version's definition the next refresh writes all of it.
    let definition = definition().to_string();
    let installed = skewed.run(&["replace", "-f", "-"], &definition).await;
    installed.unwrap();
    let mut token = 2;
    eventually(async || {
        token += 1;
        let status = skewed.refresh(&token.to_string()).await;
        let regions = &status["regions"];
        let is_whole = regions["eu-central-2"]["state"] == "Denied"
            && regions["us-west-1"]["invocable"].is_i64();
        is_whole.then_some(()).ok_or(regions.to_string())
    })
    .await;
}

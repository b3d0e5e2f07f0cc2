//! Resources of Envoy AI Gateway.

use serde_json::{Value, json};

use super::NamedModel;
use crate::bedrock::region::runtime_host;

/// The most rules that the API server accepts in an `AIGatewayRoute`.
const MAX_RULES: usize = 15;
const GROUP: &str = "aigateway.envoyproxy.io";
const BACKEND_GROUP: &str = "gateway.envoyproxy.io";
/// The header in which Envoy AI Gateway puts the `model` of a request.
const MODEL_HEADER: &str = "x-ai-eg-model";

/// Resources that make the Gateway `gateway` pass requests for each model to Bedrock in the region:
/// clients know the model by its logical name, and Bedrock by its ID.
///
/// `name` is the name of the resources. The credentials are those of the gateway's Pod.
pub fn resources(name: &str, gateway: &str, region: &str, models: &[NamedModel<'_>]) -> Vec<Value> {
    let host = runtime_host(region);
    let routes = models.chunks(MAX_RULES).enumerate().map(|(index, part)| {
        let route = match index {
            0 => name.to_owned(),
            _ => format!("{name}-{}", index + 1),
        };
        let rules: Vec<Value> = part.iter().map(|model| rule(name, model)).collect();
        json!({
            "apiVersion": format!("{GROUP}/v1beta1"),
            "kind": "AIGatewayRoute",
            "metadata": {"name": route},
            "spec": {
                "parentRefs": [
                    {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway},
                ],
                "rules": rules,
            },
        })
    });
    let backend = [
        json!({
            "apiVersion": format!("{GROUP}/v1beta1"),
            "kind": "AIServiceBackend",
            "metadata": {"name": name},
            "spec": {
                "schema": {"name": "AWSBedrock"},
                "backendRef": {"group": BACKEND_GROUP, "kind": "Backend", "name": name},
            },
        }),
        json!({
            "apiVersion": format!("{GROUP}/v1beta1"),
            "kind": "BackendSecurityPolicy",
            "metadata": {"name": name},
            "spec": {
                "targetRefs": [{"group": GROUP, "kind": "AIServiceBackend", "name": name}],
                "type": "AWSCredentials",
                "awsCredentials": {"region": region},
            },
        }),
        json!({
            "apiVersion": format!("{BACKEND_GROUP}/v1alpha1"),
            "kind": "Backend",
            "metadata": {"name": name},
            "spec": {"endpoints": [{"fqdn": {"hostname": host, "port": 443}}]},
        }),
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "BackendTLSPolicy",
            "metadata": {"name": name},
            "spec": {
                "targetRefs": [{"group": BACKEND_GROUP, "kind": "Backend", "name": name}],
                "validation": {"wellKnownCACertificates": "System", "hostname": host},
            },
        }),
    ];
    routes.chain(backend).collect()
}

fn rule(backend: &str, model: &NamedModel<'_>) -> Value {
    json!({
        "name": model.name,
        "matches": [{"headers": [{"type": "Exact", "name": MODEL_HEADER, "value": model.name}]}],
        "backendRefs": [{"name": backend, "modelNameOverride": model.target.invoke_with}],
    })
}

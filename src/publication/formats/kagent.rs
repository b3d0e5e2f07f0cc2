//! Resources of kagent.

use serde_json::{Value, json};

use super::NamedModel;

/// A `ModelConfig` for each model, named after its logical name and the region. The credentials are
/// those of the agent's Pod.
pub fn model_configs(region: &str, models: &[NamedModel<'_>]) -> Vec<Value> {
    let config = |model: &NamedModel<'_>| {
        json!({
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "ModelConfig",
            "metadata": {"name": format!("{}-{region}", model.name)},
            "spec": {
                "provider": "Bedrock",
                "model": model.target.invoke_with,
                "bedrock": {"region": region},
            },
        })
    };
    models.iter().map(config).collect()
}

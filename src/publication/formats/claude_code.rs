//! Settings of Claude Code.

use serde_json::{Value, json};

use super::NamedModel;
use super::env::variables;

/// Settings that make Claude Code call Bedrock in the region, with the models' IDs in their
/// environment variables.
pub fn settings(region: &str, models: &[NamedModel<'_>]) -> Value {
    let mut env = json!({"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": region});
    for (name, id) in variables(models) {
        env[name] = Value::String(id);
    }
    json!({ "env": env })
}

//! Schemas of status fields that differ from the derived ones.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize as _, Deserializer};

/// `observedGeneration` that the API server reports for a resource without a status.
pub const UNOBSERVED_GENERATION: i64 = -1;

pub fn deserialize_generation<'de, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<i64>, D::Error> {
    let generation = Option::<i64>::deserialize(reader)?;
    Ok(generation.filter(|generation| *generation != UNOBSERVED_GENERATION))
}

pub fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

pub fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": { "type": "string", "maxLength": 316, "description": "Type of the condition: Ready, Reconciling, Stalled or Degraded." },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"], "description": "True, False or Unknown." },
                "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0, "description": "metadata.generation of the spec that the condition describes." },
                "lastTransitionTime": { "type": "string", "format": "date-time", "description": "Time at which the status of the condition last changed." },
                "reason": { "type": "string", "minLength": 1, "maxLength": 1024, "description": "Stable one-word reason, for scripts." },
                "message": { "type": "string", "maxLength": 32768, "description": "Human-readable details." },
            },
        },
    })
}

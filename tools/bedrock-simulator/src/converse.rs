//! `Converse` of the Bedrock runtime, as far as it matters which id is passed.

use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Service;
use crate::aws_error::AwsError;
use crate::call::credential_scope;
use crate::catalog::Catalog;
use crate::response;

/// The day for which models have ended or not: that of the catalogue, so that what can be called does
/// not change as time goes by. 2026-11-25T00:00:00Z.
const TODAY: Timestamp = Timestamp::constant(1_795_564_800, 0);

pub(crate) async fn converse(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((_, region)) = credential_scope(&headers) else {
        return AwsError::missing_signature().into_response();
    };
    let catalog = service
        .catalog
        .read()
        .unwrap_or_else(PoisonError::into_inner);
    match answer(&catalog, &region, &id, &body) {
        Ok(answer) => response::json(answer.to_string()),
        Err(error) => error.into_response(),
    }
}

fn answer(catalog: &Catalog, region: &str, id: &str, body: &[u8]) -> Result<Value, AwsError> {
    if !catalog.is_enabled(region) {
        return Err(AwsError::unrecognized_client());
    }
    check_id(catalog, region, id)?;
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    if request["messages"].as_array().is_none_or(Vec::is_empty) {
        return Err(AwsError::validation(
            "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
        ));
    }
    Ok(json!({
        "metrics": {"latencyMs": 1},
        "output": {"message": {"role": "assistant", "content": [{"text": format!("{id} in {region} heard you.")}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    }))
}

/// Accepts the ID of a model on demand, the ID or ARN of an active system-defined profile, and the
/// ARN of an active application profile, unless the model behind it has ended.
fn check_id(catalog: &Catalog, region: &str, id: &str) -> Result<(), AwsError> {
    let is_profile = |profile: &&Value| {
        let by_id = profile["type"] == "SYSTEM_DEFINED" && profile["inferenceProfileId"] == id;
        profile["status"] == "ACTIVE" && (by_id || profile["inferenceProfileArn"] == id)
    };
    let models = catalog.models(region);
    match models.iter().find(|model| model["modelId"] == id) {
        Some(model) => {
            check_lifecycle(model)?;
            let types = model["inferenceTypesSupported"].as_array();
            if types.is_some_and(|types| types.iter().any(|t| t == "ON_DEMAND")) {
                return Ok(());
            }
            Err(AwsError::validation(format!(
                "Invocation of model ID {id} with on-demand throughput isn\u{2019}t supported. Retry your request with \
                 the ID or ARN of an inference profile that contains this model."
            )))
        }
        None => match catalog.profiles(region).iter().find(is_profile) {
            Some(profile) => models
                .iter()
                .filter(|model| routes_to(profile, model))
                .try_for_each(check_lifecycle),
            None => Err(AwsError::validation(
                "The provided model identifier is invalid.",
            )),
        },
    }
}

fn routes_to(profile: &Value, model: &Value) -> bool {
    let model_id = model["modelId"].as_str().unwrap_or_default();
    let entries = profile["models"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry["modelArn"].as_str()?.rsplit('/').next())
        .any(|id| id == model_id)
}

fn check_lifecycle(model: &Value) -> Result<(), AwsError> {
    let end = model["modelLifecycle"]["endOfLifeTime"].as_str();
    let end: Option<Timestamp> = end.and_then(|time| time.parse().ok());
    match end {
        Some(end) if end <= TODAY => Err(AwsError::end_of_life()),
        Some(_) | None => Ok(()),
    }
}

//! What tests outside the process change and read.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api::Service;
use crate::catalog::Listings;
use crate::fault::FaultRule;
use crate::request_log::RecordedRequest;

pub(crate) async fn set_faults(
    State(service): State<Arc<Service>>,
    Json(rules): Json<Vec<FaultRule>>,
) -> StatusCode {
    service.faults.set(rules);
    StatusCode::NO_CONTENT
}

pub(crate) async fn clear_faults(State(service): State<Arc<Service>>) -> StatusCode {
    service.faults.clear();
    StatusCode::NO_CONTENT
}

pub(crate) async fn requests(State(service): State<Arc<Service>>) -> Json<Vec<RecordedRequest>> {
    Json(service.log.requests())
}

pub(crate) async fn reset_requests(State(service): State<Arc<Service>>) -> StatusCode {
    service.log.reset();
    StatusCode::NO_CONTENT
}

pub(crate) async fn listings(
    State(service): State<Arc<Service>>,
    Path(region): Path<String>,
) -> Json<Listings> {
    let catalog = service
        .catalog
        .read()
        .unwrap_or_else(PoisonError::into_inner);
    Json(Listings {
        model_summaries: catalog.models(&region).to_vec(),
        inference_profile_summaries: catalog.profiles(&region).to_vec(),
    })
}

pub(crate) async fn set_listings(
    State(service): State<Arc<Service>>,
    Path(region): Path<String>,
    // `kubectl replace --raw` does not say that it is JSON.
    body: Bytes,
) -> StatusCode {
    let Ok(listings) = serde_json::from_slice::<Listings>(&body) else {
        return StatusCode::UNPROCESSABLE_ENTITY;
    };
    let mut catalog = service
        .catalog
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    catalog
        .set_models(&region, listings.model_summaries)
        .set_profiles(&region, listings.inference_profile_summaries);
    StatusCode::NO_CONTENT
}

//! What tests outside the process change and read.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api::World;
use crate::catalog::Listings;
use crate::fault::FaultRule;
use crate::request_log::RecordedRequest;

pub(crate) async fn set_faults(
    State(world): State<Arc<World>>,
    Json(rules): Json<Vec<FaultRule>>,
) -> StatusCode {
    world.faults.set(rules);
    StatusCode::NO_CONTENT
}

pub(crate) async fn clear_faults(State(world): State<Arc<World>>) -> StatusCode {
    world.faults.clear();
    StatusCode::NO_CONTENT
}

pub(crate) async fn requests(State(world): State<Arc<World>>) -> Json<Vec<RecordedRequest>> {
    Json(world.log.requests())
}

pub(crate) async fn reset_requests(State(world): State<Arc<World>>) -> StatusCode {
    world.log.reset();
    StatusCode::NO_CONTENT
}

pub(crate) async fn listings(
    State(world): State<Arc<World>>,
    Path(region): Path<String>,
) -> Json<Listings> {
    let catalog = world.catalog.read().unwrap_or_else(PoisonError::into_inner);
    Json(Listings {
        model_summaries: catalog.models(&region).to_vec(),
        inference_profile_summaries: catalog.profiles(&region).to_vec(),
    })
}

pub(crate) async fn set_listings(
    State(world): State<Arc<World>>,
    Path(region): Path<String>,
    // `kubectl replace --raw` does not say that it is JSON.
    body: Bytes,
) -> StatusCode {
    let Ok(listings) = serde_json::from_slice::<Listings>(&body) else {
        return StatusCode::UNPROCESSABLE_ENTITY;
    };
    let mut catalog = world
        .catalog
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    catalog
        .set_models(&region, listings.model_summaries)
        .set_profiles(&region, listings.inference_profile_summaries);
    StatusCode::NO_CONTENT
}

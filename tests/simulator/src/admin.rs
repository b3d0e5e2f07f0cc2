//! What tests outside the process change and read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::World;
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

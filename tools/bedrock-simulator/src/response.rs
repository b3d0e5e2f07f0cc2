//! Answers that are not errors of AWS.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};

pub(crate) fn json(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

pub(crate) fn xml(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let xml = HeaderValue::from_static("text/xml");
    response.headers_mut().insert(CONTENT_TYPE, xml);
    response
}

pub(crate) fn html_page() -> Response {
    Html("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to use the network</body></html>")
        .into_response()
}

//! Connections, which some faults have to get at.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::{get, post, put};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::admin::{clear_faults, listings, requests, reset_requests, set_faults, set_listings};
use crate::api::{Service, list_models, list_profiles, list_regions, unknown_operation};
use crate::converse::converse;
use crate::sts::{container, sts};

/// Breaks the connection that a request came over.
#[derive(Clone, Default)]
pub(crate) struct ConnectionReset(Arc<Notify>);

impl ConnectionReset {
    /// Never returns: the task of the connection ends, and this one with it.
    pub(crate) async fn now<T>(&self) -> T {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// Serves until it is dropped, which also breaks off every connection.
pub(crate) async fn serve(listener: TcpListener, service: Arc<Service>) -> Infallible {
    let router = router(service);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve_connection(stream, router.clone())); }
                // Out of file descriptors, most likely: better later than never.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/foundation-models", get(list_models))
        .route("/inference-profiles", get(list_profiles))
        .route("/listRegions", post(list_regions))
        .route("/model/{id}/converse", post(converse))
        .route("/", post(sts))
        .route("/v1/credentials", get(container))
        .route("/_simulator/faults", put(set_faults).delete(clear_faults))
        .route("/_simulator/requests", get(requests).delete(reset_requests))
        .route(
            "/_simulator/catalog/{region}",
            get(listings).put(set_listings),
        )
        .fallback(unknown_operation)
        .with_state(service)
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let reset = ConnectionReset::default();
    let service = TowerToHyperService::new(router.layer(Extension(reset.clone())));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A connection that breaks is the client's to notice.
        _ = &mut connection => {}
        () = reset.0.notified() => {
            // To close without lingering is what sends RST. Where that cannot be set, the end is merely sudden.
            let stream = connection.into_parts().io.into_inner();
            let _ = stream.set_zero_linger();
        }
    }
}

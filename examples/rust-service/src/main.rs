//! A service that returns the ID to pass for a model over HTTP, from a mounted map:
//!
//! ```console
//! $ rust-service /etc/bedrock 127.0.0.1:8000
//! $ curl http://127.0.0.1:8000/eu-central-1/anthropic.claude-sonnet-4-5-20250929-v1:0
//! eu.anthropic.claude-sonnet-4-5-20250929-v1:0
//! ```

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use bedrock_model_map::reader::MountedMap;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: rust-service FOLDER ADDRESS".into());
    };
    let map = Arc::new(MountedMap::open(folder)?);
    let followed = Arc::clone(&map);
    thread::spawn(move || follow(&followed));

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let routes = Router::new().route("/{region}/{model}", get(invoke_with));
    axum::serve(listener, routes.with_state(map)).await?;
    Ok(())
}

async fn invoke_with(
    State(map): State<Arc<MountedMap>>,
    Path((region, model)): Path<(String, String)>,
) -> Result<String, (StatusCode, String)> {
    let id = map.current().invoke_with(&region, &model);
    id.map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))
}

/// What handlers find current is kept so by this thread.
fn follow(map: &MountedMap) {
    loop {
        match map.wait_for_change(Duration::from_mins(1)) {
            Ok(None) => {}
            Ok(Some(changed)) => println!("changed: {} regions", changed.regions().len()),
            Err(error) => eprintln!("the last good map stays in use: {error}"),
        }
    }
}

//! Faults of how a body gets to the client.

use std::time::Duration;
use std::{io, mem};

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use futures::stream;

use crate::fault::Fault;
use crate::response;

const PIECES: usize = 20;

/// An answer with this JSON body.
pub(crate) fn deliver(json: Vec<u8>, faults: &[Fault]) -> Response {
    let length = json.len();
    let slow = faults.iter().find_map(|fault| match fault {
        Fault::SlowBody { over } => Some(*over),
        _ => None,
    });
    let truncated = faults.contains(&Fault::TruncatedBody);
    if slow.is_none() && !truncated {
        return response::json(Body::from(json));
    }
    let pieces = Pieces::new(Bytes::from(json), slow.unwrap_or_default(), truncated);
    let mut response = response::json(pieces.into_body());
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// A body on its way.
struct Pieces {
    rest: Bytes,
    size: usize,
    pause: Duration,
    truncated: bool,
}

impl Pieces {
    fn new(mut body: Bytes, over: Duration, truncated: bool) -> Self {
        if truncated {
            body.truncate(body.len() / 2);
        }
        Self {
            size: body.len().div_ceil(PIECES).max(1),
            rest: body,
            pause: over / u32::try_from(PIECES).unwrap_or(1),
            truncated,
        }
    }

    fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(self, |mut pieces| async {
            let piece = pieces.next().await?;
            Some((piece, pieces))
        }))
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.rest.is_empty() {
            if !mem::take(&mut self.truncated) {
                return None;
            }
            // What was sent so far has to leave the buffers before the connection breaks.
            tokio::task::yield_now().await;
            return Some(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        tokio::time::sleep(self.pause).await;
        Some(Ok(self.rest.split_to(self.size.min(self.rest.len()))))
    }
}

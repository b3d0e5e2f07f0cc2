//! The route `/metrics`: `OpenMetrics` for clients that accept it, else Prometheus' text format.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::metrics::Metrics;
use super::text_format::from_openmetrics;

/// Longest age of a scrape's buffer.
const MAX_SCRAPE_AGE: Duration = Duration::from_secs(1);
const OPENMETRICS: &str = "application/openmetrics-text";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    OpenMetrics,
    Text,
}

impl Format {
    /// The format for a request: a client that does not name `OpenMetrics` may not read it.
    fn negotiate(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let accepted = accepted.filter_map(|value| value.to_str().ok());
        let mut ranges = accepted.flat_map(|value| value.split(','));
        if ranges.any(accepts_openmetrics) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Whether a media range names `OpenMetrics`, with a quality other than zero.
fn accepts_openmetrics(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_named = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(OPENMETRICS));
    let mut qualities = parts.filter_map(|parameter| parameter.strip_prefix("q="));
    is_named && !qualities.any(|quality| quality.parse() == Ok(0.0))
}

/// Route `/metrics`.
pub fn routes(metrics: &Metrics) -> Router {
    let buffers = Buffers {
        openmetrics: Buffer::new(Format::OpenMetrics, metrics),
        text: Buffer::new(Format::Text, metrics),
    };
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(Arc::new(buffers))
}

async fn scrape(State(buffers): State<Arc<Buffers>>, headers: HeaderMap) -> Response {
    let format = Format::negotiate(&headers);
    let buffer = match format {
        Format::OpenMetrics => &buffers.openmetrics,
        Format::Text => &buffers.text,
    };
    match buffer.latest().await {
        Ok(text) => {
            let content_type = [
                (header::CONTENT_TYPE, format.content_type()),
                (header::VARY, "Accept"),
            ];
            (content_type, text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[derive(Debug)]
struct Buffers {
    openmetrics: Buffer,
    text: Buffer,
}

/// The last scrape in a format. Concurrent scrapers share one buffer, which is encoded once.
#[derive(Debug)]
struct Buffer {
    format: Format,
    metrics: Metrics,
    latest: tokio::sync::Mutex<Option<Scrape>>,
}

#[derive(Debug)]
struct Scrape {
    encoded_at: Instant,
    text: Bytes,
}

impl Buffer {
    fn new(format: Format, metrics: &Metrics) -> Self {
        Self {
            format,
            metrics: metrics.clone(),
            latest: tokio::sync::Mutex::default(),
        }
    }

    async fn latest(&self) -> io::Result<Bytes> {
        let mut latest = self.latest.lock().await;
        if let Some(scrape) = latest.as_ref()
            && scrape.encoded_at.elapsed() < MAX_SCRAPE_AGE
        {
            return Ok(scrape.text.clone());
        }
        // The old buffer is freed before the new one is made.
        *latest = None;
        let (format, metrics) = (self.format, self.metrics.clone());
        let text = tokio::task::spawn_blocking(move || encode(format, &metrics)).await??;
        *latest = Some(Scrape {
            encoded_at: Instant::now(),
            text: text.clone(),
        });
        Ok(text)
    }
}

fn encode(format: Format, metrics: &Metrics) -> io::Result<Bytes> {
    let openmetrics = metrics.encode().map_err(io::Error::other)?;
    Ok(Bytes::from(match format {
        Format::OpenMetrics => openmetrics,
        Format::Text => from_openmetrics(&openmetrics),
    }))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn concurrent_scrapes_share_one_buffer() {
        let buffer = Buffer::new(Format::Text, &Metrics::default());
        let (one, two) = futures::future::join(buffer.latest(), buffer.latest()).await;
        assert_eq!(one.unwrap().as_ptr(), two.unwrap().as_ptr());
    }

    #[test]
    fn openmetrics_is_for_clients_that_name_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        for (accept, expected) in [
            (&[prometheus][..], Format::OpenMetrics),
            (
                &["text/html", "Application/OpenMetrics-Text"],
                Format::OpenMetrics,
            ),
            (
                &["text/plain, application/openmetrics-text; q=0"],
                Format::Text,
            ),
            (&["application/openmetrics-text-2"], Format::Text),
            (&["text/plain;version=0.0.4"], Format::Text),
            (&["*/*"], Format::Text),
            (&["\u{e9}"], Format::Text),
            (&[], Format::Text),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(header::ACCEPT, value);
            }
            assert_eq!(Format::negotiate(&headers), expected, "{accept:?}");
        }
    }
}

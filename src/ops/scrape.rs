//! The route `/metrics`: `OpenMetrics` for clients that accept it, else Prometheus' text format.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::compressed_text::{CompressedText, Compressor};
use super::metrics::Metrics;
use super::text_format::TextFormat;

/// Shortest time for which a scrape serves others.
const MIN_SCRAPE_AGE: Duration = Duration::from_secs(1);
/// A scrape serves others for so many times the time that it took: in each format clients, however many, make one
/// thread work a tenth of the time.
const IDLE_SHARE: u32 = 9;
const OPENMETRICS: &str = "application/openmetrics-text";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    OpenMetrics,
    Text,
}

impl Format {
    /// The format for a request: a client that does not name `OpenMetrics` may not read it.
    fn negotiate(headers: &HeaderMap) -> Self {
        if names(headers, &header::ACCEPT, OPENMETRICS) {
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

/// Whether a header names what is accepted, with a quality other than zero.
fn names(headers: &HeaderMap, header: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(header).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut named = values.flat_map(|value| value.split(','));
    named.any(|named| {
        let mut parts = named.split(';').map(str::trim);
        let is_wanted = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let mut qualities = parts.filter_map(|parameter| parameter.strip_prefix("q="));
        is_wanted && !qualities.any(|quality| quality.parse() == Ok(0.0))
    })
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
    let text = match buffer.latest().await {
        Ok(text) => text,
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response();
        }
    };
    let described = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::VARY, "Accept, Accept-Encoding"),
    ];
    if names(&headers, &header::ACCEPT_ENCODING, "gzip") {
        let encoding = [(header::CONTENT_ENCODING, "gzip")];
        (described, encoding, text.gzip()).into_response()
    } else {
        (described, text.inflate()).into_response()
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
    outdated_at: Instant,
    text: CompressedText,
}

impl Buffer {
    fn new(format: Format, metrics: &Metrics) -> Self {
        Self {
            format,
            metrics: metrics.clone(),
            latest: tokio::sync::Mutex::default(),
        }
    }

    async fn latest(&self) -> io::Result<CompressedText> {
        let mut latest = self.latest.lock().await;
        if let Some(scrape) = latest.as_ref()
            && Instant::now() < scrape.outdated_at
        {
            return Ok(scrape.text.clone());
        }
        let (format, metrics, began) = (self.format, self.metrics.clone(), Instant::now());
        let text = tokio::task::spawn_blocking(move || encode(format, &metrics)).await??;
        *latest = Some(Scrape {
            outdated_at: Instant::now() + serves_for(began.elapsed()),
            text: text.clone(),
        });
        Ok(text)
    }
}

/// How long a scrape serves, by the time that it took.
fn serves_for(took: Duration) -> Duration {
    MIN_SCRAPE_AGE.max(took * IDLE_SHARE)
}

fn encode(format: Format, metrics: &Metrics) -> io::Result<CompressedText> {
    Compressor::compress(|out| match format {
        Format::OpenMetrics => metrics.encode(out),
        Format::Text => metrics.encode(&mut TextFormat::new(out)),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::body::Body;
    use axum::http::{HeaderValue, Request};
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn concurrent_scrapes_share_one_buffer() {
        let buffer = Buffer::new(Format::Text, &Metrics::default());
        let (one, two) = futures::future::join(buffer.latest(), buffer.latest()).await;
        let [one, two] = [one, two].map(|text| text.unwrap().gzip());
        assert_eq!(one.as_ptr(), two.as_ptr());
    }

    #[test]
    fn scrape_that_took_long_serves_longer() {
        for (took, serves) in [(1, 1_000), (100, 1_000), (1_000, 9_000)] {
            assert_eq!(
                serves_for(Duration::from_millis(took)),
                Duration::from_millis(serves)
            );
        }
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
    #[tokio::test]
    async fn client_that_accepts_gzip_gets_it_and_another_the_text() {
        let app = routes(&Metrics::default());
        for (accepted, encoding) in [
            (Some("deflate, gzip;q=0.5"), Some("gzip")),
            (Some("gzip;q=0"), None),
            (Some("br"), None),
            (None, None),
        ] {
            let mut request = Request::get("/metrics");
            if let Some(accepted) = accepted {
                request = request.header(header::ACCEPT_ENCODING, accepted);
            }
            let request = request.body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            let given = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(
                given.map(HeaderValue::as_bytes),
                encoding.map(str::as_bytes)
            );
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let mut text = String::new();
            match encoding {
                Some(_) => GzDecoder::new(&*body).read_to_string(&mut text),
                None => (&*body).read_to_string(&mut text),
            }
            .unwrap();
            assert!(text.contains("# TYPE bedrock_model_map_"), "{text}");
        }
    }
}

//! Traces, sent to an OpenTelemetry collector over HTTP with Protobuf.
//!
//! Only where the environment names a collector, by OpenTelemetry's own variables: its endpoint,
//! headers, timeout, sampler and resource are what they say there. The collector is reached
//! without TLS: it is meant to be the Pod's or the node's neighbour.

use std::env;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

const NAME: &str = env!("CARGO_PKG_NAME");
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The endpoint asks for TLS.
    #[error("{0}: the collector is reached over http:// only; put one next to the operator")]
    Tls(String),
    /// A variable cannot be read.
    #[error("{0}; see the variables OTEL_EXPORTER_OTLP_*")]
    Exporter(#[from] ExporterBuildError),
}

/// What sends traces. Those not sent yet are sent by [`Traces::end`].
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send, if the environment names a collector. Needs the async runtime.
    pub fn begin() -> Result<Option<Self>, TracesError> {
        let endpoint = ENDPOINTS.into_iter().find_map(|name| env::var(name).ok());
        let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(None);
        };
        if endpoint.starts_with("https:") {
            return Err(TracesError::Tls(endpoint));
        }
        let exporter = SpanExporter::builder().with_http().build()?;
        let resource = Resource::builder()
            .with_service_name(env::var("OTEL_SERVICE_NAME").unwrap_or(NAME.to_owned()))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter, Tokio).build())
            .with_resource(resource)
            .build();
        Ok(Some(Self(provider)))
    }

    /// The layer that makes spans of the program's own.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(NAME))
            .with_threads(false)
    }

    /// Sends what is not sent yet.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!("traces are lost: {error}");
        }
    }
}

//! Traces, exported to an OpenTelemetry collector over HTTP with Protobuf.
//!
//! OpenTelemetry's own environment variables configure the export: endpoint, headers, timeout,
//! sampler and resource. Without an endpoint there is no export. TLS is not supported: the collector
//! runs next to the Pod or on its node.

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

/// Error in the configuration of the trace export.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The endpoint requires TLS.
    #[error("{0}: only http:// endpoints are supported; run a collector next to the operator")]
    Tls(String),
    /// Invalid exporter configuration.
    #[error("{0}; check the OTEL_EXPORTER_OTLP_* environment variables")]
    Exporter(#[from] ExporterBuildError),
}

/// Exporter of traces; [`Traces::shutdown`] flushes pending spans.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the export if the environment names a collector. Must run inside the async runtime.
    pub fn from_env() -> Result<Option<Self>, TracesError> {
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

    /// Layer that turns the program's spans into traces.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(NAME))
            .with_threads(false)
    }

    /// Flushes pending spans and stops the export.
    pub fn shutdown(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!("pending traces are lost: {error}");
        }
    }
}

//! Logs on stderr, and traces.

use std::io::IsTerminal as _;

#[cfg(feature = "otlp")]
use super::traces::Traces;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Format of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Human-readable text.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Error in the set-up of logs and traces.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Malformed filter.
    #[error("invalid --log-filter {filter:?}: {source}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// Error of the parser.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process has a logger already.
    #[error("cannot initialize logging: {0}")]
    Init(#[from] TryInitError),
    /// Invalid configuration of the trace collector.
    #[cfg(feature = "otlp")]
    #[error("cannot export traces: {0}")]
    Traces(#[from] super::traces::TracesError),
}

/// Logs and traces of the process. Dropping it flushes pending spans.
#[must_use]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    traces: Option<Traces>,
}

#[cfg(feature = "otlp")]
impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            traces.shutdown();
        }
    }
}

/// Starts logging to stderr and, if the environment names a collector, the export of traces. Must run
/// inside the async runtime.
pub fn init(format: LogFormat, filter: &str) -> Result<Telemetry, TelemetryError> {
    let directives =
        EnvFilter::builder()
            .parse(filter)
            .map_err(|source| TelemetryError::Filter {
                filter: filter.to_owned(),
                source,
            })?;
    let registry = tracing_subscriber::registry().with(directives);
    #[cfg(feature = "otlp")]
    let traces = Traces::from_env()?;
    #[cfg(feature = "otlp")]
    let registry = registry.with(traces.as_ref().map(Traces::layer));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Pretty => registry
            .with(layer.with_ansi(std::io::stderr().is_terminal()))
            .try_init()?,
        LogFormat::Json => registry
            .with(
                layer
                    .json()
                    .flatten_event(true)
                    // The span list ends with the current span.
                    .with_current_span(false),
            )
            .try_init()?,
    }
    Ok(Telemetry {
        #[cfg(feature = "otlp")]
        traces,
    })
}

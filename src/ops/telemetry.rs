//! Logs, on stderr.

use std::io::IsTerminal as _;

#[cfg(feature = "otlp")]
use super::traces::Traces;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Why logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("--log-filter {filter:?} cannot be read: {source}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs are set up already.
    #[error("logs cannot be set up: {0}")]
    Init(#[from] TryInitError),
    /// The collector of traces, as the environment names it, cannot be used.
    #[cfg(feature = "otlp")]
    #[error("traces cannot be sent: {0}")]
    Traces(#[from] super::traces::TracesError),
}

/// Logs and traces of a process. What is not sent yet is sent when it is dropped.
#[must_use]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    traces: Option<Traces>,
}

#[cfg(feature = "otlp")]
impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            traces.end();
        }
    }
}

/// Sends logs to stderr, and traces where the environment names. Needs the async runtime.
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
    let traces = Traces::begin()?;
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
                    // It is the last of the list.
                    .with_current_span(false),
            )
            .try_init()?,
    }
    Ok(Telemetry {
        #[cfg(feature = "otlp")]
        traces,
    })
}

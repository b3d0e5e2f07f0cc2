//! Logs, on stderr.

use std::io::IsTerminal as _;

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
}

/// Sends logs to stderr.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let directives =
        EnvFilter::builder()
            .parse(filter)
            .map_err(|source| TelemetryError::Filter {
                filter: filter.to_owned(),
                source,
            })?;
    let registry = tracing_subscriber::registry().with(directives);
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
    Ok(())
}

//! Operations: logs, metrics, traces, probes, watchdog and shutdown signals.

pub mod admin;
mod compressed_text;
pub mod metrics;
pub mod readiness;
pub mod scrape;
pub mod shutdown;
pub mod telemetry;
mod text_format;
#[cfg(feature = "otlp")]
pub mod traces;
pub mod watchdog;

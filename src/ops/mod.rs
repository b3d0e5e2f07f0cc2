//! Operations: logs, metrics, traces, probes, watchdog and shutdown signals.

pub mod admin;
pub mod metrics;
pub mod readiness;
pub mod shutdown;
pub mod telemetry;
#[cfg(feature = "otlp")]
pub mod traces;
pub mod watchdog;

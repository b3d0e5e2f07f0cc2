//! What every long-running program needs: logs, metrics, probes, and an orderly end.

pub mod admin;
pub mod metrics;
pub mod readiness;
pub mod shutdown;
pub mod telemetry;
#[cfg(feature = "otlp")]
pub mod traces;
pub mod watchdog;

//! What every long-running program needs: logs, probes, and an orderly end.

pub mod admin;
pub mod readiness;
pub mod shutdown;
pub mod telemetry;

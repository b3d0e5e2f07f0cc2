//! What every long-running program needs: logs, and an orderly end.

pub mod shutdown;
pub mod telemetry;

//! Shutdown signals.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Completes on SIGTERM (Kubernetes) or SIGINT (Ctrl-C).
pub fn signal_received() -> io::Result<impl Future<Output = ()> + Send + Sync + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("received SIGTERM, stopping"),
            _ = interrupt.recv() => tracing::info!("received SIGINT, stopping"),
        }
    })
}

//! The end of the process, as the system asks for it.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ready when the process is asked to end: SIGTERM (Kubernetes) or SIGINT (Ctrl-C).
pub fn requested() -> io::Result<impl Future<Output = ()> + Send + Sync + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}

//! The simulator as a program of its own.

use std::error::Error;
use std::net::SocketAddr;

use bedrock_simulator::{Catalog, Delay, Fault, Simulator};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// The control API of Amazon Bedrock, simulated over HTTP with 31 real regions.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 is any free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// How long each answer takes, as in `50ms` or `50ms..300ms`.
    #[arg(long)]
    latency: Option<Delay>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // Before its address is printed: a reader of that may end the process.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let simulator = Simulator::start_on(arguments.listen, Catalog::real()?).await?;
    if let Some(delay) = arguments.latency {
        simulator.faults().add(Fault::latency(delay));
    }
    println!("listening on {}", simulator.url());

    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

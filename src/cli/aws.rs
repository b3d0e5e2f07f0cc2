//! AWS as the commands without a cluster ask it.

use std::io;
use std::time::Duration;

use crate::aws::{Aws, Limits, Snapshots};

#[derive(Debug, clap::Args)]
pub(super) struct AwsArgs {
    /// How many regions are asked at once.
    #[arg(long, env = "CONCURRENT_REGIONS", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrent_regions: u16,

    /// How long a region may take to answer in all, in seconds.
    #[arg(long, env = "REGION_TIMEOUT_SECONDS", value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=300))]
    region_timeout_seconds: u64,
}

impl AwsArgs {
    pub(super) async fn snapshots(&self) -> Snapshots {
        let limits = Limits {
            region_timeout: Duration::from_secs(self.region_timeout_seconds),
            concurrent_regions: usize::from(self.concurrent_regions),
        };
        Snapshots::new(Aws::load(limits).await)
    }
}

/// Carries a command out that talks to AWS or a cluster.
pub(super) fn block_on<T>(command: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(command))
}

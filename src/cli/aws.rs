//! AWS as the commands without a cluster ask it.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::api::MANAGER;
use crate::aws::identity::{Caller, ExternalId, Role, RoleArn};
use crate::aws::{Aws, Limits, NoCertificatesError, SnapshotCache};

#[derive(Debug, clap::Args)]
pub(super) struct AwsArgs {
    /// How many regions are asked at once.
    #[arg(long, env = "CONCURRENT_REGIONS", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrent_regions: u16,

    /// How many requests a second an identity (the operator's own, or a role) makes in a region, on
    /// average; the SDK's retries are not counted.
    #[arg(long, env = "REQUESTS_PER_SECOND", value_name = "N", default_value_t = Limits::default().requests_per_second)]
    requests_per_second: NonZeroU32,

    /// How long a region may take to answer in all, in seconds.
    #[arg(long, env = "REGION_TIMEOUT_SECONDS", value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=300))]
    region_timeout_seconds: u64,

    /// ARN of an IAM role to assume first. Default: ask with the credentials found.
    #[arg(long, env = "ROLE_ARN", value_name = "ARN")]
    role_arn: Option<RoleArn>,

    /// External id that the role's trust policy asks for.
    #[arg(
        long,
        env = "EXTERNAL_ID",
        hide_env_values = true,
        value_name = "ID",
        requires = "role_arn"
    )]
    external_id: Option<ExternalId>,
}

impl AwsArgs {
    /// As whom AWS is asked.
    pub(super) fn caller(&self) -> Caller {
        match &self.role_arn {
            None => Caller::Own,
            Some(arn) => Caller::Session {
                role: Arc::new(Role {
                    arn: arn.clone(),
                    external_id: self.external_id.clone(),
                }),
                name: MANAGER.to_owned(),
            },
        }
    }

    pub(super) async fn snapshots(&self) -> Result<SnapshotCache, NoCertificatesError> {
        let limits = Limits {
            region_timeout: Duration::from_secs(self.region_timeout_seconds),
            concurrent_regions: usize::from(self.concurrent_regions),
            requests_per_second: self.requests_per_second,
        };
        Ok(SnapshotCache::new(Aws::load(limits).await?))
    }
}

/// Carries a command out that talks to AWS or a cluster.
pub(super) fn block_on<T>(command: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(command))
}

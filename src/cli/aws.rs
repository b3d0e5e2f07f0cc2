//! AWS access of the commands that query it.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;

use crate::api::MANAGER;
use crate::aws::identity::{Caller, ExternalId, Role, RoleArn};
use crate::aws::{Aws, Limits, NoCertificatesError, SnapshotCache};

/// Limits of the requests to AWS, for all commands that send any.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct LimitArgs {
    /// Maximum number of regions queried at the same time, for all resources together.
    #[arg(long, env = "CONCURRENT_REGIONS", value_name = "N", default_value_t = Limits::default().concurrent_regions, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    concurrent_regions: usize,

    /// Average number of requests per second for each identity (the program's own, or a role) and
    /// region, excluding the SDK's retries. First publications precede forced refreshes, and these
    /// precede scheduled ones.
    #[arg(long, env = "REQUESTS_PER_SECOND", value_name = "N", default_value_t = Limits::default().requests_per_second)]
    requests_per_second: NonZeroU32,

    /// Timeout for all requests to one region, in seconds.
    #[arg(long, env = "REGION_TIMEOUT_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().region_timeout.as_secs(), value_parser = clap::value_parser!(u64).range(1..=300))]
    region_timeout_seconds: u64,
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self {
            region_timeout: Duration::from_secs(args.region_timeout_seconds),
            concurrent_regions: args.concurrent_regions,
            requests_per_second: args.requests_per_second,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct AwsArgs {
    #[command(flatten)]
    limits: LimitArgs,

    /// ARN of an IAM role to assume. Default: the credentials found are used as they are.
    #[arg(long, env = "ROLE_ARN", value_name = "ARN")]
    role_arn: Option<RoleArn>,

    /// External ID that the role's trust policy requires.
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
        Ok(SnapshotCache::new(Aws::load(self.limits.into()).await?))
    }
}

/// Runs the async part of a command.
pub(super) fn block_on<T>(command: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(command))
}

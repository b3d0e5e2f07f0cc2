//! Calls AWS. The AWS SDK appears in no other module.

mod account;
mod account_cache;
mod api_call;
mod cache_key;
mod client;
mod credentials;
mod credentials_error;
mod discovery;
#[cfg(feature = "operator")]
pub(crate) mod environment;
mod error;
pub mod identity;
mod metrics;
mod metrics_interceptor;
pub mod priority;
mod priority_semaphore;
mod rate_limit;
mod response_body;
mod retry;
#[cfg(feature = "operator")]
pub mod role_rules;
#[cfg(feature = "internals")]
pub mod scripted;
mod snapshot_cache;
#[cfg(test)]
mod test_support;

pub use client::{Aws, Limits, NoCertificatesError};
pub use error::{Audience, AwsError};
pub use metrics::{AwsMetrics, SnapshotSource, WaitReason};
pub use snapshot_cache::SnapshotCache;

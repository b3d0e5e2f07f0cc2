//! Calls AWS. The AWS SDK appears in no other module.

mod account;
mod api_call;
mod cache_key;
mod client;
mod credentials;
mod credentials_error;
mod discovery;
mod error;
pub mod identity;
mod metrics;
mod metrics_interceptor;
pub mod priority;
mod priority_semaphore;
mod rate_limit;
mod raw_response;
#[cfg(feature = "operator")]
pub mod role_rules;
mod snapshot_cache;

pub use client::{Aws, Limits, NoCertificates};
pub use error::{Audience, AwsError};
pub use metrics::{AwsMetrics, SnapshotSource, WaitReason};
pub use snapshot_cache::SnapshotCache;

//! Asks AWS. The AWS SDK appears nowhere else.

mod account;
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
pub use metrics::{AwsMetrics, SnapshotSource, WaitReason};
pub use snapshot_cache::SnapshotCache;

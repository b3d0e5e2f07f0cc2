//! What Amazon Bedrock answers. The AWS SDK appears nowhere else.

mod account;
mod classify;
mod client;
mod credentials;
mod discovery;
mod meter;
mod no_credentials;
mod observer;
mod rate;
mod raw_answer;
mod snapshots;
mod turnstile;

pub use client::{Aws, Limits, NoCertificates};
pub use observer::{HeldBackBy, Observer, SnapshotSource};
pub use snapshots::Snapshots;

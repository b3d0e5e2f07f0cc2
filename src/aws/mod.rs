//! What Amazon Bedrock answers. The AWS SDK appears nowhere else.

mod account;
mod classify;
mod client;
mod discovery;
mod meter;
mod observer;
mod raw_answer;
mod snapshots;

pub use client::{Aws, Limits};
pub use observer::{Observer, SnapshotSource};
pub use snapshots::Snapshots;

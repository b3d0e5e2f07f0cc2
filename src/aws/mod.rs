//! What Amazon Bedrock answers. The AWS SDK appears nowhere else.

mod account;
mod classify;
mod client;
mod discovery;
mod raw_answer;
mod snapshots;

pub use client::{Aws, Limits};
pub use snapshots::Snapshots;

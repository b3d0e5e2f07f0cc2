//! The commands, run as a user runs them.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cluster;
mod consumers;
mod credentials;
mod discover;
mod get;
mod hosts;
mod iam_policy;
mod mounts;
mod oracle;
mod packaging;
mod policy;
mod proxy;
mod render;
mod resolve;
mod support;
mod terminal;
mod transcripts;

//! The crate as other programs use it.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod dependencies;
mod examples;
mod kubelet;
mod mounts;
mod public_api;

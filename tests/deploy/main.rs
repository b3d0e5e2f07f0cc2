//! What a platform team installs: the chart, the Kustomize bases and the image, checked by the tools of the field
//! and by a real API server; and that the documents say what is true and works.
//!
//! Not part of `cargo test` without arguments, because the tools are built first: `make test-deploy`.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod chart;
mod cluster;
mod cluster_map_rights;
mod commands;
mod gitops;
mod install;
mod kustomize;
mod manifests;
mod markdown;
mod policies;
mod release;
mod rights;
mod shell;
mod snippets;
mod tools;
mod upgrade;

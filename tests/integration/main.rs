//! The operator against a real API server.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod aliases;
mod cluster_map_faults;
mod cluster_map_scale;
mod cluster_map_validation;
mod cluster_maps;
mod contention;
mod crd_validation;
mod dashboard;
mod definition_skew;
mod events;
mod failures;
mod heap;
mod identity;
mod leader_election;
mod logs;
mod memory;
mod metrics;
mod older_definition;
mod oracle;
mod output;
mod ownership;
mod parity;
mod priority;
mod publication;
mod refresh;
mod requests;
mod roles;
mod selection;
mod sharding;
mod start_up;
mod support;
#[cfg(feature = "otlp")]
mod traces;

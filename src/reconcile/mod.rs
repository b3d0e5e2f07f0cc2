//! One reconciliation of one resource: its steps and decisions, and the port for its effects.

#[cfg(feature = "operator")]
mod aliases;
#[cfg(feature = "operator")]
pub mod contention;
#[cfg(feature = "operator")]
mod context;
#[cfg(feature = "operator")]
mod discover;
#[cfg(feature = "operator")]
mod drift;
#[cfg(feature = "operator")]
mod effects;
#[cfg(feature = "operator")]
mod last_good;
#[cfg(feature = "operator")]
mod merged;
#[cfg(feature = "operator")]
pub mod pace;
#[cfg(feature = "operator")]
mod pipeline;
#[cfg(feature = "operator")]
pub mod plan;
#[cfg(feature = "operator")]
mod prune;
#[cfg(feature = "operator")]
mod publish;
#[cfg(feature = "operator")]
mod refusal;
#[cfg(feature = "operator")]
mod region;
#[cfg(feature = "operator")]
mod rendering;
#[cfg(feature = "operator")]
mod report;
#[cfg(feature = "operator")]
mod retain;
#[cfg(feature = "operator")]
pub mod schedule;
pub mod status;
#[cfg(feature = "operator")]
pub mod validate;

#[cfg(feature = "operator")]
pub use effects::{Effects, Seen, Work};
#[cfg(feature = "operator")]
pub(crate) use last_good::{MergedModels, merged_models};
#[cfg(feature = "operator")]
pub use pipeline::{Next, Outcome, Reconciler, Refreshed};

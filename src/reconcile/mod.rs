//! One reconciliation of one resource: what decides, and the port through which it acts.

#[cfg(feature = "operator")]
mod effects;
#[cfg(feature = "operator")]
mod last_good;
#[cfg(feature = "operator")]
mod merged;
#[cfg(feature = "operator")]
mod pipeline;
#[cfg(feature = "operator")]
pub mod plan;
#[cfg(feature = "operator")]
mod refresh;
#[cfg(feature = "operator")]
mod region;
#[cfg(feature = "operator")]
mod retain;
#[cfg(feature = "operator")]
pub mod schedule;
pub mod status;
#[cfg(feature = "operator")]
pub mod validate;

#[cfg(feature = "operator")]
pub use effects::{Effects, Work};
#[cfg(feature = "operator")]
pub use pipeline::{Next, Outcome, Reconciler, Refreshed};

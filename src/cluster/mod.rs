//! The Kubernetes side: watches resources, refreshes them, and publishes what AWS answered.

mod call;
mod controller;
mod events;
mod fence;
mod lease;
mod ledger;
mod log;
mod metrics;
mod publish;
mod reconcile;
mod selector;
mod status;
mod watch;

pub use controller::{Options, run};
pub use fence::Fence;
pub use lease::{Candidate, Lost, Place};
pub use selector::{SelectorError, check_selector};

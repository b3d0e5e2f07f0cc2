//! The Kubernetes side: watches resources, refreshes them, and publishes what AWS answered.

mod call;
mod controller;
mod events;
mod last_good;
mod ledger;
mod mapping;
mod publish;
mod reconcile;
mod refresh;
mod status;

pub use controller::{Options, run};

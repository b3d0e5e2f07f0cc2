//! The Kubernetes side: watches resources, refreshes them, and publishes what AWS answered.

mod call;
mod controller;
mod events;
mod ledger;
mod publish;
mod reconcile;
mod status;

pub use controller::{Options, run};

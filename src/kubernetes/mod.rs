//! Kubernetes: watches resources, carries out what a reconciliation decides, writes `ConfigMaps`,
//! status and Events.

mod config_map;
mod controller;
mod effects;
mod events;
mod log;
mod own_writes;
pub mod request;
mod resource_metrics;
mod selector;
mod status;
mod watch;

pub use controller::{Options, run};
pub use selector::{SelectorError, check_selector};

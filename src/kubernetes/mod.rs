//! Kubernetes: watches, the controller, and the writes of `ConfigMaps`, status and Events.

mod aws_metrics;
mod cluster_maps;
mod config_map;
mod content_cache;
mod context;
mod controller;
mod cpu;
mod definition_skew;
mod effects;
mod events;
mod fair_queue;
mod forced_refreshes;
mod lifecycles;
mod lists;
mod log;
mod own_writes;
mod panics;
mod progress;
mod reconcile_error;
mod relisting_watcher;
mod render_budget;
pub mod request;
pub mod request_metrics;
mod resource_metrics;
mod selector;
mod shared_values;
mod status;
mod unreadable;
mod watch;
mod watch_errors;
mod watched_config_maps;

pub use controller::{Operator, Options};
pub use selector::{SelectorError, check_selector};

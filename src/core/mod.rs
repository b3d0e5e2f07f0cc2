//! What decides: pure functions over plain values. Nothing here reads a clock, a file, an
//! environment variable or the network.

#[cfg(feature = "operator")]
pub mod account_state;
pub mod association;
pub mod catalog;
#[cfg(feature = "operator")]
pub mod changes;
#[cfg(feature = "operator")]
pub mod conditions;
pub mod content;
#[cfg(feature = "operator")]
pub mod election;
#[cfg(feature = "operator")]
pub mod events;
pub mod invocation;
#[cfg(feature = "operator")]
pub mod lifecycle;
#[cfg(feature = "operator")]
pub mod look;
#[cfg(feature = "operator")]
pub mod ownership;
#[cfg(feature = "operator")]
pub mod plan;
pub mod region_name;
#[cfg(feature = "aws")]
pub mod region_state;
#[cfg(feature = "operator")]
pub mod render;
pub mod resolve;
#[cfg(feature = "operator")]
pub mod schedule;
pub mod selection;
#[cfg(feature = "operator")]
pub mod settings;
#[cfg(feature = "operator")]
pub mod status_detail;

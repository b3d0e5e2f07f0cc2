//! What decides: pure functions over plain values. Nothing here reads a clock, a file, an
//! environment variable or the network.

pub mod account_state;
pub mod association;
pub mod catalog;
pub mod changes;
pub mod conditions;
pub mod events;
pub mod invocation;
pub mod ownership;
pub mod plan;
pub mod region_state;
pub mod render;
pub mod resolve;
pub mod schedule;
pub mod selection;
pub mod settings;

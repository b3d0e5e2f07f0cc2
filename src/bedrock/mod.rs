//! Bedrock's responses and the facts derived from them, without Kubernetes, clock, file, network or
//! async.

pub mod aliases;
pub mod association;
mod canonical;
pub mod catalog;
pub mod diff;
pub mod glob;
pub mod iam_policy;
pub mod invocation;
pub mod lifecycle;
pub mod lifecycle_summary;
pub mod model;
mod natural_order;
pub mod policy;
pub mod profile;
pub mod profile_facts;
pub mod region;
pub mod resolve;
pub mod response;
pub mod selection;
pub mod view;

pub use canonical::ItemError;

//! What Bedrock answers and what follows from it. Nothing here knows Kubernetes, a clock, a file or
//! the network, and nothing is async.

pub mod association;
pub mod catalog;
pub mod diff;
pub mod glob;
pub mod invocation;
pub mod lifecycle;
pub mod region;
pub mod resolve;
pub mod response;
pub mod selection;

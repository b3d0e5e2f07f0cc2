//! Leader election by a Lease, and the fence that stops the writes of a former leader.

pub mod election;
mod fence;
mod lease;

pub use fence::Fence;
pub use lease::{Candidate, LeadershipLost, LeaseRef};

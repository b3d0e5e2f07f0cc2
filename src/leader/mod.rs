//! Leader election by a Lease, and the fence that keeps a former leader from writing.

pub mod election;
mod fence;
mod lease;

pub use fence::Fence;
pub use lease::{Candidate, LeadershipLost, LeaseRef};

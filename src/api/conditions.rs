//! The types of the conditions in the status.

/// Whether the latest spec was tried and every region that has ever answered is published.
pub const READY: &str = "Ready";
/// Present while an announced refresh is under way.
pub const RECONCILING: &str = "Reconciling";
/// Present while only a change by a user helps.
pub const STALLED: &str = "Stalled";
/// Whether at least one requested region is Stale or Failed.
pub const DEGRADED: &str = "Degraded";

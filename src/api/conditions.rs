//! The types of the conditions in the status.

/// True if the latest spec was attempted and every region that ever succeeded is published.
pub const READY: &str = "Ready";
/// Present while the first, a forced, or a spec change's refresh is in progress.
pub const RECONCILING: &str = "Reconciling";
/// Present while the operator cannot continue until a user changes something.
pub const STALLED: &str = "Stalled";
/// False if `spec.invocation` leaves published models without an ID that callers may pass.
pub const IDS_AVAILABLE: &str = "IdsAvailable";
/// True if at least one region of the spec is Stale or Failed, or another writer changes a `ConfigMap`
/// again and again.
pub const DEGRADED: &str = "Degraded";

//! The order of fetches when not all can run at once.

/// The priority of a fetch, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Nothing is published of the region yet: a workload waits for a first map.
    First,
    /// A user forced a refresh or changed the spec; older data is published meanwhile.
    Requested,
    /// The region is due, or a retry is.
    Routine,
}

//! The bound on content that all reconciliations together have in memory.

use super::fair_queue::{FairPermit, FairSemaphore};

/// One stands for a region's content as it is rendered, compared and written: some 3 MB for
/// us-east-1, parsed, as text and on its way to the API server.
const PERMITS: u32 = 16;

/// What is in memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rendered {
    /// The content of a region.
    Region,
    /// The merged mapping of all regions: two are made at once.
    Mapping,
    /// A status with the ids of all models and profiles.
    Status,
}

impl Rendered {
    fn permits(self) -> u32 {
        match self {
            Self::Region => 1,
            Self::Mapping => 8,
            Self::Status => 2,
        }
    }
}

/// Bounds what all reconciliations together have in memory at once. It is acquired after AWS has
/// answered, so that a region that hangs holds none of it.
#[derive(Clone, Debug)]
pub(super) struct RenderBudget(FairSemaphore);

impl Default for RenderBudget {
    fn default() -> Self {
        Self(FairSemaphore::new(PERMITS))
    }
}

impl RenderBudget {
    pub(super) async fn acquire(&self, namespace: &str, rendered: Rendered) -> FairPermit {
        self.0.acquire(namespace, rendered.permits()).await
    }
}

//! Readiness of the operator, as served on `/readyz`.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// Prerequisites that are still pending. Clones share them.
#[derive(Clone, Debug)]
pub struct Readiness {
    pending: Arc<Mutex<BTreeSet<String>>>,
}

impl Readiness {
    /// Not ready until this prerequisite is complete.
    pub fn new(what: &str) -> Self {
        Self {
            pending: Arc::new(Mutex::new(BTreeSet::from([what.to_owned()]))),
        }
    }

    /// Replaces the pending prerequisites.
    pub fn set_pending(&self, what: impl IntoIterator<Item = String>) {
        *self.pending.lock() = what.into_iter().collect();
    }

    /// Marks a prerequisite as complete.
    pub fn complete(&self, what: &str) {
        self.pending.lock().remove(what);
    }

    /// Pending prerequisites, sorted; empty if the operator is ready.
    pub fn pending(&self) -> Vec<String> {
        self.pending.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_all_prerequisites_are_complete() {
        let readiness = Readiness::new("start-up");
        let copy = readiness.clone();
        copy.set_pending(["a list".to_owned(), "another".to_owned()]);
        copy.complete("another");
        assert_eq!(readiness.pending(), ["a list"]);
        readiness.complete("a list");
        readiness.complete("never pending");
        assert!(copy.pending().is_empty());
    }
}

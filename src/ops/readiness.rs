//! Whether the operator can do its work, as `/readyz` tells it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is still awaited before the operator can do its work. Copies share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    awaited: Arc<Mutex<BTreeSet<String>>>,
}

impl Readiness {
    /// Not ready until this is there.
    pub fn awaiting(what: &str) -> Self {
        Self {
            awaited: Arc::new(Mutex::new(BTreeSet::from([what.to_owned()]))),
        }
    }

    /// From now on these are awaited, and nothing else.
    pub fn awaits(&self, what: impl IntoIterator<Item = String>) {
        *self.lock() = what.into_iter().collect();
    }

    /// What was awaited is there.
    pub fn has(&self, what: &str) {
        self.lock().remove(what);
    }

    /// What is awaited, sorted; empty if the operator is ready.
    pub fn awaited(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_all_that_is_awaited_is_there() {
        let readiness = Readiness::awaiting("the start");
        let copy = readiness.clone();
        copy.awaits(["a list".to_owned(), "another".to_owned()]);
        copy.has("another");
        assert_eq!(readiness.awaited(), ["a list"]);
        readiness.has("a list");
        readiness.has("never awaited");
        assert!(copy.awaited().is_empty());
    }
}

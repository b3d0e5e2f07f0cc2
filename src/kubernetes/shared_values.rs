//! Values that several resources have in common, kept once.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Values by a hash of what they are made of. A value is freed with its last holder.
#[derive(Debug)]
pub(super) struct SharedValues<T: ?Sized>(Mutex<Values<T>>);

#[derive(Debug)]
struct Values<T: ?Sized> {
    by_hash: HashMap<String, Weak<T>>,
    /// Number of entries at which the entries of freed values are removed.
    prune_at: usize,
}

/// Fewest entries of which those of freed values are removed.
const MIN_PRUNED: usize = 64;

impl<T: ?Sized> Default for SharedValues<T> {
    fn default() -> Self {
        Self(Mutex::new(Values {
            by_hash: HashMap::new(),
            prune_at: MIN_PRUNED,
        }))
    }
}

impl<T: ?Sized> SharedValues<T> {
    /// The value of this hash that a resource holds already, or else this one.
    pub(super) fn share(&self, hash: &str, value: Arc<T>) -> Arc<T> {
        let mut values = self.0.lock();
        if let Some(held) = values.by_hash.get(hash).and_then(Weak::upgrade) {
            return held;
        }
        values
            .by_hash
            .insert(hash.to_owned(), Arc::downgrade(&value));
        if values.by_hash.len() >= values.prune_at {
            values.by_hash.retain(|_, value| value.strong_count() > 0);
            values.prune_at = MIN_PRUNED.max(2 * values.by_hash.len());
        }
        value
    }
}

impl<T: ?Sized> SharedValues<T> {
    /// The value of this hash, if a resource holds it.
    pub(super) fn get(&self, hash: &str) -> Option<Arc<T>> {
        self.0.lock().by_hash.get(hash)?.upgrade()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_until_last_holder_drops_them() {
        let shared = SharedValues::<str>::default();
        let one = shared.share("a", Arc::from("one"));
        let two = shared.share("a", Arc::from("one"));
        assert!(Arc::ptr_eq(&one, &two));
        let freed = Arc::downgrade(&one);
        drop((one, two));
        assert!(freed.upgrade().is_none());
        assert_eq!(&*shared.share("a", Arc::from("new")), "new");
    }

    #[test]
    fn freed_values_leave_a_bounded_number_of_entries() {
        let shared = SharedValues::<str>::default();
        let held = shared.share("held", Arc::from("held"));
        for n in 0..10_000 {
            shared.share(&n.to_string(), Arc::from("freed"));
        }
        assert!(shared.0.lock().by_hash.len() <= MIN_PRUNED);
        assert!(Arc::ptr_eq(&held, &shared.share("held", Arc::from("held"))));
    }
}

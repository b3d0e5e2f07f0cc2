//! Which region is asked first when not all can be at once.

/// How urgently someone wants a region's answer, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Nothing is known of the region yet: someone waits for a first map.
    First,
    /// A user has asked for it, or has changed the spec; an older answer is there meanwhile.
    Requested,
    /// Its time has come, also that of a retry.
    Routine,
}

/// Whose turn it is, of those that wait, each with the number of its arrival: the most urgent, and of these who came
/// first.
pub fn first_in_line(waiting: impl IntoIterator<Item = (Priority, u64)>) -> Option<usize> {
    let waiting = waiting.into_iter().enumerate();
    waiting
        .min_by_key(|(_, rank)| *rank)
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::Priority::{First, Requested, Routine};
    use super::*;

    #[test]
    fn the_most_urgent_goes_first_and_of_these_who_came_first() {
        type Line = [(Priority, u64)];
        let cases: [(&Line, Option<usize>); 6] = [
            (&[], None),
            (&[(Routine, 7)], Some(0)),
            (&[(Routine, 2), (Routine, 1), (Routine, 3)], Some(1)),
            (&[(Routine, 1), (Requested, 2), (First, 3)], Some(2)),
            (&[(Routine, 1), (Requested, 2), (Routine, 3)], Some(1)),
            (&[(First, 5), (Routine, 1), (First, 4)], Some(2)),
        ];
        for (waiting, expected) in cases {
            assert_eq!(
                first_in_line(waiting.iter().copied()),
                expected,
                "{waiting:?}"
            );
        }
    }
}

//! The pace of repairs of a ConfigMap that another writer changes again and again.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;

use super::schedule::{after, backoff, before};
use crate::api::MANAGER;

/// Repairs that follow each other without a pause.
const WITHOUT_PAUSE: u32 = 5;
/// The pause before the next one; it doubles with each further repair.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// Repairs as of which the ConfigMap counts as contended.
const CONTENDED_FROM: u32 = 8;
/// Time without a repair that ends the count.
const QUIET: Duration = Duration::from_mins(2);

/// The repairs of a ConfigMap since it was quiet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    count: u32,
    last: Timestamp,
    /// Field manager of the last change by another writer, once the ConfigMap is contended.
    writer: Option<String>,
}

impl Repairs {
    /// Time from which the next repair may begin. A clock that was set back ends the count.
    pub fn may_begin_at(&self, now: Timestamp) -> Timestamp {
        let doublings = (self.count + 1).saturating_sub(WITHOUT_PAUSE);
        if doublings == 0 || self.is_quiet(now) {
            return now;
        }
        after(self.last, backoff(MIN_PAUSE, doublings, MAX_PAUSE)).max(now)
    }

    /// The repairs with one that happens now.
    #[must_use]
    pub fn repaired(&self, now: Timestamp) -> Self {
        let earlier = if self.is_quiet(now) { 0 } else { self.count };
        Self {
            count: earlier.saturating_add(1),
            last: now,
            writer: self.writer.clone(),
        }
    }

    /// Records the writer of the live ConfigMap. One that was deleted shows none.
    #[must_use]
    pub fn written_by(self, live: Option<&ConfigMap>) -> Self {
        Self {
            writer: live.and_then(other_manager).or(self.writer),
            ..self
        }
    }

    /// Whether another writer changes the ConfigMap again and again.
    pub fn is_contended(&self, now: Timestamp) -> bool {
        self.count >= CONTENDED_FROM && !self.is_quiet(now)
    }

    /// Whether the repairs are too long ago to count.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        !(before(now, QUIET)..=now).contains(&self.last)
    }

    /// Time from which the repairs no longer count.
    pub fn quiet_from(&self) -> Timestamp {
        after(self.last, QUIET + Duration::from_secs(1))
    }

    /// The field manager of the other writer, if it is known.
    pub fn writer(&self) -> Option<&str> {
        self.writer.as_deref()
    }
}

/// The field manager, other than the operator's, that wrote last.
fn other_manager(live: &ConfigMap) -> Option<String> {
    live.metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.manager.as_deref().is_some_and(|name| name != MANAGER))
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// When the ConfigMap is repaired that another writer changes at these seconds, and whether it is
    /// contended after each repair.
    fn repaired(changed: impl IntoIterator<Item = i64>) -> Vec<(i64, bool)> {
        let mut repairs = Repairs::default();
        let mut repaired = Vec::new();
        let mut until = i64::MIN;
        for second in changed {
            // A change during a pause is repaired with the pause's end.
            if second < until {
                continue;
            }
            let now = repairs.may_begin_at(at(second));
            repairs = repairs.repaired(now);
            until = now.duration_since(at(0)).as_secs();
            repaired.push((until, repairs.is_contended(now)));
        }
        repaired
    }

    #[test]
    fn pauses_between_repairs_grow_to_a_minute() {
        let war = repaired(0..400);
        let times: Vec<i64> = war.iter().map(|(second, _)| *second).collect();
        let expected = [
            0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 127, 187, 247, 307, 367, 427,
        ];
        assert_eq!(times, expected);
        let contended: Vec<bool> = war.iter().map(|(_, contended)| *contended).collect();
        assert_eq!(contended.iter().position(|c| *c), Some(7));
    }

    #[test]
    fn rare_changes_are_repaired_at_once_and_contend_nothing() {
        let cases: [(&str, Vec<i64>); 3] = [
            ("by hand", vec![0, 5, 10]),
            ("every three minutes", (0..50).map(|n| n * 180).collect()),
            (
                "bursts",
                (0..10).flat_map(|n| [n * 1000, n * 1000 + 1]).collect(),
            ),
        ];
        for (case, changed) in cases {
            let expected: Vec<(i64, bool)> = changed.iter().map(|s| (*s, false)).collect();
            assert_eq!(repaired(changed), expected, "{case}");
        }
    }

    #[test]
    fn contention_ends_when_it_is_quiet_or_the_clock_is_set_back() {
        let mut repairs = Repairs::default();
        for second in 0..20 {
            repairs = repairs.repaired(at(second));
        }
        // (now, contended, wait)
        let cases = [
            (19, true, 60),
            (100, true, 0),
            (139, true, 0),
            (140, false, 0),
            (-5, false, 0),
        ];
        for (second, contended, wait) in cases {
            let now = at(second);
            assert_eq!(repairs.is_contended(now), contended, "{second}");
            let waits = repairs.may_begin_at(now).duration_since(now).as_secs();
            assert_eq!(waits, wait, "{second}");
        }
        assert!(repairs.is_quiet(repairs.quiet_from()));
        assert_eq!(repairs.repaired(at(200)).count, 1);
    }

    #[test]
    fn writer_is_latest_other_field_manager() {
        let entry = |manager: &str, second: i64| json!({"manager": manager, "operation": "Update", "time": at(second).to_string()});
        let cases: [(&str, Option<Value>, Option<&str>); 5] = [
            ("deleted", None, Some("before")),
            ("no fields", Some(json!(null)), Some("before")),
            (
                "only the operator",
                Some(json!([entry(MANAGER, 1)])),
                Some("before"),
            ),
            (
                "the operator wrote later",
                Some(json!([entry("kubectl-edit", 1), entry(MANAGER, 2)])),
                Some("kubectl-edit"),
            ),
            (
                "two others",
                Some(json!([
                    entry("argocd-controller", 3),
                    entry("kubectl-edit", 1)
                ])),
                Some("argocd-controller"),
            ),
        ];
        for (case, fields, writer) in cases {
            let live: Option<ConfigMap> = fields.map(|fields| {
                serde_json::from_value(json!({"metadata": {"managedFields": fields}})).unwrap()
            });
            let before = Repairs {
                writer: Some("before".to_owned()),
                ..Repairs::default()
            };
            assert_eq!(before.written_by(live.as_ref()).writer(), writer, "{case}");
        }
    }
}

//! Marks a published `metadata.json` as stale, without the content that it describes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::RegionState;

/// The `metadata.json` of a region as Stale since that time. None: it is Stale already, or unreadable.
pub fn stale_region(metadata_json: &str, since: Timestamp) -> Option<String> {
    let mut metadata: Map<String, Value> = serde_json::from_str(metadata_json).ok()?;
    mark(&mut metadata, since).then(|| Value::Object(metadata).to_string())
}

/// The `metadata.json` of the merged mapping with all regions Stale, those that are Fresh since that
/// time. None: all are Stale already, or it is unreadable.
pub fn stale_mapping(metadata_json: &str, since: Timestamp) -> Option<String> {
    let mut metadata: Map<String, Value> = serde_json::from_str(metadata_json).ok()?;
    let regions = metadata.get_mut("regions")?.as_object_mut()?;
    let regions = regions.values_mut().filter_map(Value::as_object_mut);
    let marked = regions.filter_map(|region| mark(region, since).then_some(()));
    (marked.count() > 0).then(|| Value::Object(metadata).to_string())
}

/// Marks what is Fresh. Returns whether it was.
fn mark(metadata: &mut Map<String, Value>, since: Timestamp) -> bool {
    let fresh = json!(RegionState::Fresh);
    if metadata.get("state") != Some(&fresh) {
        return false;
    }
    metadata.insert("state".to_owned(), json!(RegionState::Stale));
    metadata.insert("staleSince".to_owned(), json!(since));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINCE: &str = "2026-11-29T00:00:00Z";

    fn since() -> Timestamp {
        SINCE.parse().unwrap()
    }

    #[test]
    fn fresh_region_becomes_stale_and_keeps_the_rest() {
        let metadata = r#"{"models":2,"later":{"a":1},"state":"Fresh"}"#;
        let stale =
            format!(r#"{{"later":{{"a":1}},"models":2,"staleSince":"{SINCE}","state":"Stale"}}"#);
        assert_eq!(stale_region(metadata, since()), Some(stale.clone()));
        assert_eq!(stale_region(&stale, since()), None);
        for unreadable in ["", "[]", "{", r#"{"state":1}"#] {
            assert_eq!(stale_region(unreadable, since()), None, "{unreadable}");
        }
    }

    #[test]
    fn mapping_marks_fresh_regions_and_keeps_times_of_stale_ones() {
        let earlier = r#"{"staleSince":"2026-01-01T00:00:00Z","state":"Stale"}"#;
        let metadata = format!(r#"{{"regions":{{"a":{earlier},"b":{{"state":"Fresh"}},"c":1}}}}"#);
        let stale = format!(
            r#"{{"regions":{{"a":{earlier},"b":{{"staleSince":"{SINCE}","state":"Stale"}},"c":1}}}}"#
        );
        assert_eq!(stale_mapping(&metadata, since()), Some(stale.clone()));
        assert_eq!(stale_mapping(&stale, since()), None);
        assert_eq!(stale_mapping(r#"{"regions":[]}"#, since()), None);
    }
}

//! Go durations of a spec.

use std::time::Duration;

use bedrock_model_map::reconcile::validate::go_duration;

/// The input: text.
pub fn holds(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let Some(duration) = go_duration(text) else {
        return;
    };
    // Go's canonical form parses to the same duration.
    if duration <= Duration::from_secs(999_999_999) {
        let again = format!("{}s{}ns", duration.as_secs(), duration.subsec_nanos());
        assert_eq!(go_duration(&again), Some(duration), "{text}");
    }
    assert_eq!(go_duration(&format!("{text} ")), None, "{text:?}");
}

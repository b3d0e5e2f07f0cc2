//! JSON that fits a terminal.

use serde_json::Value;

/// Items of an array that are shown.
const ITEMS: usize = 3;

/// Characters of a text that are shown.
const CHARACTERS: usize = 100;

/// The same value with the ends of long arrays and texts left out. Says where, and how many items.
pub fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) => {
            let more = items.len().saturating_sub(ITEMS);
            items.truncate(ITEMS);
            items.iter_mut().for_each(shorten);
            if more > 0 {
                items.push(Value::String(format!("... and {more} more")));
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(CHARACTERS) {
                text.truncate(end);
                text.push_str("...");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_long_text_is_shortened() {
        let mut value = json!({
            "few": [1, 2, 3],
            "many": [[1, 2, 3, 4], 2, 3, 4, 5],
            "text": "x".repeat(CHARACTERS),
            "long": "\u{e9}".repeat(CHARACTERS + 1),
        });
        shorten(&mut value);
        assert_eq!(
            value,
            json!({
                "few": [1, 2, 3],
                "many": [[1, 2, 3, "... and 1 more"], 2, 3, "... and 2 more"],
                "text": "x".repeat(CHARACTERS),
                "long": format!("{}...", "\u{e9}".repeat(CHARACTERS)),
            })
        );
    }
}

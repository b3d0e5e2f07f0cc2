//! YAML in which no text is taken for a number, a boolean or a comment.

use std::fmt::Write as _;

use serde_json::Value;

/// One document after the other, as `kubectl apply` reads them.
pub fn documents(values: &[Value]) -> String {
    let mut yaml = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            yaml.push_str("---\n");
        }
        write_value(&mut yaml, value, 0);
    }
    yaml
}

/// Writes the value from the current position on, and ends its last line.
fn write_value(yaml: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (key, field)) in fields.iter().enumerate() {
                if index > 0 {
                    yaml.extend(std::iter::repeat_n(' ', indent));
                }
                yaml.push_str(key);
                yaml.push(':');
                if is_block(field) {
                    let inner = match field {
                        Value::Array(_) => indent,
                        _ => indent + 2,
                    };
                    yaml.push('\n');
                    yaml.extend(std::iter::repeat_n(' ', inner));
                    write_value(yaml, field, inner);
                } else {
                    yaml.push(' ');
                    write_value(yaml, field, indent);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    yaml.extend(std::iter::repeat_n(' ', indent));
                }
                yaml.push_str("- ");
                write_value(yaml, item, indent + 2);
            }
        }
        Value::String(text) => {
            yaml.push_str(&quoted(text));
            yaml.push('\n');
        }
        other => {
            // Writing to a String does not fail.
            let _ = writeln!(yaml, "{other}");
        }
    }
}

/// Whether the value has lines of its own.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A scalar in double quotes.
pub fn quoted(text: &str) -> String {
    let mut scalar = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => scalar.extend(['\\', c]),
            ' '..='~' => scalar.push(c),
            _ => {
                let _ = write!(scalar, "\\U{:08x}", u32::from(c));
            }
        }
    }
    scalar.push('"');
    scalar
}

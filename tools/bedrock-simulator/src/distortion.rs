//! Faults that change what is in the list, before it is cut into pages.

use serde_json::{Value, json};

use crate::fault::Fault;
use crate::random::Random;

const LISTS_OF_ENUMERATIONS: [&str; 4] = [
    "inputModalities",
    "outputModalities",
    "customizationsSupported",
    "inferenceTypesSupported",
];

const UNKNOWN_VALUE: &str = "SIMULATED_UNKNOWN";

/// Changes the list, fault by fault.
pub(crate) fn distort(items: &mut Vec<Value>, faults: &[Fault]) {
    for fault in faults {
        match fault {
            Fault::Shrink { keep } => items.truncate(*keep),
            Fault::Reorder { seed } => reorder(items, &mut Random::new(*seed)),
            Fault::UnknownValues => add_unknown_values(items),
            Fault::HugeDescription { bytes } => lengthen_text(items, *bytes),
            _ => {}
        }
    }
}

/// Adds a field that no client can know.
pub(crate) fn add_unknown_field(value: &mut Value) {
    if let Value::Object(object) = value {
        let unknown = json!({"nested": [1, null, "text"]});
        object.insert("simulatedUnknownField".to_owned(), unknown);
    }
}

fn reorder(items: &mut [Value], random: &mut Random) {
    random.shuffle(items);
    for item in items {
        match item {
            Value::Array(inner) => reorder(inner, random),
            Value::Object(object) => {
                for inner in object.values_mut().filter_map(Value::as_array_mut) {
                    reorder(inner, random);
                }
            }
            _ => {}
        }
    }
}

fn add_unknown_values(items: &mut [Value]) {
    for item in &mut *items {
        for key in LISTS_OF_ENUMERATIONS {
            if let Some(list) = item.get_mut(key).and_then(Value::as_array_mut) {
                list.push(json!(UNKNOWN_VALUE));
            }
        }
        if let Some(lifecycle) = item.get_mut("modelLifecycle") {
            add_unknown_field(lifecycle);
        }
        if let Some(models) = item.get_mut("models").and_then(Value::as_array_mut) {
            models.iter_mut().for_each(add_unknown_field);
        }
        add_unknown_field(item);
    }
    for pointer in ["/modelLifecycle/status", "/status", "/RegionOptStatus"] {
        if let Some(status) = items.first_mut().and_then(|item| item.pointer_mut(pointer)) {
            *status = json!(UNKNOWN_VALUE);
        }
    }
}

fn lengthen_text(items: &mut [Value], bytes: usize) {
    for key in ["description", "modelName"] {
        if let Some(text) = items.first_mut().and_then(|item| item.get_mut(key)) {
            *text = json!("x".repeat(bytes));
        }
    }
}

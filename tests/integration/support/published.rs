//! What is in a published `ConfigMap`.

use std::io::Read as _;

use flate2::read::GzDecoder;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

/// A text file's bytes.
pub fn data<'a>(config_map: &'a ConfigMap, file: &str) -> &'a str {
    let files = config_map.data.as_ref();
    files
        .and_then(|files| files.get(file))
        .unwrap_or_else(|| panic!("{:?} has no {file}", config_map.metadata.name))
}

/// A JSON file.
pub fn file(config_map: &ConfigMap, file: &str) -> Value {
    serde_json::from_str(data(config_map, file)).unwrap()
}

/// `mapping.json`, compressed or not, but not both.
pub fn mapping_json(config_map: &ConfigMap) -> String {
    let compressed = config_map.binary_data.as_ref();
    let Some(compressed) = compressed.and_then(|files| files.get("mapping.json.gz")) else {
        return data(config_map, "mapping.json").to_owned();
    };
    assert!(
        !config_map
            .data
            .as_ref()
            .unwrap()
            .contains_key("mapping.json")
    );
    let mut text = String::new();
    GzDecoder::new(compressed.0.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// The merged mapping.
pub fn mapping_value(config_map: &ConfigMap) -> Value {
    serde_json::from_str(&mapping_json(config_map)).unwrap()
}

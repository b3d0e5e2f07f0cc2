//! The files of a mounted folder or an edited ConfigMap, read back.

use std::collections::BTreeMap;

use bedrock_model_map::bedrock::policy::InvocationPolicy;
use bedrock_model_map::digest::sha256_hex;
use bedrock_model_map::publication::content::RegionContent;
use bedrock_model_map::reader::read_files;

const NAMES: [&str; 4] = [
    "metadata.json",
    "models.json",
    "mapping.json",
    "invocation.json",
];

/// The input: a byte whose bits select the files, then the files separated by a byte 0, with
/// `mapping.json.gz` at the end.
pub fn holds(input: &[u8]) {
    let Some((selected, input)) = input.split_first() else {
        return;
    };
    let mut rest = input;
    let mut data = BTreeMap::new();
    for (bit, name) in NAMES.iter().enumerate() {
        if selected & (1 << bit) == 0 {
            continue;
        }
        let end = rest.iter().position(|byte| *byte == 0);
        let (file, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        // The Kubernetes API accepts only text.
        let Ok(file) = str::from_utf8(file) else {
            return;
        };
        data.insert((*name).to_owned(), file.to_owned());
    }
    let mut binary_data = BTreeMap::new();
    if selected & (1 << 4) != 0 {
        binary_data.insert("mapping.json.gz".to_owned(), rest.to_vec());
    }
    if let Some(models) = data.get("models.json") {
        check_read_by_hash(models);
    }
    let Ok(published) = read_files(&data, &binary_data) else {
        return;
    };
    for (_, region) in published.regions() {
        assert_eq!(region.invocations().len(), region.models().len());
    }
    let written = published.mapping_json().unwrap();
    serde_json::from_str::<BTreeMap<String, BTreeMap<String, serde_json::Value>>>(&written)
        .unwrap();
}

/// Content is read only with its hash.
fn check_read_by_hash(models: &str) {
    let hash = sha256_hex(models.as_bytes());
    if let Some(content) = RegionContent::read(models, &hash) {
        assert_eq!(&*content.models_json, models);
        content.facts("us-east-1", &InvocationPolicy::default());
        content.profile_ids();
    }
    let other = sha256_hex(b"another");
    assert!(hash == other || RegionContent::read(models, &other).is_none());
}

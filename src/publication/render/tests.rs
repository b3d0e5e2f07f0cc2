use serde_json::{Value, json};

use super::*;
use crate::bedrock::association::RegionCatalog;
use crate::bedrock::policy::InvocationPolicy;
use crate::publication::content::read_mapping_json;

fn content(models: &Value) -> RegionContent {
    let catalog = RegionCatalog {
        models: serde_json::from_value(models.clone()).unwrap(),
        ..RegionCatalog::default()
    };
    RegionContent::from_catalog(catalog).unwrap()
}

/// A region with one model and a `models.json` of the given size.
fn content_of_bytes(bytes: usize) -> RegionContent {
    let of = |filler: usize| content(&json!({"m": {"x": "x".repeat(filler)}}));
    let frame = of(0).models_json.len();
    let content = of(bytes - frame);
    assert_eq!(content.models_json.len(), bytes);
    content
}

fn status(more: &Value) -> RegionStatus {
    let mut status = json!({"state": "Fresh", "models": 3, "profiles": 2, "associations": 5,
                            "discoveredAt": "2026-11-23T10:00:00Z"});
    let fields = more.as_object().unwrap().clone();
    status.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(status).unwrap()
}

fn rendered(
    region: &str,
    content: &RegionContent,
    status: &RegionStatus,
) -> Result<ConfigMapFiles, RenderError> {
    let facts = content.facts(region, &InvocationPolicy::default());
    region_files(region, content, &facts, status)
}

fn mapping(
    regions: &[(&str, &RegionContent)],
    compression: Compression,
) -> Result<Mapping, RenderError> {
    let fresh = status(&json!({}));
    let regions = regions
        .iter()
        .map(|(name, content)| (*name, &*content.models_json, &fresh));
    mapping_files(regions, compression)
}

/// Such as `data: a b; binary: c`.
fn names(files: &ConfigMapFiles) -> String {
    let data: Vec<&str> = files.data.keys().map(String::as_str).collect();
    let binary: Vec<&str> = files.binary_data.keys().map(String::as_str).collect();
    format!("data: {}; binary: {}", data.join(" "), binary.join(" "))
}

#[test]
fn models_json_is_compact_and_sorted_and_hash_covers_it() {
    let content = content(&json!({"b": {"z": 1, "a": "\u{e9}\"\n"}, "a": {}}));
    let expected = "{\"a\":{},\"b\":{\"a\":\"\u{e9}\\\"\\n\",\"z\":1}}";
    assert_eq!(&*content.models_json, expected);
    // printf '%s' … | sha256sum
    assert_eq!(
        content.sha256,
        "c9662ee8f98a1fcaee8c87a1b8cbe297004d3b829d17cef31ec5123044e0fbd9"
    );
    assert_eq!(
        sha256_hex(b""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn region_files_hold_models_invocation_and_metadata() {
    let content = content(&json!({"a": {"inferenceTypesSupported": ["ON_DEMAND"]}}));
    let stale = status(&json!({"state": "Stale", "staleSince": "2026-11-23T16:00:00Z"}));
    let undated = status(&json!({"discoveredAt": null}));
    // (status, metadata.json)
    let cases = [
        (
            status(&json!({})),
            r#"{"associations":5,"discoveredAt":"2026-11-23T10:00:00Z","models":3,"profiles":2,"region":"us-east-1","schemaVersion":1,"state":"Fresh"}"#,
        ),
        (
            stale,
            r#"{"associations":5,"discoveredAt":"2026-11-23T10:00:00Z","models":3,"profiles":2,"region":"us-east-1","schemaVersion":1,"staleSince":"2026-11-23T16:00:00Z","state":"Stale"}"#,
        ),
        (
            undated,
            r#"{"associations":5,"discoveredAt":null,"models":3,"profiles":2,"region":"us-east-1","schemaVersion":1,"state":"Fresh"}"#,
        ),
    ];
    for (status, metadata) in cases {
        let files = rendered("us-east-1", &content, &status).unwrap();
        let expected = [
            (
                "invocation.json",
                r#"{"a":{"invokeWith":"a","onDemand":true,"profiles":[],"requiresInferenceProfile":false,"route":"InRegion"}}"#,
            ),
            ("metadata.json", metadata),
            (
                "models.json",
                r#"{"a":{"inferenceTypesSupported":["ON_DEMAND"]}}"#,
            ),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(files.data, BTreeMap::from(expected));
        assert!(files.binary_data.is_empty());
        assert_eq!(files.sha256, content.sha256);
        let read: RegionMetadata = serde_json::from_str(metadata).unwrap();
        assert_eq!(read.region, "us-east-1");
    }
}

#[test]
fn invocation_json_follows_the_contract() {
    let content = content(&json!({"a": {
        "inferenceTypesSupported": ["INFERENCE_PROFILE"],
        "referencedByInstanceProfiles": [
            {"inferenceProfileId": "own", "type": "APPLICATION", "status": "ACTIVE"},
            {"inferenceProfileId": "us.a", "type": "SYSTEM_DEFINED", "status": "ACTIVE",
             "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a"}]},
        ],
    }}));
    let files = rendered("us-east-1", &content, &status(&json!({}))).unwrap();
    assert_eq!(
        files.data[INVOCATION_JSON],
        r#"{"a":{"invokeWith":"us.a","onDemand":false,"profiles":[{"destinationRegions":["us-east-1"],"geography":"us","id":"us.a","status":"ACTIVE","type":"SYSTEM_DEFINED"},{"destinationRegions":[],"id":"own","status":"ACTIVE","type":"APPLICATION"}],"requiresInferenceProfile":true,"route":"Geographic"}}"#
    );
}

#[test]
fn mapping_json_equals_serde_output_of_nested_maps() {
    let one = content(&json!({"b": {"x": [1, {"y": null}]}, "a": {}}));
    let other = content(&json!({"\u{1F600}\"": {"n": 1.5}}));
    let cases: [&[(&str, &RegionContent)]; 4] = [
        &[],
        &[("us-east-1", &one)],
        &[("us-east-1", &one), ("eu-west-1", &other)],
        &[("odd \"name\"", &other), ("eu-west-1", &other), ("a", &one)],
    ];
    for regions in cases {
        let nested: BTreeMap<_, _> = regions.iter().map(|(name, c)| (*name, &c.models)).collect();
        let expected = serde_json::to_string(&json!({"models": nested})).unwrap();
        let regions = regions
            .iter()
            .map(|(name, content)| (*name, &*content.models_json));
        assert_eq!(mapping_json(regions).unwrap(), expected);
    }
}

#[test]
fn mapping_files_hold_mapping_and_metadata() {
    let content = content(&json!({"a": {}}));
    let fresh = status(&json!({}));
    let stale = status(&json!({"state": "Stale", "staleSince": "2026-11-23T16:00:00Z"}));
    let regions = [
        ("us-east-1", &*content.models_json, &fresh),
        ("eu-west-1", &*content.models_json, &stale),
    ];
    let metadata = r#"{"associations":10,"models":6,"profiles":4,"regions":{"eu-west-1":{"discoveredAt":"2026-11-23T10:00:00Z","staleSince":"2026-11-23T16:00:00Z","state":"Stale"},"us-east-1":{"discoveredAt":"2026-11-23T10:00:00Z","state":"Fresh"}},"schemaVersion":1}"#;
    let json = r#"{"models":{"eu-west-1":{"a":{}},"us-east-1":{"a":{}}}}"#;

    let plain = mapping_files(regions.into_iter(), Compression::Auto).unwrap();
    assert!(!plain.compressed);
    assert_eq!(plain.bytes, json.len());
    assert_eq!(
        names(&plain.files),
        "data: mapping.json metadata.json; binary: "
    );
    assert_eq!(plain.files.data[MAPPING_JSON], json);
    assert_eq!(plain.files.data[METADATA_JSON], metadata);

    let gzip = mapping_files(regions.into_iter(), Compression::Always).unwrap();
    assert!(gzip.compressed);
    assert_eq!(
        names(&gzip.files),
        "data: metadata.json; binary: mapping.json.gz"
    );
    assert_eq!(gzip.bytes, gzip.files.binary_data[MAPPING_JSON_GZ].len());
    assert_eq!(gzip.files.data[METADATA_JSON], metadata);

    let hash = sha256_hex(json.as_bytes());
    assert_eq!(
        [plain.files.sha256, gzip.files.sha256],
        [hash.clone(), hash]
    );
}

#[test]
fn compressed_mapping_is_deterministic_and_readable() {
    let content = content(&json!({"a": {"x": "y".repeat(1000)}}));
    let gzip = |compression| {
        mapping(&[("us-east-1", &content)], compression)
            .unwrap()
            .files
    };
    let (one, other) = (gzip(Compression::Always), gzip(Compression::Always));
    assert_eq!(one, other);
    let bytes = &one.binary_data[MAPPING_JSON_GZ];
    assert_eq!(
        bytes[..8],
        [31, 139, 8, 0, 0, 0, 0, 0],
        "no name and no time"
    );
    let read = read_mapping_json(&one.data, &one.binary_data).unwrap();
    let plain = gzip(Compression::Never);
    assert_eq!(read.as_ref(), plain.data.get(MAPPING_JSON));
    let read = read_mapping_json(&plain.data, &plain.binary_data).unwrap();
    assert_eq!(read.as_ref(), plain.data.get(MAPPING_JSON));
}

#[test]
fn mapping_is_compressed_by_mode_and_size() {
    // The JSON around `models.json` of the region `r`.
    let frame = r#"{"models":{"r":}}"#.len();
    let limit = 900 * 1024;
    // (mode, bytes of mapping.json, compressed)
    let cases = [
        (Compression::Auto, 100, false),
        (Compression::Auto, limit, false),
        (Compression::Auto, limit + 1, true),
        (Compression::Always, 100, true),
        (Compression::Never, 100, false),
        (Compression::Never, limit + 1, false),
    ];
    for (mode, bytes, compressed) in cases {
        let content = content_of_bytes(bytes - frame);
        let mapping = mapping(&[("r", &content)], mode).unwrap();
        assert_eq!(mapping.compressed, compressed, "{mode:?} of {bytes}");
        if !compressed {
            assert_eq!(mapping.bytes, bytes);
        }
    }
}

#[test]
fn oversized_content_is_an_error_with_a_hint() {
    let large = content_of_bytes(1024 * 1024);
    let region = rendered("r", &large, &status(&json!({}))).unwrap_err();
    let never = mapping(&[("r", &large)], Compression::Never).unwrap_err();
    assert!(
        region.to_string().starts_with("models.json has 1048"),
        "{region}"
    );
    assert!(region.to_string().ends_with("narrow spec.models"));
    assert!(
        never
            .to_string()
            .ends_with("narrow spec.models, or set spec.output.compression to Auto")
    );
    assert!(
        mapping(&[("r", &large)], Compression::Auto)
            .unwrap()
            .compressed
    );
}

#[test]
fn config_map_of_exactly_the_limit_is_accepted() {
    let fresh = status(&json!({}));
    let size = |content: &RegionContent| rendered("r", content, &fresh).map(|f| f.bytes());
    let empty = content_of_bytes(20);
    let around = size(&empty).unwrap() - 20;
    let largest = content_of_bytes(MAX_CONFIG_MAP_BYTES - around);
    assert_eq!(size(&largest).unwrap(), MAX_CONFIG_MAP_BYTES);
    let larger = content_of_bytes(MAX_CONFIG_MAP_BYTES - around + 1);
    let Err(RenderError::TooLarge { file, bytes, .. }) = size(&larger) else {
        panic!("not refused");
    };
    assert_eq!((file, bytes), ("models.json", MAX_CONFIG_MAP_BYTES + 1));
}

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};

use super::*;

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[test]
fn content_is_read_back_only_with_its_hash() {
    let models_json = r#"{"a":{"modelId":"a"}}"#;
    let models = serde_json::from_str(models_json).unwrap();
    let whole = RegionContent::new(models_json.to_owned(), models);
    let read = |json: &str, sha256: &str| RegionContent::read(json, sha256);
    assert_eq!(read(&whole.models_json, &whole.sha256), Some(whole.clone()));
    let altered = [
        "",
        "{}",
        r#"{"a":{"modelId":"b"}}"#,
        r#"{"a":{"modelId":"a"}} "#,
        r#"{ "a":{"modelId":"a"}}"#,
        r#"{"a":{"modelId":"a"}"#,
    ];
    for text in altered {
        assert_eq!(read(text, &whole.sha256), None, "{text}");
    }
    assert_eq!(read(&whole.models_json, ""), None);
    assert_eq!(read(&whole.models_json, &whole.sha256.to_uppercase()), None);
    for text in ["[]", "{\"a\":7}", "no JSON"] {
        assert_eq!(read(text, &sha256_hex(text.as_bytes())), None, "{text}");
    }
}

#[test]
fn damaged_gzip_is_an_error() {
    let none = BTreeMap::new();
    let read = |bytes: &[u8]| {
        let binary = BTreeMap::from([(MAPPING_JSON_GZ.to_owned(), bytes.to_vec())]);
        read_mapping_json(&none, &binary)
    };
    let whole = compress(br#"{"models":{"us-east-1":{}}}"#).unwrap();
    assert!(read(&whole).is_ok());
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    let cases = [
        ("nothing", Vec::new()),
        ("no gzip", b"{\"models\":{}}".to_vec()),
        ("cut in the header", whole[..5].to_vec()),
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("cut in the checksum", whole[..whole.len() - 1].to_vec()),
        ("another magic number", flipped(0)),
        ("another checksum", flipped(whole.len() - 6)),
        ("another length", flipped(whole.len() - 1)),
        ("no text", compress(&[0xff, 0xfe]).unwrap()),
    ];
    for (case, bytes) in cases {
        assert!(matches!(read(&bytes), Err(ContentError::Gzip(_))), "{case}");
    }
    assert_eq!(read_mapping_json(&none, &BTreeMap::new()).unwrap(), None);
}

/// The given number of megabytes of blanks: one is compressed, and its block repeated.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(64 * 1024);
    Compress::new(Compression::fast(), false)
        .compress_vec(&vec![b' '; 1024 * 1024], &mut block, FlushCompress::Full)
        .unwrap();
    let mut gzip = vec![31, 139, 8, 0, 0, 0, 0, 0, 0, 255];
    for _ in 0..megabytes {
        gzip.extend_from_slice(&block);
    }
    // The last, empty block.
    gzip.extend_from_slice(&[3, 0]);
    gzip
}

#[test]
fn gzip_over_size_limit_is_an_error() {
    let read = |megabytes| {
        let binary = BTreeMap::from([(MAPPING_JSON_GZ.to_owned(), bomb(megabytes))]);
        read_mapping_json(&BTreeMap::new(), &binary)
    };
    assert!(matches!(read(65), Err(ContentError::Expands)));
    // Smaller ones are read to their end, where the checksum is missing.
    assert!(matches!(read(2), Err(ContentError::Gzip(_))));
}

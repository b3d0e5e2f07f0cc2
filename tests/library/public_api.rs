//! What the crate promises: each public item, as rustdoc lists it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// rustdoc's JSON of the library. It is no stable output of rustdoc; the toolchain is pinned, so that it changes only
/// with that.
fn rustdoc_json() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO"))
        .args(["rustdoc", "--quiet", "--locked", "--lib", "--package"])
        .args([env!("CARGO_PKG_NAME"), "--features", "operator", "--"])
        .args(["-Zunstable-options", "--output-format", "json"])
        // Only for rustdoc: dependencies would be compiled again.
        .env("RUSTDOC", root.join("tests/library/rustdoc.sh"))
        .current_dir(root)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let programs = Path::new(env!("CARGO_BIN_EXE_bedrock-model-map")).parent();
    let target = programs.and_then(Path::parent).unwrap();
    target.join("doc/bedrock_model_map.json")
}

/// A difference is a decision: `INSTA_UPDATE=always cargo test --test library public_api` takes it over.
#[test]
fn public_items_match_the_snapshot() {
    let api = public_api::Builder::from_rustdoc_json(rustdoc_json())
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap();
    insta::with_settings!({ snapshot_path => ".", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("public-api", api);
    });
}

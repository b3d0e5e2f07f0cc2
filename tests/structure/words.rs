//! Holds what users read to the words of the field: see "Words" in `CONTRIBUTING.md`.

use std::fs;
use std::path::Path;

const DOCUMENTS: &[&str] = &[
    "ARCHITECTURE.md",
    "README.md",
    "SECURITY.md",
    "crds/bedrockmodelmaps.yaml",
    "docs/comparison.md",
    "docs/faq.md",
    "docs/iam.md",
    "docs/reference/crd.md",
    "docs/reliability.md",
    "docs/runbook.md",
    "docs/security.md",
    "docs/sharding.md",
    "docs/upgrading.md",
];

/// Each has a word in Kubernetes or AWS: query, call, reconcile, repair, report, fix.
const AVOIDED: &[&str] = &[
    "anew",
    "are to be",
    "asked for",
    "come to",
    "is asked",
    "is none",
    "look at",
    "looked after",
    "looks at",
    "mend",
    "put right",
    "tells",
    "told",
    "whoever",
    "whom",
];

/// Lower-case words, with a blank between two of them and at both ends, so that a phrase is found as a whole.
fn words(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

#[test]
fn documents_avoid_words_from_outside_of_the_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found: Vec<String> = DOCUMENTS
        .iter()
        .flat_map(|document| {
            let text = words(&fs::read_to_string(root.join(document)).unwrap());
            AVOIDED
                .iter()
                .filter(move |avoided| text.contains(&format!(" {avoided} ")))
                .map(move |avoided| format!("{document}: \"{avoided}\""))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

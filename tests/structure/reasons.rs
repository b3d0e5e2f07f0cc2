//! `docs/troubleshooting.md` has every reason that a condition or an error can have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The files that name reasons as texts.
const FILES: [&str; 6] = [
    "src/api/attempt_error.rs",
    "src/cluster_map/status.rs",
    "src/reconcile/report.rs",
    "src/reconcile/status/conditions.rs",
    "src/reconcile/status/contention.rs",
    "src/reconcile/status/ids_available.rs",
];
/// Statuses of conditions, and a type, which are written as reasons are.
const NO_REASONS: [&str; 3] = ["False", "String", "True"];

/// The text of a file of the project.
pub fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The words between two of these marks that are written as reasons.
fn reasons(text: &str, mark: char) -> BTreeSet<String> {
    let is_reason = |word: &&str| {
        word.len() > 3
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_alphabetic())
            && word.chars().any(|c| c.is_ascii_lowercase())
    };
    let words = text.split(mark).filter(is_reason);
    words.map(str::to_owned).collect()
}

#[test]
fn troubleshooting_lists_every_reason() {
    let code: BTreeSet<String> = FILES
        .iter()
        .flat_map(|file| {
            let text = text(file);
            let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
            reasons(code, '"')
        })
        .filter(|word| !NO_REASONS.contains(&word.as_str()))
        .collect();
    assert!(code.len() > 30, "{code:?}");
    let document = reasons(&text("docs/troubleshooting.md"), '`');
    let missing: Vec<_> = code.difference(&document).collect();
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md lacks {missing:?}"
    );
    // The document has names of conditions, fields and kinds besides.
    let gone: Vec<_> = document
        .difference(&code)
        .filter(|word| {
            let others = [
                "BedrockModelMap",
                "ClusterBedrockModelMap",
                "Degraded",
                "IdsAvailable",
                "Ready",
                "Reconciling",
                "Stalled",
            ];
            !others.contains(&word.as_str())
        })
        .collect();
    assert!(
        gone.is_empty(),
        "docs/troubleshooting.md has {gone:?}, which no code sets"
    );
}

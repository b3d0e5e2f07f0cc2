//! Holds what people read to the words of the field: see "Words" in `CONTRIBUTING.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and documents whose texts and names follow the rule.
const PLACES: &[&str] = &[
    "ARCHITECTURE.md",
    "README.md",
    "SECURITY.md",
    "charts",
    "config",
    "crds",
    "docs",
    "examples",
    "scripts",
    "src",
    "tests",
    "tools",
];
const EXTENSIONS: &[&str] = &[
    "css", "gotmpl", "html", "js", "md", "mjs", "py", "rs", "sh", "tf", "tpl", "txt", "yaml",
];
/// Folders of installed programs, and this list.
const SKIPPED: &[&str] = &["node_modules", "target", "words.rs"];

/// Each has a word in Kubernetes or AWS: query, call, reconcile, repair, report, fix.
const AVOIDED: &[&str] = &[
    "anew",
    "are to be",
    "as whom",
    "asked",
    "come to",
    "complaint",
    "complaints",
    "there is none",
    "kennel",
    "leash",
    "ledger",
    "look",
    "looked",
    "looks",
    "mend",
    "put right",
    "rhythm",
    "tells",
    "told",
    "turnstile",
    "whoever",
    "whom",
    "world",
];

/// Lower-case words, with a blank between two of them and at both ends, so that a phrase is found as a whole.
fn words(text: &str, is_separator: impl Fn(char) -> bool) -> String {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(is_separator)
        .filter(|word| !word.is_empty())
        .collect();
    format!(" {} ", words.join(" "))
}

/// The avoided words of a text. A name in the code is several words, but no phrase.
fn avoided(text: &str) -> impl Iterator<Item = &'static str> + use<> {
    let single = words(text, |letter| !letter.is_alphanumeric());
    let phrases = words(text, |letter| !letter.is_alphanumeric() && letter != '_');
    AVOIDED.iter().copied().filter(move |avoided| {
        let searched = if avoided.contains(' ') {
            &phrases
        } else {
            &single
        };
        searched.contains(&format!(" {avoided} "))
    })
}

/// The texts at this path and below it.
pub fn texts(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if SKIPPED.contains(&&*name) {
        Vec::new()
    } else if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        entries
            .flat_map(|entry| texts(&entry.unwrap().path()))
            .collect()
    } else if path
        .extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
    {
        vec![path.to_owned()]
    } else {
        Vec::new()
    }
}

#[test]
fn texts_avoid_words_from_outside_of_the_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<PathBuf> = PLACES
        .iter()
        .flat_map(|place| texts(&root.join(place)))
        .collect();
    assert!(files.len() > 300, "{}", files.len());
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            avoided(&text).map(move |avoided| format!("{}: \"{avoided}\"", file.display()))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

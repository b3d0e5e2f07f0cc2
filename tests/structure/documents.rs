//! What the documents name is there: tests, modules, files, and the targets of links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::reasons::text;
use crate::words::texts;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where documents are, without the changelog, which names what is gone.
const DOCUMENTS: [&str; 5] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "docs",
];

/// Named as what is gone.
const GONE: [&str; 1] = ["src/core/"];

/// The files below these folders whose names end so, with their texts.
fn read(places: &[&str], extension: &str) -> Vec<(PathBuf, String)> {
    let files = places
        .iter()
        .flat_map(|place| texts(&Path::new(ROOT).join(place)));
    let wanted = files.filter(|file| file.extension().is_some_and(|found| found == extension));
    wanted
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (file, text)
        })
        .collect()
}

/// What stands in backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// What the last cell of each row with `columns` cells names in backticks.
fn named_in_last_column(document: &str, columns: usize) -> Vec<&str> {
    let rows = document.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(columns));
    cells.flat_map(quoted).collect()
}

/// Whether a file is in this module, or has it: `status` is in `src/reconcile/status/plan.rs`.
fn has_module(name: &str, file: &Path, code: &str) -> bool {
    let file = file.to_string_lossy().replace('-', "_");
    let file = file.replace(['/', '.'], "::");
    file.contains(&format!("::{name}::")) || code.contains(&format!("mod {name} {{"))
}

/// Whether code declares a type, a function, a constant or a field of this name.
fn declares(code: &str, name: &str) -> bool {
    let keywords = [
        "fn", "struct", "enum", "trait", "type", "const", "static", "pub",
    ];
    let words = keywords.map(|keyword| format!("{keyword} {name}"));
    let is_word_end =
        |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let mut found = words.iter().flat_map(|word| code.match_indices(word));
    found.any(|(at, word)| is_word_end(&code[at + word.len()..]))
}

/// Whether a test, such as `fails` or `module::fails`, or a module of tests, such as `module::*`, is in one of the files.
fn is_test(name: &str, files: &[(PathBuf, String)]) -> bool {
    let (path, name) = name.rsplit_once("::").unwrap_or(("", name));
    files.iter().any(|(file, code)| {
        let has_test = match name {
            "*" | "tests" => code.contains("#[test]") || code.contains("#[tokio::test"),
            name => code.contains(&format!("fn {name}(")),
        };
        let mut modules = path.split("::").filter(|module| !module.is_empty());
        has_test && modules.all(|module| has_module(module, file, code))
    })
}

/// Whether a path of code, such as `status::plan` or `Plan::due`, is a module or something that a module declares.
fn is_code(name: &str, files: &[(PathBuf, String)]) -> bool {
    files.iter().any(|(file, code)| {
        name.split("::")
            .all(|part| has_module(part, file, code) || declares(code, part))
    })
}

#[test]
fn documented_tests_exist() {
    let files = read(&["src", "tests", "tools"], "rs");
    for (path, columns) in [("docs/security.md", 3), ("docs/reliability.md", 2)] {
        let document = text(path);
        let names = named_in_last_column(&document, columns);
        assert!(names.len() > 15, "{path}: {names:?}");
        let missing: Vec<_> = names
            .iter()
            .filter(|name| !name.starts_with("make ") && !is_test(name, &files))
            .collect();
        assert!(
            missing.is_empty(),
            "{path} names tests that are not there: {missing:?}"
        );
    }
}

#[test]
fn documented_modules_exist() {
    let files = read(&["src", "tools"], "rs");
    for path in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let document = text(path);
        let is_path = |name: &&str| {
            name.contains("::")
                && name
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, ':' | '_'))
        };
        let missing: Vec<_> = quoted(&document)
            .filter(is_path)
            .filter(|name| !is_code(name, &files))
            .collect();
        assert!(
            missing.is_empty(),
            "{path} names code that is not there: {missing:?}"
        );
    }
}

#[test]
fn documented_files_exist() {
    let folders = [
        "charts/", "config/", "docs/", "scripts/", "src/", "tests/", "tools/",
    ];
    for (file, document) in read(&DOCUMENTS, "md") {
        let missing: Vec<_> = quoted(&document)
            .filter(|name| folders.iter().any(|folder| name.starts_with(folder)))
            .filter(|name| !name.contains([' ', '*', '<', '$']) && !GONE.contains(name))
            .filter(|name| !Path::new(ROOT).join(name).exists())
            .collect();
        assert!(
            missing.is_empty(),
            "{} names files that are not there: {missing:?}",
            file.display()
        );
    }
}

/// The anchors that GitHub gives the headings.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            text.chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut checked = 0;
    for (file, document) in read(&DOCUMENTS, "md") {
        let links = document.split("](").skip(1);
        for link in links.filter_map(|rest| rest.split([')', ' ']).next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: {link}", file.display());
            let is_known = || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            assert!(
                anchor.is_empty() || is_known(),
                "{}: {link}",
                file.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

//! What the documents say of the tests is true.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::ROOT;

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                sources(&path)
            } else {
                let is_rust = path.extension().is_some_and(|extension| extension == "rs");
                is_rust.then_some(path).into_iter().collect()
            }
        })
        .collect()
}

/// What the last cell of each row with `columns` cells names in backticks.
fn named_in_last_column(document: &str, columns: usize) -> Vec<&str> {
    let rows = document.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(columns));
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// Whether a test, such as `fails` or `module::fails`, or a module of tests, such as `module::*`, is in one of the files.
fn exists(name: &str, files: &[(PathBuf, String)]) -> bool {
    let (path, name) = name.rsplit_once("::").unwrap_or(("", name));
    files.iter().any(|(file, code)| {
        let file = file.to_string_lossy().replace(['/', '.'], "::");
        let in_module = path.split("::").all(|part| {
            part.is_empty()
                || file.contains(&format!("::{part}::"))
                || code.contains(&format!("mod {part} {{"))
        });
        let has_test = match name {
            "*" | "tests" => code.contains("#[test]") || code.contains("#[tokio::test"),
            name => code.contains(&format!("fn {name}(")),
        };
        in_module && has_test
    })
}

#[test]
fn documented_tests_exist() {
    let root = Path::new(ROOT);
    let files = ["src", "tests", "tools"].map(|folder| sources(&root.join(folder)));
    let files: Vec<(PathBuf, String)> = files
        .concat()
        .into_iter()
        .map(|file| {
            let code = fs::read_to_string(&file).unwrap();
            (file, code)
        })
        .collect();
    for (path, columns) in [("docs/security.md", 3), ("docs/reliability.md", 2)] {
        let document = fs::read_to_string(root.join(path)).unwrap();
        let names = named_in_last_column(&document, columns);
        assert!(names.len() > 15, "{path}: {names:?}");
        for name in names {
            let is_target = name.starts_with("make ");
            assert!(
                is_target || exists(name, &files),
                "{path} names the test {name}, which is not there"
            );
        }
    }
}

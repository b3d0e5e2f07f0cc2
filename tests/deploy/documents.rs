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

#[test]
fn documented_tests_exist() {
    let root = Path::new(ROOT);
    let files = ["src", "tests", "tools"].map(|folder| sources(&root.join(folder)));
    let code: Vec<String> = files
        .concat()
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with('|'));
    // The last cell of a row with three.
    let cells = rows.filter_map(|row| row.split('|').nth(3));
    let names: Vec<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let function = format!("fn {name}()");
        assert!(
            code.iter().any(|file| file.contains(&function)),
            "docs/security.md names the test {name}, which is not there"
        );
    }
}

//! Holds the folders of `src/` to their rules: which folder imports which, no import circles, decisions without I/O,
//! and files that one can read in one go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod documents;
mod reasons;
mod source;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use source::{Module, Sources};

/// What every folder may import.
const COMMON: &[&str] = &["text"];

/// The folders, files and the parts of folders that have a rule of their own, with all that each may import.
const IMPORTS: &[(&str, &[&str])] = &[
    ("api", &["digest"]),
    ("digest", &[]),
    ("text", &[]),
    ("ops", &[]),
    ("bedrock", &["api", "digest"]),
    ("publication", &["api", "bedrock", "digest"]),
    (
        "cluster_map",
        &["api", "bedrock", "digest", "reconcile::status"],
    ),
    ("aws", &["api", "bedrock", "digest"]),
    ("reader", &["api", "bedrock", "digest", "publication"]),
    (
        "reconcile",
        &[
            "api",
            "aws::identity",
            "aws::priority",
            "bedrock",
            "digest",
            "publication",
        ],
    ),
    (
        "reconcile::status",
        &["api", "bedrock", "digest", "publication"],
    ),
    (
        "reconcile::plan",
        &[
            "api",
            "aws::priority",
            "reconcile::schedule",
            "reconcile::status",
        ],
    ),
    ("reconcile::schedule", &["api", "digest"]),
    ("leader", &["api", "kubernetes::request", "ops"]),
    (
        "kubernetes",
        &[
            "api",
            "aws",
            "bedrock",
            "cluster_map",
            "ops",
            "publication",
            "reconcile",
        ],
    ),
    (
        "discovery",
        &[
            "api",
            "aws",
            "bedrock",
            "publication",
            "reader",
            "reconcile::status",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "aws",
            "bedrock",
            "discovery",
            "kubernetes",
            "leader",
            "ops",
            "publication",
            "reader",
            "reconcile",
        ],
    ),
];

/// What decides: values in, values out.
const PURE: &[&str] = &[
    "bedrock",
    "cluster_map",
    "publication",
    "reconcile::pace",
    "reconcile::plan",
    "reconcile::schedule",
    "reconcile::status",
];

/// What pure code does not name.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "kube",
    "std::env",
    "std::fs",
    "std::net",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
];

/// Lines of a file, its tests apart.
const MAX_LINES: usize = 400;

/// The rule for a module: that of the innermost part of the tree that has one.
fn rule(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    IMPORTS
        .iter()
        .filter(|(part, _)| is_within(module, part))
        .max_by_key(|(part, _)| part.len())
        .copied()
}

fn is_within(module: &str, part: &str) -> bool {
    module
        .strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether one is below the other.
fn is_nested(one: &str, other: &str) -> bool {
    is_within(one, other) || is_within(other, one)
}

fn folder(module: &str) -> &str {
    module.split("::").next().unwrap()
}

#[test]
fn imports_follow_the_table() {
    let sources = Sources::read();
    let mut used = BTreeSet::new();
    let mut faults = Vec::new();
    for module in sources.modules() {
        let Some((part, allowed)) = rule(&module.name) else {
            faults.push(format!("{} has no rule: add it to IMPORTS", module.file));
            continue;
        };
        for import in sources.imports(module) {
            if is_within(&import, part) || COMMON.iter().any(|common| is_within(&import, common)) {
                continue;
            }
            match allowed.iter().find(|allowed| is_within(&import, allowed)) {
                Some(allowed) => {
                    used.insert((part, *allowed));
                }
                None => faults.push(format!("{} imports {import}, {part} must not", module.file)),
            }
        }
    }
    for (part, allowed) in IMPORTS {
        let unused = allowed
            .iter()
            .filter(|import| !used.contains(&(*part, **import)));
        faults.extend(
            unused.map(|import| format!("IMPORTS lets {part} import {import}, it does not")),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A module and those below it may use one another: that is what they are nested for.
#[test]
fn files_of_a_folder_import_one_another_in_no_circle() {
    let sources = Sources::read();
    let graph: BTreeMap<&str, Vec<String>> = sources
        .modules()
        .map(|module| {
            let imports = sources.imports(module).into_iter();
            let same_folder = imports.filter(|import| {
                folder(import) == folder(&module.name) && !is_nested(import, &module.name)
            });
            (module.name.as_str(), same_folder.collect())
        })
        .collect();
    let circles: BTreeSet<String> = graph
        .keys()
        .filter_map(|start| circle(&graph, start))
        .collect();
    let circles: Vec<String> = circles.into_iter().collect();
    assert!(
        circles.is_empty(),
        "import circles:\n{}",
        circles.join("\n")
    );
}

/// The shortest way from a module back to itself, written from its alphabetically first module on.
fn circle(graph: &BTreeMap<&str, Vec<String>>, start: &str) -> Option<String> {
    let mut ways = vec![vec![start]];
    let mut reached = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in &graph[*way.last()?] {
                if next == start {
                    let first = (0..way.len()).min_by_key(|&i| way[i])?;
                    let ring: Vec<&str> = (0..=way.len())
                        .map(|i| way[(first + i) % way.len()])
                        .collect();
                    return Some(ring.join(" -> "));
                }
                if reached.insert(next.as_str()) {
                    longer.push([way.as_slice(), &[next.as_str()]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn pure_folders_name_no_io_and_no_clock() {
    let sources = Sources::read();
    let pure = |module: &&Module| PURE.iter().any(|part| is_within(&module.name, part));
    let faults: Vec<String> = sources
        .modules()
        .filter(pure)
        .flat_map(|module| {
            let impure = IMPURE.iter().filter(|name| module.names(name));
            impure.map(|name| format!("{} names {name}", module.file))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short() {
    let sources = Sources::read();
    let faults: Vec<String> = sources
        .modules()
        .filter_map(|module| {
            let (file, lines) = (&module.file, module.lines);
            (lines > MAX_LINES).then(|| format!("{file} has {lines} lines: split it"))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

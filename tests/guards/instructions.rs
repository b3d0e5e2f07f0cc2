//! Instructions of the pure stages for us-east-1, counted by Valgrind.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use bedrock_model_map::api::{InferenceProfilesSpec, ModelsSpec, RegionStatus};
use bedrock_model_map::bedrock::association::{self, RegionCatalog};
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::bedrock::invocation::InvocationFacts;
use bedrock_model_map::bedrock::policy::InvocationPolicy;
use bedrock_model_map::bedrock::response;
use bedrock_model_map::bedrock::selection::Selection;
use bedrock_model_map::publication::content::RegionContent;
use bedrock_model_map::publication::render::{ConfigMapFiles, region_files};
use bedrock_simulator::Catalog;
use jiff::Timestamp;
use serde_json::json;

const REGION: &str = "us-east-1";

/// Thousands of instructions of each stage, in a build for tests on x86-64. A change that needs more for a reason
/// states the new number here.
const KNOWN: [(&str, u64); 5] = [
    ("parse", 28_802),
    ("associate", 6_734),
    ("serialize", 45_793),
    ("facts", 3_245),
    ("render", 16_946),
];

#[inline(never)]
fn parse(models: &[u8], profiles: &[u8]) -> Snapshot {
    Snapshot {
        models: response::models(models).unwrap(),
        profiles: response::profiles_page(profiles).unwrap().profiles,
        taken_at: Timestamp::UNIX_EPOCH,
    }
}

/// Selects, too.
#[inline(never)]
fn associate(snapshot: &Snapshot, selection: &Selection) -> RegionCatalog {
    association::associate(snapshot, selection)
}

#[inline(never)]
fn serialize(catalog: RegionCatalog) -> RegionContent {
    RegionContent::from_catalog(catalog).unwrap()
}

#[inline(never)]
fn facts(content: &RegionContent) -> BTreeMap<String, InvocationFacts> {
    content.facts(REGION, &InvocationPolicy::default())
}

#[inline(never)]
fn render(content: &RegionContent, facts: &BTreeMap<String, InvocationFacts>) -> ConfigMapFiles {
    let status: RegionStatus = serde_json::from_value(json!({"state": "Fresh"})).unwrap();
    region_files(REGION, content, facts, &status).unwrap()
}

#[inline(never)]
fn run_stages(models: &[u8], profiles: &[u8], selection: &Selection) -> ConfigMapFiles {
    let snapshot = parse(models, profiles);
    let content = serialize(associate(&snapshot, selection));
    render(&content, &facts(&content))
}

#[test]
#[ignore = "run under Valgrind by the next test"]
fn stages() {
    let catalog = Catalog::real().unwrap();
    let body = |list: &str, items| json!({ list: items }).to_string();
    let models = body("modelSummaries", catalog.models(REGION));
    let profiles = body("inferenceProfileSummaries", catalog.profiles(REGION));
    let filters = ModelsSpec {
        include: vec!["anthropic.*".to_owned(), "*:0".to_owned()],
        exclude: vec!["*:200k".to_owned()],
        ..ModelsSpec::default()
    };
    let selection = Selection::new(&filters, &InferenceProfilesSpec::default());
    let files = run_stages(models.as_bytes(), profiles.as_bytes(), &selection);
    assert_eq!(files.data.len(), 3);
}

#[test]
fn stages_take_at_most_a_tenth_more_instructions_than_known() {
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !cfg!(target_arch = "x86_64") || !has_valgrind {
        eprintln!("skipped: needs Valgrind on x86-64");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let counts = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--compress-strings=no",
            "--compress-pos=no",
        ])
        .arg("--toggle-collect=*instructions::run_stages*")
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "instructions::stages"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let counted = calls(&fs::read_to_string(counts).unwrap());
    let of_stage = |(stage, known): (&str, u64)| {
        let now = counted[stage] / 1000;
        let line = format!("{stage}: {now} thousand instructions, known {known}");
        (line, now * 10 > known * 11)
    };
    let (lines, has_grown): (Vec<String>, Vec<bool>) = KNOWN.into_iter().map(of_stage).unzip();
    let report = lines.join("\n");
    eprintln!("{report}");
    assert!(!has_grown.contains(&true), "{report}");
}

/// Inclusive instructions of what `run_stages` calls, by the name of the function.
fn calls(callgrind: &str) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    let (mut caller, mut callee) = ("", "");
    let mut lines = callgrind.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = name;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if line.starts_with("calls=") && caller.contains("instructions::run_stages") {
            let count = lines.next().unwrap().split(' ').nth(1).unwrap();
            let name = callee.rsplit("instructions::").next().unwrap();
            let name = name.split("::").next().unwrap().to_owned();
            *calls.entry(name).or_default() += count.parse::<u64>().unwrap();
        }
    }
    calls
}

//! The published files of real regions, the definition of the resource and a status, byte for byte.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test snapshots` rewrites them: read the diff before you commit.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reference;
mod residency;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bedrock_model_map::api::{
    AttemptError, BedrockModelMapStatus, Compression, ErrorCode, InferenceProfilesSpec,
    MappingStatus, ModelsSpec, RegionSource, RegionStatus,
};
use bedrock_model_map::bedrock::association::associate;
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::bedrock::model::ModelSummary;
use bedrock_model_map::bedrock::policy::InvocationPolicy;
use bedrock_model_map::bedrock::profile::ProfileSummary;
use bedrock_model_map::bedrock::selection::Selection;
use bedrock_model_map::publication::content::RegionContent;
use bedrock_model_map::publication::render::{mapping_files, region_files};
use bedrock_model_map::reconcile::status::conditions::{after_refresh, summary};
use bedrock_model_map::reconcile::status::peers::PeerEvidence;
use bedrock_model_map::reconcile::status::region::{
    QueryContext, after_response, failed, to_k8s_time,
};
use jiff::Timestamp;
use serde_json::Value;

/// How much of a line is shown before and after the first difference.
const SHOWN: usize = 80;

fn assert_golden(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}; {HOW_TO_UPDATE}", path.display()));
    if expected == actual {
        return;
    }
    let same = expected.bytes().zip(actual.bytes());
    let at = same
        .take_while(|(expected, actual)| expected == actual)
        .count();
    panic!(
        "{} differs from byte {at} on:\n expected: {}\n   actual: {}\n{HOW_TO_UPDATE}",
        path.display(),
        around(&expected, at),
        around(actual, at),
    );
}

const HOW_TO_UPDATE: &str =
    "if that is meant, run `UPDATE_SNAPSHOTS=1 cargo test --test snapshots` and read the diff";

fn around(text: &str, at: usize) -> String {
    let bytes = &text.as_bytes()[at.saturating_sub(SHOWN)..text.len().min(at + SHOWN)];
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The response of a real region.
fn snapshot(region: &str) -> Snapshot {
    let file = in_repository(&format!("tools/bedrock-simulator/catalog/{region}.json"));
    let catalog = fs::read_to_string(file).unwrap();
    let catalog: Value = serde_json::from_str(&catalog).unwrap();
    let items = |list: &str| {
        catalog[list]
            .as_array()
            .unwrap()
            .iter()
            .cloned()
            .enumerate()
    };
    Snapshot {
        models: items("modelSummaries")
            .map(|(index, item)| ModelSummary::from_response(index, item).unwrap())
            .collect(),
        profiles: items("inferenceProfileSummaries")
            .map(|(index, item)| ProfileSummary::from_response(index, item).unwrap())
            .collect(),
        taken_at: time("2026-11-23T10:00:00.123Z"),
    }
}

/// All models of the response.
fn content(snapshot: &Snapshot) -> RegionContent {
    let everything = Selection::new(&ModelsSpec::default(), &InferenceProfilesSpec::default());
    RegionContent::from_catalog(associate(snapshot, &everything)).unwrap()
}

/// The region after it answered for the first time.
fn fresh(region: &str) -> (RegionContent, RegionStatus) {
    let snapshot = snapshot(region);
    let (content, taken_at) = (content(&snapshot), snapshot.taken_at);
    let name = format!("claude-{region}");
    let now = time("2026-11-23T10:00:01Z");
    let query = QueryContext {
        generation: Some(3),
        guard_shrinking: true,
        at: now,
    };
    let facts = content.facts(region, &InvocationPolicy::default());
    let (mut status, _) = after_response(None, &content, &facts, taken_at, &name, query);
    let models = content.models.iter();
    let ids = models.map(|(id, model)| {
        let profiles = model.fields().get("referencedByInstanceProfiles");
        let profiles = profiles.and_then(Value::as_array).into_iter().flatten();
        let ids = profiles.map(|p| p["inferenceProfileId"].as_str().unwrap().to_owned());
        (id.clone(), ids.collect())
    });
    status.mapping = Some(ids.collect());
    (content, status)
}

#[test]
fn published_files_match_snapshots() {
    for region in ["us-east-1", "eu-central-1", "ap-southeast-7"] {
        let (content, status) = fresh(region);
        let facts = content.facts(region, &InvocationPolicy::default());
        let files = region_files(region, &content, &facts, &status).unwrap();
        assert!(files.binary_data.is_empty());
        let names: Vec<&str> = files.data.keys().map(String::as_str).collect();
        assert_eq!(names, ["invocation.json", "metadata.json", "models.json"]);
        for (name, text) in &files.data {
            let path = in_repository(&format!("tests/snapshots/{region}/{name}"));
            assert_golden(&path, text);
        }
    }
}

#[test]
fn crd_matches_snapshot() {
    let printed = Command::new(env!("CARGO_BIN_EXE_bedrock-model-map"))
        .arg("crd")
        .output()
        .unwrap();
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_golden(&in_repository("crds/bedrockmodelmaps.yaml"), &printed);
    let yaml = bedrock_model_map::api::crd_yaml().unwrap();
    assert_eq!(
        printed.split_once('\n').unwrap().1.trim_end(),
        yaml.trim_end()
    );
}

#[test]
fn status_with_fresh_stale_and_failed_region_matches_snapshot() {
    let now = time("2026-11-23T16:00:00Z");
    let mut contents = BTreeMap::new();
    let mut regions = BTreeMap::new();
    for region in ["ap-southeast-7", "mx-central-1"] {
        let (content, status) = fresh(region);
        contents.insert(region, content);
        regions.insert(region.to_owned(), status);
    }
    let timeout = |region: &str| {
        let message = format!("no answer from {region} within 20 s");
        AttemptError::new(ErrorCode::Timeout, message)
    };
    for region in ["mx-central-1", "us-west-1"] {
        let before = regions.get(region);
        let (status, _) = failed(
            before,
            timeout(region),
            PeerEvidence::ANSWER,
            RegionSource::Spec,
            now,
        );
        regions.insert(region.to_owned(), status);
    }
    let published = contents
        .iter()
        .map(|(region, content)| (*region, &*content.models_json, &regions[*region]));
    let mapping = mapping_files(published, Compression::Auto).unwrap();

    let mut status = BedrockModelMapStatus {
        observed_generation: Some(3),
        last_refresh_time: regions["ap-southeast-7"].last_success_time.clone(),
        next_refresh_time: Some(to_k8s_time(time("2026-11-23T16:00:30Z"))),
        last_handled_refresh_request: Some("2026-11-20".to_owned()),
        summary: Some(summary(&regions, RegionSource::Spec)),
        mapping: Some(MappingStatus {
            config_map: "claude-mapping".to_owned(),
            sha256: mapping.files.sha256,
            bytes: i64::try_from(mapping.bytes).unwrap(),
            compressed: mapping.compressed,
            error: None,
        }),
        regions,
        ..BedrockModelMapStatus::default()
    };
    status.conditions = after_refresh(&status, RegionSource::Spec, &[], Some(3), now);
    let json = serde_json::to_string_pretty(&status).unwrap();
    assert_golden(
        &in_repository("tests/snapshots/status.json"),
        &format!("{json}\n"),
    );
}

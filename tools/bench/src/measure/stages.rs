//! The pure stages of us-east-1, from AWS's bytes to the files of a `ConfigMap`.

use bedrock_model_map::api::{BedrockModelMapSpec, RegionStatus};
use bedrock_model_map::bedrock::association::{RegionCatalog, associate};
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::bedrock::invocation::facts;
use bedrock_model_map::bedrock::policy::InvocationPolicy;
use bedrock_model_map::bedrock::response;
use bedrock_model_map::bedrock::selection::Selection;
use bedrock_model_map::publication::content::RegionContent;
use bedrock_model_map::publication::render::region_files;
use bedrock_simulator::Catalog;
use jiff::Timestamp;
use serde_json::json;

use super::{median, time};
use crate::error::Error;
use crate::report::Section;

const REGION: &str = "us-east-1";
const RUNS: usize = 101;

pub const TITLE: &str = "Pure stages of us-east-1";

pub fn measure() -> Result<Section, Error> {
    let catalog = Catalog::real()?;
    let models = json!({"modelSummaries": catalog.models(REGION)}).to_string();
    let profiles = json!({"inferenceProfileSummaries": catalog.profiles(REGION)}).to_string();
    let parse = || parse(models.as_bytes(), profiles.as_bytes());
    let snapshot = parse()?;
    let everything = BedrockModelMapSpec::default();
    let selection = Selection::new(&everything.models, &everything.inference_profiles);
    let associated = associate(&snapshot, &selection);
    let (status, policy) = (status()?, InvocationPolicy::default());
    let content = content(associated.clone())?;

    let note = format!(
        "{} models and {} profiles in {} KiB of JSON; medians of {RUNS} runs on one core.",
        snapshot.models.len(),
        snapshot.profiles.len(),
        (models.len() + profiles.len()) / 1024,
    );
    let mut section = Section::new(TITLE, &note, ["stage", "time"]);
    let mut stage = |name: &str, duration| section.row([name, &time(duration)]);
    stage("parse both responses", median(RUNS, parse));
    let select = || {
        snapshot
            .models
            .iter()
            .filter(|m| selection.keeps_model(m))
            .count()
    };
    stage("select", median(RUNS, select));
    stage(
        "associate (selection included)",
        median(RUNS, || associate(&snapshot, &selection)),
    );
    stage(
        "invocation facts",
        median(RUNS, || facts(REGION, &associated.models, &policy)),
    );
    let mut copies = vec![associated; RUNS].into_iter();
    stage(
        "render `models.json`, hash included",
        median(RUNS, || copies.next().map(RegionContent::from_catalog)),
    );
    let files = || {
        let facts = content.facts(REGION, &policy);
        region_files(REGION, &content, &facts, &status)
    };
    stage("render the ConfigMap (facts included)", median(RUNS, files));
    Ok(section)
}

fn parse(models: &[u8], profiles: &[u8]) -> Result<Snapshot, Error> {
    let failed = |cause: response::ResponseError| Error::Failed(cause.to_string());
    Ok(Snapshot {
        models: response::models(models).map_err(failed)?,
        profiles: response::profiles_page(profiles).map_err(failed)?.profiles,
        taken_at: Timestamp::UNIX_EPOCH,
    })
}

/// Its counts do not matter for the time.
fn status() -> Result<RegionStatus, Error> {
    Ok(serde_json::from_value(json!({
        "state": "Fresh",
        "bytes": 0,
        "models": 0,
        "profiles": 0,
        "associations": 0,
        "requiringProfile": 0,
        "orphanProfiles": 0,
        "consecutiveFailures": 0,
    }))?)
}

fn content(catalog: RegionCatalog) -> Result<RegionContent, Error> {
    RegionContent::from_catalog(catalog).map_err(|cause| Error::Failed(cause.to_string()))
}

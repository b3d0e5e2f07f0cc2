//! Association beside the nested loops that it replaces, as both grow.

use std::time::Instant;

use bedrock_model_map::api::BedrockModelMapSpec;
use bedrock_model_map::bedrock::association::associate;
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::bedrock::model::{ModelSummary, Models};
use bedrock_model_map::bedrock::profile::ProfileSummary;
use bedrock_model_map::bedrock::selection::Selection;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{median, time, times};
use crate::error::Error;
use crate::report::Section;

/// Models, profiles, and ARNs of each profile.
const SIZES: [(usize, usize, usize); 4] = [
    (100, 100, 3),
    (200, 1_000, 10),
    (500, 5_000, 10),
    (1_000, 20_000, 10),
];

pub const TITLE: &str = "Association as it grows";

const NOTE: &str = "Beside the nested loop: for each profile, for each ARN, over all models. Both in Rust, over the same \
    parsed values; both embed the profiles in their models, which makes most of the time of the small sizes.";

/// Sizes whose nested loop would take longer than a second are left out of the quick form.
pub fn measure(quick: bool) -> Result<Section, Error> {
    let columns = [
        "models",
        "profiles",
        "ARNs each",
        "association",
        "nested loop",
        "ratio",
    ];
    let mut section = Section::new(TITLE, NOTE, columns);
    let everything = BedrockModelMapSpec::default();
    let selection = Selection::new(&everything.models, &everything.inference_profiles);
    let sizes = if quick { &SIZES[..3] } else { &SIZES[..] };
    let mut ratio = String::new();
    for &(models, profiles, arns) in sizes {
        let snapshot = snapshot(models, profiles, arns)?;
        let runs = (100_000 / profiles).clamp(3, 101);
        let ours = median(runs, || associate(&snapshot, &selection));
        let started = Instant::now();
        let expected = nested(&snapshot);
        let nested = started.elapsed();
        if associate(&snapshot, &selection).models != expected {
            return Err(Error::Failed(format!(
                "{models} models differ from those of the nested loop"
            )));
        }
        ratio = times(ours, nested);
        section.row([
            &models.to_string(),
            &profiles.to_string(),
            &arns.to_string(),
            &time(ours),
            &time(nested),
            &times(nested, ours),
        ]);
    }
    if let Some((models, profiles, arns)) = sizes.last() {
        let what =
            format!("association of {models} models with {profiles} profiles of {arns} ARNs");
        section.quote_ratio(
            &what,
            "the original algorithm's nested loop, in Rust",
            &ratio,
        );
    }
    Ok(section)
}

/// Each profile names so many models, spread over all of them.
fn snapshot(models: usize, profiles: usize, arns: usize) -> Result<Snapshot, Error> {
    let failed = |cause: bedrock_model_map::bedrock::ItemError| Error::Failed(cause.to_string());
    let model = |number: usize| json!({"modelId": format!("provider.model-{number}-v1:0")});
    let arn = |number: usize| {
        format!("arn:aws:bedrock:us-east-1::foundation-model/provider.model-{number}-v1:0")
    };
    let profile = |number: usize| {
        let named: Vec<Value> = (0..arns)
            .map(|i| json!({"modelArn": arn((number * 7 + i * 31) % models)}))
            .collect();
        json!({
            "inferenceProfileId": format!("us.profile-{number}"),
            "type": "APPLICATION",
            "models": named,
        })
    };
    let models = (0..models).map(|n| ModelSummary::from_response(n, model(n)));
    let profiles = (0..profiles).map(|n| ProfileSummary::from_response(n, profile(n)));
    Ok(Snapshot {
        models: models.collect::<Result<_, _>>().map_err(failed)?,
        profiles: profiles.collect::<Result<_, _>>().map_err(failed)?,
        taken_at: Timestamp::UNIX_EPOCH,
    })
}

/// The seed's three loops; then each model embeds its profiles, as the association's does.
fn nested(snapshot: &Snapshot) -> Models {
    let mut embedded: Vec<Vec<&ProfileSummary<'static>>> = vec![Vec::new(); snapshot.models.len()];
    for profile in &snapshot.profiles {
        for arn in profile.model_arns() {
            let Some((_, id)) = arn.rsplit_once('/') else {
                continue;
            };
            for (model, list) in snapshot.models.iter().zip(&mut embedded) {
                let is_last = |last: &&ProfileSummary<'_>| std::ptr::eq(*last, profile);
                if model.id() == id && !list.last().is_some_and(is_last) {
                    list.push(profile);
                }
            }
        }
    }
    let models = snapshot.models.iter().zip(embedded);
    models
        .map(|(model, mut list)| {
            list.sort_by_key(|profile| profile.id());
            (model.id().to_owned(), model.clone().with_profiles(list))
        })
        .collect()
}

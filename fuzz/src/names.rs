//! Globs and region names of a spec.

use bedrock_model_map::api::{InferenceProfilesSpec, ModelsSpec};
use bedrock_model_map::bedrock::model::ModelSummary;
use bedrock_model_map::bedrock::region::is_region;
use bedrock_model_map::bedrock::selection::Selection;
use serde_json::json;

/// The longest input: the naive matcher is slow.
const MAX_BYTES: usize = 200;

/// The input: a glob and a model ID, separated by a byte 0. Both are also checked as region names.
pub fn holds(input: &[u8]) {
    let Ok(input) = str::from_utf8(&input[..input.len().min(MAX_BYTES)]) else {
        return;
    };
    let (glob, id) = input
        .split_once('\0')
        .unwrap_or((input, "anthropic.claude-v1:0"));
    check_glob(glob, id);
    for name in [glob, id] {
        if is_region(name) {
            check_region_name(name);
        }
    }
}

fn check_glob(glob: &str, id: &str) {
    let item = json!({"modelId": id});
    let Ok(model) = ModelSummary::from_response(0, item) else {
        return;
    };
    let keeps = |models: ModelsSpec| {
        Selection::new(&models, &InferenceProfilesSpec::default()).keeps_model(&model)
    };
    let globs = || vec![glob.to_owned()];
    let (included, excluded) = (
        keeps(ModelsSpec {
            include: globs(),
            ..ModelsSpec::default()
        }),
        keeps(ModelsSpec {
            exclude: globs(),
            ..ModelsSpec::default()
        }),
    );
    let glob: Vec<char> = glob.chars().collect();
    let id: Vec<char> = id.chars().collect();
    let expected = naive(&glob, &id);
    assert_eq!(included, expected);
    assert_eq!(excluded, !expected);
}

/// Whether the glob matches the ID, by dynamic programming over their prefixes.
fn naive(glob: &[char], id: &[char]) -> bool {
    let mut row = vec![false; id.len() + 1];
    row[0] = true;
    for part in glob {
        let mut next = vec![false; id.len() + 1];
        for at in 0..=id.len() {
            next[at] = match part {
                '*' => row[at] || (at > 0 && next[at - 1]),
                '?' => at > 0 && row[at - 1],
                letter => at > 0 && row[at - 1] && id[at - 1] == *letter,
            };
        }
        row = next;
    }
    row[id.len()]
}

fn check_region_name(region: &str) {
    assert!(region.len() <= 32 && !region.starts_with('-') && !region.ends_with('-'));
    assert!(
        region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    );
    assert!(region.matches('-').count() >= 2);
}

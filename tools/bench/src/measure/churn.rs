//! Memory while all content changes again and again.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;
use crate::operator::Operator;
use crate::process::mib;
use crate::report::Section;
use crate::resources::Resources;
use crate::scene::Scene;

pub const TITLE: &str = "Memory over changes";

const COUNT: usize = 25;

/// For one change of all resources.
const DEADLINE: Duration = Duration::from_mins(6);

/// Selects all models, or all but one family's, in turn.
fn spec(round: usize) -> Value {
    let excluded = if round.is_multiple_of(2) {
        json!([])
    } else {
        json!(["anthropic.*"])
    };
    json!({ "models": { "exclude": excluded } })
}

/// A row for the first rounds and every fifth one.
pub async fn measure(program: &Path, rounds: usize) -> Result<Section, Error> {
    let scene = Scene::start(program).await?;
    let resources = Resources::new(scene.client(), COUNT).await?;
    resources.create(&spec(0)).await?;
    let operator = Operator::start(&scene)?;
    resources.ready(DEADLINE).await?;
    let note = format!(
        "{COUNT} resources of all regions with all models. Each round excludes models, or includes them again, so that all \
         ConfigMaps are rewritten. At rest is `VmRSS` two seconds after the last work of the round; peak is `VmHWM` \
         since the start."
    );
    let mut section = Section::new(TITLE, &note, ["round", "at rest", "peak"]);
    let mut rests = Vec::new();
    for (generation, round) in (1..).zip(0..=rounds) {
        if round > 0 {
            let spec = spec(round);
            resources.change(&spec, generation, DEADLINE).await?;
        }
        operator.rest(DEADLINE).await?;
        let usage = operator.usage()?;
        rests.push(usage.resident_kib);
        if round < 3 || round.is_multiple_of(5) {
            let number = round.to_string();
            section.row([&number, &mib(usage.resident_kib), &mib(usage.peak_kib)]);
        }
    }
    let slope = format!("{} KiB a round", slope(&rests[rests.len() / 2..]));
    section.row(["slope of the second half", &slope, ""]);
    Ok(section)
}

/// The slope of the line with the least squares of distances.
fn slope(values: &[u64]) -> i64 {
    // Twice the distance from the middle, so that it is whole.
    let last = i128::try_from(values.len()).unwrap_or(i128::MAX) - 1;
    let points = (0_i128..).zip(values.iter().map(|value| i128::from(*value)));
    let (products, squares) = points.fold((0, 0), |(products, squares), (x, y)| {
        let x = 2 * x - last;
        (products + x * y, squares + x * x)
    });
    i64::try_from(2 * products / squares.max(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_is_that_of_the_line() {
        let cases: [(&[u64], i64); 5] = [
            (&[], 0),
            (&[7], 0),
            (&[10, 13, 16, 19], 3),
            (&[19, 16, 13, 10], -3),
            (&[50, 60, 50, 60, 50], 0),
        ];
        for (values, expected) in cases {
            assert_eq!(slope(values), expected, "{values:?}");
        }
    }
}

//! A mapping as a table: models down, regions across.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};

use super::output::printable;
use crate::bedrock::resolve::Explanation;
use crate::reader::ModelMap;

/// Between two columns.
const GAP: usize = 2;
/// The region does not have the model.
const ABSENT: &str = "-";

/// `on demand`, the geography of the profile to pass, or why there is no id to pass; `-` where the
/// model is not there.
///
/// Where all regions do not fit into the width, there are several tables one below the other, each
/// with the models that its regions have.
pub(super) fn matrix(published: &ModelMap, width: Option<usize>) -> String {
    let columns = columns(published);
    let Some((models, regions)) = columns.split_first() else {
        return String::new();
    };
    let mut blocks = Vec::new();
    let mut rest = regions;
    loop {
        let fitting = width.map_or(rest.len(), |width| fitting(models, rest, width));
        let (block, others) = rest.split_at(fitting);
        blocks.push(rendered(models, block));
        rest = others;
        if rest.is_empty() {
            break;
        }
    }
    blocks.join("\n")
}

/// A header, and a cell each row.
type Column = Vec<String>;

/// The models' ids, and a column each region.
fn columns(published: &ModelMap) -> Vec<Column> {
    let regions = published.regions.iter();
    let regions: Vec<_> = regions
        .map(|(name, region)| (name, &region.facts))
        .collect();
    let models = regions.iter().flat_map(|(_, facts)| facts.keys());
    let models: BTreeSet<&String> = models.collect();

    let ids = models.iter().map(|id| printable(id));
    let mut columns = vec![std::iter::once("MODEL".to_owned()).chain(ids).collect()];
    for (name, facts) in &regions {
        let cells = models.iter().map(|&id| {
            facts.get(id).map_or(ABSENT.to_owned(), |facts| {
                printable(Explanation::new(facts).short())
            })
        });
        columns.push(std::iter::once(printable(name)).chain(cells).collect());
    }
    columns
}

/// How many of the columns fit beside the first one; at least one.
fn fitting(first: &Column, others: &[Column], width: usize) -> usize {
    let width_of = |column: &Column| column.iter().map(|c| c.chars().count()).max().unwrap_or(0);
    let mut sum = width_of(first);
    let fit = others.iter().take_while(|column| {
        sum += GAP + width_of(column);
        sum <= width
    });
    fit.count().max(1).min(others.len())
}

fn rendered(models: &Column, regions: &[Column]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (index, model) in models.iter().enumerate() {
        let cells: Vec<&String> = regions.iter().filter_map(|r| r.get(index)).collect();
        if cells.iter().all(|cell| *cell == ABSENT) && !cells.is_empty() {
            continue;
        }
        table.add_row(std::iter::once(model).chain(cells));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::api::RegionState;
    use crate::bedrock::policy::InvocationPolicy;
    use crate::publication::content::RegionContent;
    use crate::reader::RegionModels;

    fn published() -> ModelMap {
        let on_demand = json!({"inferenceTypesSupported": ["ON_DEMAND"]});
        let bought = json!({"inferenceTypesSupported": ["PROVISIONED"]});
        let regions = [
            ("eu-west-1", json!({"a.one": on_demand})),
            ("us-east-1", json!({"a.one": bought, "b.two": on_demand})),
        ];
        let regions = regions.into_iter().map(|(name, models)| {
            let region = RegionModels {
                content: RegionContent::new(
                    models.to_string(),
                    serde_json::from_value(models).unwrap(),
                ),
                state: RegionState::Fresh,
                stale_since: None,
                facts: BTreeMap::new(),
            };
            (name.to_owned(), region)
        });
        ModelMap {
            regions: regions.collect(),
        }
        .with_policy(&InvocationPolicy::default())
    }

    const WHOLE: &str = "\
MODEL  eu-west-1  us-east-1
a.one  on demand  provisioned
b.two  -          on demand
";

    #[test]
    fn models_are_down_and_regions_across() {
        assert_eq!(matrix(&published(), None), WHOLE);
        assert_eq!(matrix(&published(), Some(29)), WHOLE);
        assert_eq!(matrix(&ModelMap::default(), Some(29)), "MODEL\n");
    }

    #[test]
    fn what_does_not_fit_side_by_side_comes_below() {
        let blocks = "\
MODEL  eu-west-1
a.one  on demand

MODEL  us-east-1
a.one  provisioned
b.two  on demand
";
        for width in [28, 1] {
            assert_eq!(matrix(&published(), Some(width)), blocks);
        }
    }
}

//! A model map as a table: one row per model, one column per region.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};

use super::output::{printable, table_text};
use crate::bedrock::resolve::Explanation;
use crate::reader::ModelMap;

/// The blanks between two columns.
const GAP: usize = 2;
/// The cell of a region that does not have the model.
const ABSENT: &str = "-";

/// A cell is `on demand`, the geography of the profile to pass, or the reason why no ID can be
/// passed; `-` if the region does not have the model.
///
/// If the regions do not fit into the width, the table is split into several, each with the models
/// of its regions; between two geographies where possible.
pub(super) fn matrix(map: &ModelMap, width: Option<usize>) -> String {
    let columns = columns(map);
    let Some((models, regions)) = columns.split_first() else {
        return String::new();
    };
    let mut blocks = Vec::new();
    let mut rest = regions;
    loop {
        let fitting = width.map_or(rest.len(), |width| fitting(models, rest, width));
        let (block, remaining) = rest.split_at(fitting);
        blocks.push(rendered(models, block));
        rest = remaining;
        if rest.is_empty() {
            break;
        }
    }
    blocks.join("\n")
}

/// A header and the rows' cells.
type Column = Vec<String>;

/// The column of the models' IDs and those of the regions.
fn columns(map: &ModelMap) -> Vec<Column> {
    let regions: Vec<_> = map
        .regions
        .iter()
        .map(|(name, region)| (name, &region.facts))
        .collect();
    let models: BTreeSet<&String> = regions.iter().flat_map(|(_, facts)| facts.keys()).collect();

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

/// How many columns fit beside the first one; at least one.
fn fitting(first: &Column, columns: &[Column], width: usize) -> usize {
    let width_of = |column: &Column| column.iter().map(|c| c.chars().count()).max().unwrap_or(0);
    let mut sum = width_of(first);
    let fit = columns.iter().take_while(|column| {
        sum += GAP + width_of(column);
        sum <= width
    });
    let count = fit.count().max(1).min(columns.len());
    whole_geographies(columns, count)
}

/// At most this many columns, without the first regions of a geography that continues after them,
/// unless no other region is left.
fn whole_geographies(columns: &[Column], count: usize) -> usize {
    let Some(next) = columns.get(count).map(geography) else {
        return count;
    };
    let started = columns.iter().take(count).rev();
    match count
        - started
            .take_while(|column| geography(column) == next)
            .count()
    {
        0 => count,
        whole => whole,
    }
}

/// The first part of a region's name, such as `ap`.
fn geography(column: &Column) -> Option<&str> {
    column.first()?.split('-').next()
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
    table_text(&table)
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

    fn model_map() -> ModelMap {
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
    fn table_has_models_as_rows_and_regions_as_columns() {
        assert_eq!(matrix(&model_map(), None), WHOLE);
        assert_eq!(matrix(&model_map(), Some(29)), WHOLE);
        assert_eq!(matrix(&ModelMap::default(), Some(29)), "MODEL\n");
    }

    #[test]
    fn table_is_split_between_geographies() {
        let columns = |names: &[&str]| -> Vec<Column> {
            names.iter().map(|name| vec![(*name).to_owned()]).collect()
        };
        let regions = columns(&["ap-a-1", "ap-a-2", "eu-a-1", "eu-a-2", "eu-a-3", "us-a-1"]);
        let cases = [(6, 6), (5, 5), (4, 2), (3, 2), (2, 2), (1, 1)];
        for (fitting, expected) in cases {
            assert_eq!(whole_geographies(&regions, fitting), expected, "{fitting}");
        }
        let one = columns(&["eu-a-1", "eu-a-2", "eu-a-3"]);
        assert_eq!(whole_geographies(&one, 2), 2);
    }

    #[test]
    fn too_many_regions_are_split_into_several_tables() {
        let blocks = "\
MODEL  eu-west-1
a.one  on demand

MODEL  us-east-1
a.one  provisioned
b.two  on demand
";
        for width in [28, 1] {
            assert_eq!(matrix(&model_map(), Some(width)), blocks);
        }
    }
}

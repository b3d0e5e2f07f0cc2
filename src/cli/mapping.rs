//! A mapping as `discover` and `get` print it.

use std::collections::BTreeSet;

use clap::ValueEnum;
use comfy_table::{Table, presets};

use super::output::{PrintError, print, print_yaml, printable};
use super::page::{self, About};
use crate::core::content::ContentError;
use crate::core::region_name::is_region;
use crate::core::resolve::Route;
use crate::published::Published;

/// How a mapping is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// To the byte what `mapping.json` of the merged ConfigMap holds.
    Json,
    /// The same as YAML.
    Yaml,
    /// Models down, regions across: how each can be invoked.
    Table,
    /// The same as one HTML file, to filter and look into.
    Html,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ShowError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Print(#[from] PrintError),
}

pub(super) fn show(published: &Published, about: &About, format: Format) -> Result<(), ShowError> {
    match format {
        Format::Json => print(&published.mapping_json()?)?,
        Format::Yaml => {
            let mapping = serde_json::json!({ "models": published.models() });
            print_yaml(&mapping)?;
        }
        Format::Table => print(&table(published))?,
        Format::Html => print(&page::html(published, about).map_err(PrintError::from)?)?,
    }
    Ok(())
}

/// `on demand`, the geography of the profile to pass, or why there is no id to pass; `-` where the
/// model is not there.
fn table(published: &Published) -> String {
    let facts: Vec<_> = published.regions.values().collect();
    let facts: Vec<_> = facts.iter().map(|r| r.content.facts()).collect();
    let regions: Vec<_> = published.regions.iter().zip(facts).collect();
    let models: BTreeSet<&String> = regions.iter().flat_map(|(_, facts)| facts.keys()).collect();

    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let header = regions.iter().map(|((region, _), _)| printable(region));
    table.set_header(std::iter::once("MODEL".to_owned()).chain(header));
    for id in models {
        let cells = regions.iter().map(|((_, published), facts)| {
            let model = published.content.models.get(id).zip(facts.get(id));
            model.map_or("-".to_owned(), |(summary, facts)| {
                printable(Route::of(summary, facts).short())
            })
        });
        table.add_row(std::iter::once(printable(id)).chain(cells));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim());
        text.push('\n');
    }
    text
}

/// Parses the name of a region.
pub(super) fn region(name: &str) -> Result<String, String> {
    if is_region(name) {
        Ok(name.to_owned())
    } else {
        Err("not the name of an AWS region, such as us-east-1".to_owned())
    }
}

//! A mapping as `discover` and `get` print it.

use std::io;

use clap::ValueEnum;
use terminal_size::terminal_size_of;

use super::matrix::matrix;
use super::output::{PrintError, print, print_yaml};
use super::page::{self, About};
use crate::bedrock::region::is_region;
use crate::publication::content::ContentError;
use crate::reader::ModelMap;

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

pub(super) fn show(published: &ModelMap, about: &About, format: Format) -> Result<(), ShowError> {
    match format {
        Format::Json => print(&published.mapping_json()?)?,
        Format::Yaml => {
            let mapping = serde_json::json!({ "models": published.models() });
            print_yaml(&mapping)?;
        }
        Format::Table => print(&matrix(published, width()))?,
        Format::Html => print(&page::html(published, about).map_err(PrintError::from)?)?,
    }
    Ok(())
}

/// The columns of the terminal that is printed on; None: it is none.
fn width() -> Option<usize> {
    let (width, _) = terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}

/// Keeps only these regions; all if none is named.
pub(super) fn narrow(map: &mut ModelMap, regions: &[String]) {
    if !regions.is_empty() {
        let regions_of = &mut map.regions;
        regions_of.retain(|region, _| regions.contains(region));
    }
}

/// Parses the name of a region.
pub(super) fn region(name: &str) -> Result<String, String> {
    if is_region(name) {
        Ok(name.to_owned())
    } else {
        Err("not the name of an AWS region, such as us-east-1".to_owned())
    }
}

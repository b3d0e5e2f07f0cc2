//! The output of `discover` and `get`.

use std::io;

use clap::ValueEnum;
use terminal_size::terminal_size_of;

use super::alias_rows;
use super::matrix::matrix;
use super::output::{PrintError, print, print_yaml};
use super::page::{self, PageInfo};
use crate::bedrock::region::is_region;
use crate::publication::content::ContentError;
use crate::reader::ModelMap;

/// Output format of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The bytes of `mapping.json` in the merged ConfigMap.
    Json,
    /// The same as YAML.
    Yaml,
    /// One row per model, one column per region: how the model is invoked there. Aliases follow.
    Table,
    /// The table as one HTML file, with filters and details.
    Html,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ShowError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Print(#[from] PrintError),
}

pub(super) fn show(map: &ModelMap, info: &PageInfo, format: Format) -> Result<(), ShowError> {
    match format {
        Format::Json => print(&map.mapping_json()?)?,
        Format::Yaml => {
            let mapping = serde_json::json!({ "models": map.models() });
            print_yaml(&mapping)?;
        }
        Format::Table => {
            let aliases = alias_rows::table(&info.aliases);
            let gap = if aliases.is_empty() { "" } else { "\n" };
            print(&format!("{}{gap}{aliases}", matrix(map, width())))?;
        }
        Format::Html => print(&page::html(map, info).map_err(PrintError::from)?)?,
    }
    Ok(())
}

/// The columns of the terminal; None: stdout is not a terminal.
fn width() -> Option<usize> {
    let (width, _) = terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}

/// Parses a region's name.
pub(super) fn region(name: &str) -> Result<String, String> {
    if is_region(name) {
        Ok(name.to_owned())
    } else {
        Err("not an AWS region name such as us-east-1".to_owned())
    }
}

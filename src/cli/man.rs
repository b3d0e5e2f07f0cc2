//! `bedrock-model-map man`, for packagers.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::CommandFactory as _;

use super::Cli;

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Folder to write to; created if missing.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Why the pages cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the pages to {}", folder.display())]
pub(super) struct ManError {
    folder: PathBuf,
    source: io::Error,
}

impl Man {
    pub(super) fn execute(self) -> Result<(), ManError> {
        let folder = self.folder;
        let written = fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &folder));
        written.map_err(|source| ManError { folder, source })
    }
}

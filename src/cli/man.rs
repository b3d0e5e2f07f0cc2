//! `bedrock-model-map man`, for those who package the program.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::CommandFactory as _;

use super::Cli;

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The folder to write to; made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Why the pages cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", folder.display())]
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

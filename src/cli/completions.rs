//! `bedrock-model-map completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::output::{PrintError, print};
use super::{Cli, NAME};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Shell to write the script for.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(self) -> Result<(), PrintError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), NAME, &mut script);
        // clap writes a hyphen of the program's name in two ways for bash, and then completes nothing after a
        // subcommand: https://github.com/clap-rs/clap/issues/6421
        let wrong = NAME.replace('-', "__subcmd__");
        let script = String::from_utf8_lossy(&script).replace(&wrong, &NAME.replace('-', "__"));
        print(&script)
    }
}

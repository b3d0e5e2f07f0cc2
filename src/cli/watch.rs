//! `bedrock-model-map get --watch`.

use std::io;

use jiff::Timestamp;
use serde::Serialize;

use super::cluster::{ClusterArgs, NoCluster};
use super::mapping::narrow;
use super::output::{PrintError, note, print_if_read, printable};
use crate::bedrock::diff::{Change, Changes, changes};
use crate::ops::shutdown;
use crate::reader::{GetError, MappingWatch, RefreshMode, get_model_profile_mapping};

/// How often in a row the API server refuses before it is taken for its last word: it does so for a
/// moment when it starts.
const REFUSALS: u32 = 5;

/// What is watched, and how it is told.
pub(super) struct Watch {
    pub(super) name: String,
    pub(super) cluster: ClusterArgs,
    pub(super) regions: Vec<String>,
    pub(super) lines: WatchOutput,
}

/// How changes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchOutput {
    /// A line each change.
    Text,
    /// A line each time something changes.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("signals cannot be received: {0}")]
    Signals(#[source] io::Error),
    #[error("{0}")]
    NoCluster(#[from] NoCluster),
    #[error("{0}")]
    Get(#[from] GetError),
    #[error("{0}")]
    Print(#[from] PrintError),
}

/// A line of `-o json`.
#[derive(Serialize)]
struct Line<'l> {
    time: Timestamp,
    namespace: &'l str,
    name: &'l str,
    changes: &'l [Change],
}

impl Watch {
    /// Ends when the process is asked to, or when nobody reads any more.
    pub(super) async fn execute(self) -> Result<(), WatchError> {
        let stop = shutdown::signal_received().map_err(WatchError::Signals)?;
        tokio::select! {
            () = stop => Ok(()),
            ended = self.watch() => ended,
        }
    }

    async fn watch(&self) -> Result<(), WatchError> {
        let (client, namespace) = self.cluster.connect().await?;
        let name = &self.name;
        let known =
            get_model_profile_mapping(client.clone(), &namespace, name, RefreshMode::None).await;
        let known = match known {
            Ok(known) => Some(known),
            Err(error @ GetError::NotReady { .. }) => {
                note(&error.to_string());
                None
            }
            Err(error) => return Err(error.into()),
        };
        let mut watch = MappingWatch::new(client, &namespace, name, known.as_ref());
        let mut before = known.map(|known| known.published).unwrap_or_default();
        narrow(&mut before, &self.regions);
        let mut troubles = ErrorReporter::default();
        note(&format!("watching BedrockModelMap {namespace}/{name}"));
        loop {
            let mut after = match watch.next().await {
                Ok(mapping) => mapping.published,
                Err(error) => {
                    troubles.met(error)?;
                    continue;
                }
            };
            troubles = ErrorReporter::default();
            narrow(&mut after, &self.regions);
            let changes = changes(&before.views(), &after.views());
            before = after;
            if !self.tell(&namespace, &changes)? {
                return Ok(());
            }
        }
    }

    /// False: nobody reads it any more.
    fn tell(&self, namespace: &str, changes: &Changes) -> Result<bool, WatchError> {
        if changes.is_empty() {
            return Ok(true);
        }
        let time = Timestamp::now();
        let text = match self.lines {
            WatchOutput::Text => text(time, changes),
            WatchOutput::Json => {
                let line = Line {
                    time,
                    namespace,
                    name: &self.name,
                    changes: &changes.items,
                };
                let json = serde_json::to_string(&line).map_err(PrintError::from)?;
                format!("{json}\n")
            }
        };
        Ok(print_if_read(&text)?)
    }
}

fn text(time: Timestamp, changes: &Changes) -> String {
    let lines = changes.items.iter();
    let lines = lines.map(|change| printable(&format!("{time:.0}  {change}")) + "\n");
    lines.collect()
}

/// What went wrong since the last mapping was read. It goes on: what is told is told once.
#[derive(Default)]
struct ErrorReporter {
    told: String,
    refusals: u32,
}

impl ErrorReporter {
    fn met(&mut self, error: GetError) -> Result<(), GetError> {
        self.refusals = match error {
            GetError::Refused { .. } | GetError::NoKind => self.refusals + 1,
            _ => 0,
        };
        if self.refusals >= REFUSALS {
            return Err(error);
        }
        let text = error.to_string();
        if text != self.told {
            note(&text);
            self.told = text;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::bedrock::diff::ChangeKind;

    #[test]
    fn a_change_is_a_line_with_its_time_and_obeyed_by_no_terminal() {
        let change = Change {
            what: ChangeKind::ModelAdded {
                model: "evil\u{1b}[2J".to_owned(),
            },
            regions: BTreeSet::from(["us-east-1".to_owned()]),
        };
        let changes = Changes {
            items: vec![change.clone(), change],
        };
        let line = "1970-01-01T00:00:00Z  evil\u{fffd}[2J added in us-east-1\n";
        assert_eq!(text(Timestamp::UNIX_EPOCH, &changes), line.repeat(2));
    }

    #[test]
    fn only_a_lasting_refusal_is_the_end() {
        let refused = || GetError::Refused {
            action: "watch".to_owned(),
            message: "no".to_owned(),
        };
        let gone = || GetError::NoResource("x".to_owned());
        let mut troubles = ErrorReporter::default();
        for _ in 1..REFUSALS {
            assert!(troubles.met(refused()).is_ok());
        }
        assert!(troubles.met(gone()).is_ok());
        for _ in 1..REFUSALS {
            assert!(troubles.met(refused()).is_ok());
        }
        assert!(troubles.met(refused()).is_err());
    }
}

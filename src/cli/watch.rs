//! `bedrock-model-map get --watch`.

use std::io;

use jiff::Timestamp;
use serde::Serialize;

use super::cluster::{ClusterArgs, ClusterError};
use super::output::{PrintError, eprint_note, print_if_read, printable};
use crate::bedrock::diff::{Change, Changes, changes};
use crate::ops::shutdown;
use crate::reader::{GetError, MapReader, MappingWatch};
use crate::text::error_chain;

/// The number of refusals in a row that ends the watch: an API server that starts refuses for a
/// moment.
const MAX_REFUSALS: u32 = 5;

pub(super) struct Watch {
    pub(super) name: String,
    pub(super) cluster: ClusterArgs,
    pub(super) regions: Vec<String>,
    pub(super) output: WatchOutput,
}

/// The format of printed changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchOutput {
    /// One line for each change.
    Text,
    /// One line for each publication with changes.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Get(#[from] GetError),
    #[error(transparent)]
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
    /// Returns on a signal, or once stdout is closed.
    pub(super) async fn execute(self) -> Result<(), WatchError> {
        let stop = shutdown::signal_received().map_err(WatchError::Signals)?;
        tokio::select! {
            () = stop => Ok(()),
            ended = self.watch() => ended,
        }
    }

    async fn watch(&self) -> Result<(), WatchError> {
        let (client, namespace) = self.cluster.connect().await?;
        let reader = MapReader::new(client, &namespace, &self.name);
        let known = match reader.get().await {
            Ok(known) => Some(known),
            Err(error @ GetError::NotReady { .. }) => {
                eprint_note(&error.to_string());
                None
            }
            Err(error) => return Err(error.into()),
        };
        let mut watch = MappingWatch::new(reader, known.as_ref());
        let mut before = known.map(|known| known.map).unwrap_or_default();
        before.retain_regions(&self.regions);
        let mut errors = ErrorReporter::default();
        eprint_note(&format!(
            "watching BedrockModelMap {namespace}/{}",
            self.name
        ));
        loop {
            let mut after = match watch.next().await {
                Ok(mapping) => mapping.map,
                Err(error) => {
                    errors.report(error)?;
                    continue;
                }
            };
            errors = ErrorReporter::default();
            after.retain_regions(&self.regions);
            let changes = changes(&before.views(), &after.views());
            before = after;
            if !self.print(&namespace, &changes)? {
                return Ok(());
            }
        }
    }

    /// Prints changes. False: stdout is closed.
    fn print(&self, namespace: &str, changes: &Changes) -> Result<bool, WatchError> {
        if changes.is_empty() {
            return Ok(true);
        }
        let time = Timestamp::now();
        let text = match self.output {
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
    changes
        .items
        .iter()
        .map(|change| printable(&format!("{time:.0}  {change}")) + "\n")
        .collect()
}

/// Reports errors of a watch that goes on: a repeated error once, until a map is read again.
#[derive(Default)]
struct ErrorReporter {
    last: String,
    refusals: u32,
}

impl ErrorReporter {
    /// Prints an error, or returns it if it ends the watch.
    fn report(&mut self, error: GetError) -> Result<(), GetError> {
        self.refusals = match error {
            GetError::Refused { .. } | GetError::NoKind => self.refusals + 1,
            _ => 0,
        };
        if self.refusals >= MAX_REFUSALS {
            return Err(error);
        }
        let text = error_chain(&error);
        if text != self.last {
            eprint_note(&text);
            self.last = text;
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
    fn change_is_a_printable_line_with_its_time() {
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
    fn only_repeated_refusals_end_the_watch() {
        let refused = || GetError::Refused {
            action: "watch".to_owned(),
            source: "no".into(),
        };
        let gone = || GetError::NoResource("x".to_owned());
        let mut errors = ErrorReporter::default();
        for _ in 1..MAX_REFUSALS {
            assert!(errors.report(refused()).is_ok());
        }
        assert!(errors.report(gone()).is_ok());
        for _ in 1..MAX_REFUSALS {
            assert!(errors.report(refused()).is_ok());
        }
        assert!(errors.report(refused()).is_err());
    }
}

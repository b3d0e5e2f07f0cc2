//! Why the scenario ended before its end.

use std::io;
use std::time::Duration;

use control_plane::kubectl;

use crate::command;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane, the node or their programs are not available.
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    /// kubectl failed.
    #[error(transparent)]
    Kubectl(#[from] kubectl::Error),
    /// Helm failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// Something did not happen.
    #[error("not within {} s: {awaited}; last seen: {seen}", .limit.as_secs())]
    Late {
        awaited: String,
        limit: Duration,
        seen: String,
    },
    /// Something is as it must not be.
    #[error("{what}\nexpected:\n{expected}\nseen:\n{seen}")]
    Unexpected {
        what: &'static str,
        expected: String,
        seen: String,
    },
    /// A process could not be killed.
    #[error("cannot kill process {0}")]
    Kill(String),
    /// The catalogue is not as the simulator is known to have it.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The scenario failed, and has said why.
    #[error("failed, see above")]
    Failed,
    /// The machine did not clean up.
    #[error("left behind: {0:#?}")]
    Left(Vec<String>),
    /// A file, a process or the terminal could not be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

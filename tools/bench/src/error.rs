//! Why something could not be measured.

use std::io;

/// Why a scene, or the whole program, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane or the operator ended, or did not start.
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    /// kubectl failed.
    #[error(transparent)]
    Kubectl(#[from] control_plane::kubectl::Error),
    /// A request to the API server failed.
    #[error("a request to the API server failed: {0}")]
    Kube(#[from] kube::Error),
    /// A watch on the API server failed.
    #[error("a watch failed: {0}")]
    Watch(#[from] kube::runtime::watcher::Error),
    /// The kubeconfig is unusable.
    #[error(transparent)]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Something is not the JSON that it should be.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A file, a socket or a process could not be used.
    #[error("{action}: {cause}")]
    Io {
        /// What was attempted.
        action: String,
        /// The system's message.
        cause: io::Error,
    },
    /// Something took longer than its bound.
    #[error("{0}")]
    Late(String),
    /// A program that is measured failed.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// For `map_err` of an I/O error.
    pub fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |cause| Self::Io { action, cause }
    }
}

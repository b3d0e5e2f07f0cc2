//! The error of a reconciliation.

use super::request::CallError;

/// Failed reconciliation of a resource.
#[derive(Debug, thiserror::Error)]
#[error("BedrockModelMap {namespace}/{name}: {source}; retrying")]
pub(super) struct ReconcileError {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) source: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error(transparent)]
    Call(CallError),
    #[error("internal error: the reconciliation panicked: {0}; please report it")]
    Panic(String),
}

impl ReconcileError {
    /// Whether the API server rejected a request.
    pub(super) fn is_rejected(&self) -> bool {
        match &self.source {
            Cause::Call(error) => error.is_rejected(),
            Cause::Panic(_) => false,
        }
    }

    /// The error of a resource whose reconciliation panicked.
    pub(super) fn from_panic(namespace: String, name: String, message: String) -> Self {
        Self {
            namespace,
            name,
            source: Cause::Panic(message),
        }
    }
}

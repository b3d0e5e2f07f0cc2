//! Calls to the Kubernetes API: each has a deadline, each error says what failed.

use std::time::Duration;

use crate::text::error_chain;

/// How long one call may take. The client itself tries again when the API server is overloaded.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server, or the way to it.
    #[error("{what}: {}", explained(source))]
    Api {
        /// What was being done, and to what.
        what: String,
        /// What went wrong.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("{what}: the Kubernetes API did not answer within {} s", TIMEOUT.as_secs())]
    Timeout {
        /// What was being done, and to what.
        what: String,
    },
}

/// Makes a call within its deadline.
pub async fn call<T>(
    what: impl FnOnce() -> String,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(TIMEOUT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(CallError::Api {
            what: what(),
            source: Box::new(source),
        }),
        Err(_) => Err(CallError::Timeout { what: what() }),
    }
}

/// What a user can do about it, as far as the error tells.
pub fn explained(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => error_chain(other),
    }
}

impl CallError {
    /// Whether the object changed or appeared meanwhile, so that a new look decides.
    pub fn is_conflict(&self) -> bool {
        self.has_code(409)
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.has_code(404)
    }

    /// Whether the API server did not understand.
    pub fn is_bad_request(&self) -> bool {
        self.has_code(400)
    }

    /// Whether a right is missing.
    pub fn is_forbidden(&self) -> bool {
        self.has_code(403)
    }

    fn has_code(&self, code: u16) -> bool {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.code == code,
                _ => false,
            },
            Self::Timeout { .. } => false,
        }
    }
}

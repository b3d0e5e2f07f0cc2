//! Calls to the Kubernetes API, with a timeout and errors that name the failed operation.

use std::time::Duration;

use kube::core::Status;

use crate::text::error_chain;

/// Timeout of a call, including the client's retries for an overloaded API server.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Failed call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Error of the API server or the connection.
    #[error("{what}: {}", explained(source))]
    Api {
        /// Operation and object.
        what: String,
        /// Cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// No response in time.
    #[error("{what}: no response from the Kubernetes API within {} s", TIMEOUT.as_secs())]
    Timeout {
        /// Operation and object.
        what: String,
    },
}

/// Runs a call with the timeout.
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

/// The error with its causes, or the message of the API server.
pub fn explained(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => error_chain(other),
    }
}

impl CallError {
    /// Whether the object was changed or created concurrently.
    pub fn is_conflict(&self) -> bool {
        self.has_code(409)
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.has_code(404)
    }

    /// Whether the API server rejected the request as malformed.
    pub fn is_bad_request(&self) -> bool {
        self.has_code(400)
    }

    /// Whether a permission is missing.
    pub fn is_forbidden(&self) -> bool {
        self.has_code(403)
    }

    /// Whether the API server rejected the request: it rejects it again unless something changes.
    pub fn is_rejected(&self) -> bool {
        [400, 403, 413, 422].iter().any(|code| self.has_code(*code))
    }

    /// Paths of the fields that the API server rejected as invalid.
    pub fn invalid_fields(&self) -> Vec<&str> {
        let status = self.status().filter(|status| status.code == 422);
        let details = status.and_then(|status| status.details.as_ref());
        let causes = details.map_or(&[][..], |details| details.causes.as_slice());
        causes.iter().map(|cause| cause.field.as_str()).collect()
    }

    fn has_code(&self, code: u16) -> bool {
        self.status().is_some_and(|status| status.code == code)
    }

    /// The response of the API server, if it sent one.
    fn status(&self) -> Option<&Status> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            Self::Timeout { .. } => None,
        }
    }
}

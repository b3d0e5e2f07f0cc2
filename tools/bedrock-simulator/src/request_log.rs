use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::identities::Session;
use crate::operation::Operation;

/// A request as it arrived, whatever came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// The region of the signature's credential scope; empty for a request without a signature.
    pub region: String,
    /// The operation.
    pub operation: Operation,
    /// The access key id of the signature; empty for a request without a signature.
    pub identity: String,
    /// `type` of `ListInferenceProfiles`, if it was given.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub profile_type: Option<String>,
    /// The requested session, or the identity of the request if the simulator gave the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<Vec<RecordedRequest>>);

impl RequestLog {
    /// Adds a request, and says how many of its region and operation came before.
    pub(crate) fn record(&self, request: RecordedRequest) -> usize {
        let mut requests = self.lock();
        let before = count(&requests, &request.region, request.operation);
        requests.push(request);
        before
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().clone()
    }

    pub(crate) fn count(&self, region: &str, operation: Operation) -> usize {
        count(&self.lock(), region, operation)
    }

    pub(crate) fn total(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn reset(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RecordedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(requests: &[RecordedRequest], region: &str, operation: Operation) -> usize {
    let same =
        |request: &&RecordedRequest| request.region == region && request.operation == operation;
    requests.iter().filter(same).count()
}

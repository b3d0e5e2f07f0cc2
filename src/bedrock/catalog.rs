//! One region's foundation models and inference profiles, as Bedrock lists them.

use jiff::Timestamp;

use crate::bedrock::model::ModelSummary;
use crate::bedrock::profile::ProfileSummary;

/// The responses of one region.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// In the order of the response.
    pub models: Vec<ModelSummary>,
    /// In the order of the responses, system-defined profiles first.
    pub profiles: Vec<ProfileSummary<'static>>,
    /// Time of the requests.
    pub taken_at: Timestamp,
    /// Size of the responses in bytes.
    pub bytes: usize,
}

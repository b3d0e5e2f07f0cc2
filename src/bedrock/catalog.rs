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
}

/// A snapshot as JSON text, which takes a tenth of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedSnapshot {
    models: Box<str>,
    profiles: Box<str>,
    /// Time of the requests.
    pub taken_at: Timestamp,
}

impl PackedSnapshot {
    /// Packs the snapshot. Error: a value is no JSON, which none from a response is.
    pub fn new(snapshot: &Snapshot) -> Result<Self, serde_json::Error> {
        Ok(Self {
            models: serde_json::to_string(&snapshot.models)?.into(),
            profiles: serde_json::to_string(&snapshot.profiles)?.into(),
            taken_at: snapshot.taken_at,
        })
    }

    /// The snapshot that was packed. Error: as for [`PackedSnapshot::new`].
    pub fn unpack(&self) -> Result<Snapshot, serde_json::Error> {
        Ok(Snapshot {
            models: serde_json::from_str(&self.models)?,
            profiles: serde_json::from_str(&self.profiles)?,
            taken_at: self.taken_at,
        })
    }

    /// Size in memory.
    pub fn bytes(&self) -> usize {
        self.models.len() + self.profiles.len()
    }
}

//! One region's foundation models and inference profiles, as Bedrock lists them.

use jiff::Timestamp;

use crate::bedrock::model::ModelSummary;
use crate::bedrock::profile::ProfileSummary;
use crate::digest::sha256_hex;

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
    sha256: String,
    /// Time of the requests.
    pub taken_at: Timestamp,
}

impl PackedSnapshot {
    /// Packs the snapshot. Error: a value is no JSON, which none from a response is.
    pub fn new(snapshot: &Snapshot) -> Result<Self, serde_json::Error> {
        let models = serde_json::to_string(&snapshot.models)?;
        let profiles = serde_json::to_string(&snapshot.profiles)?;
        let hashes = [&models, &profiles].map(|list| sha256_hex(list.as_bytes()));
        Ok(Self {
            models: models.into(),
            profiles: profiles.into(),
            sha256: sha256_hex(hashes.concat().as_bytes()),
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

    /// Hash of both lists. Equal lists have the same, whenever they were taken.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Size in memory.
    pub fn bytes(&self) -> usize {
        self.models.len() + self.profiles.len()
    }
}

//! The lifecycle of a model.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::LifecycleStatus;
use crate::bedrock::canonical::string;

/// A model's lifecycle as AWS states it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Lifecycle {
    /// `ACTIVE` or `LEGACY`, as AWS gives it; empty if AWS gives none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The time from which calls fail, RFC 3339; empty if AWS gives none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub end_of_life_time: String,
}

impl Lifecycle {
    pub(super) fn from_fields(fields: &Map<String, Value>) -> Self {
        Self {
            status: string(fields, "status").to_owned(),
            end_of_life_time: string(fields, "endOfLifeTime").to_owned(),
        }
    }

    /// Whether AWS has announced the model's end of life.
    pub fn is_legacy(&self) -> bool {
        self.status == LifecycleStatus::Legacy.as_str()
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status.as_str() {
            "" => f.write_str("of unknown lifecycle")?,
            status => f.write_str(status)?,
        }
        // The day is precise enough for a line of text.
        match self.end_of_life_time.split('T').next() {
            Some(day) if !day.is_empty() => write!(f, " until {day}"),
            Some(_) | None => Ok(()),
        }
    }
}

//! What is published of an alias.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AliasTarget, UnresolvedReason};

/// `aliases.json`: what each alias stands for.
pub type AliasEntries = BTreeMap<String, AliasEntry>;

/// What an alias stands for in a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AliasEntry {
    /// A model.
    Resolved(AliasTarget),
    /// No model.
    Unresolved(Unresolved),
}

/// No model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unresolved {
    /// `null`.
    pub invoke_with: (),
    /// Why.
    pub reason: UnresolvedReason,
}

impl AliasEntry {
    /// The model, if there is one.
    pub fn target(&self) -> Option<&AliasTarget> {
        match self {
            Self::Resolved(target) => Some(target),
            Self::Unresolved(_) => None,
        }
    }
}

impl From<Result<AliasTarget, UnresolvedReason>> for AliasEntry {
    fn from(resolved: Result<AliasTarget, UnresolvedReason>) -> Self {
        match resolved {
            Ok(target) => Self::Resolved(target),
            Err(reason) => Self::Unresolved(Unresolved {
                invoke_with: (),
                reason,
            }),
        }
    }
}

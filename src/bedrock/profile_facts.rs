//! What a caller needs to know of an inference profile.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::RouteKind;
use crate::bedrock::profile::{ProfileSummary, is_active, is_system_defined};

/// The geography of a profile that routes to any commercial region.
const GLOBAL: &str = "global";
/// The destination of an ARN that names no region.
pub const ANY_REGION: &str = "*";

/// An inference profile, as `invocation.json` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProfileFacts {
    /// The profile ID. Callers pass that of a system-defined profile; of an application profile they
    /// pass the ARN, as Converse refuses the ID.
    pub id: String,
    /// The ARN, if AWS gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The name, such as `US Claude Sonnet 4.5`, or the one that the account's users chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `SYSTEM_DEFINED` or `APPLICATION`, as AWS gives it.
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub profile_type: String,
    /// `ACTIVE`, as AWS gives it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Of a system-defined profile, the part of its ID before the first `.`, such as `us` or `global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geography: Option<String>,
    /// The regions in the profile's model ARNs, sorted; `*` stands for an ARN without a region.
    pub destination_regions: Vec<String>,
}

impl ProfileFacts {
    /// None: the profile has no ID.
    pub(super) fn new(profile: &ProfileSummary<'_>) -> Option<Self> {
        let (id, profile_type) = (profile.id(), profile.profile_type());
        let geography = id
            .split_once('.')
            .map(|(geography, _)| geography.to_owned())
            .filter(|_| is_system_defined(profile_type));
        let regions: BTreeSet<&str> = profile.model_arns().filter_map(arn_region).collect();
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        (!id.is_empty()).then(|| Self {
            id: id.to_owned(),
            arn: given(profile.arn()),
            name: given(profile.name()),
            profile_type: profile_type.to_owned(),
            status: profile.status().to_owned(),
            geography,
            destination_regions: regions.into_iter().map(str::to_owned).collect(),
        })
    }

    /// The kind of the route through this profile.
    pub fn route_kind(&self) -> RouteKind {
        if !is_system_defined(&self.profile_type) {
            RouteKind::Application
        } else if self.geography.as_deref() == Some(GLOBAL) {
            RouteKind::Global
        } else {
            RouteKind::Geographic
        }
    }

    /// Whether the profile can be invoked.
    pub fn is_active(&self) -> bool {
        is_active(&self.status)
    }

    /// Whether one of the profile's ARNs names no region.
    pub fn routes_to_any_region(&self) -> bool {
        self.destination_regions
            .iter()
            .any(|region| region == ANY_REGION)
    }
}

/// The region of an ARN, `*` if the ARN names none; None: not an ARN.
fn arn_region(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    if parts.next() != Some("arn") {
        return None;
    }
    let region = parts.nth(2)?;
    parts.nth(1)?;
    Some(if region.is_empty() {
        ANY_REGION
    } else {
        region
    })
}

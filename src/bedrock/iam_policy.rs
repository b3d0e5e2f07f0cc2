//! The IAM policies that callers of chosen IDs need.
//!
//! A caller of an inference profile needs the profile, and its model in the source region and in every
//! destination region. The models are granted through the profile only (`bedrock:InferenceProfileArn`).
//! A request through a global profile reaches a model ARN without region, and `aws:RequestedRegion` is
//! `unspecified` for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::bedrock::profile_facts::ANY_REGION;
use crate::bedrock::region::partition_of;
use crate::bedrock::resolve::Resolution;

/// The most characters of a managed policy, without whitespace.
pub const MAX_POLICY_CHARACTERS: usize = 6_144;

const INVOKE: [&str; 2] = [
    "bedrock:InvokeModel",
    "bedrock:InvokeModelWithResponseStream",
];
/// Clients resolve an application profile to its model by it.
const GET_PROFILE: &str = "bedrock:GetInferenceProfile";
const PROFILE_KEY: &str = "bedrock:InferenceProfileArn";
const REGION_KEY: &str = "aws:RequestedRegion";
/// The value of `aws:RequestedRegion` for a model ARN without region.
const UNSPECIFIED: &str = "unspecified";

/// An ID that callers may pass, and what it reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    region: String,
    model_id: String,
    profile: Option<GrantedProfile>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GrantedProfile {
    arn: String,
    destinations: Vec<String>,
}

/// Why an ID cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The model has no ID to pass.
    #[error("it has no ID to pass")]
    NoId,
    /// AWS gives no ARN for the profile.
    #[error("the ARN of its inference profile is unknown")]
    NoArn,
}

impl TryFrom<&Resolution> for Grant {
    type Error = GrantError;

    fn try_from(resolution: &Resolution) -> Result<Self, GrantError> {
        resolution.invoke_with.as_ref().ok_or(GrantError::NoId)?;
        let profile = resolution.profile.as_ref().map(|profile| {
            Ok(GrantedProfile {
                arn: profile.arn.clone().ok_or(GrantError::NoArn)?,
                destinations: profile.destination_regions.clone(),
            })
        });
        Ok(Self {
            region: resolution.region.clone(),
            model_id: resolution.model_id.clone(),
            profile: profile.transpose()?,
        })
    }
}

/// An IAM policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

/// A statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// The name of the statement.
    pub sid: &'static str,
    effect: &'static str,
    /// The actions that are allowed.
    pub action: Vec<&'static str>,
    /// The ARNs to which they are allowed; `*` matches any characters.
    pub resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    string_equals: BTreeMap<&'static str, BTreeSet<String>>,
}

/// How the destinations of profiles are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Each model ARN in full.
    Exact,
    /// `*` for the region of a model that is reached through a profile.
    AnyRegion,
}

/// The policies for these grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// One document, or several where one would be too long.
    pub documents: Vec<PolicyDocument>,
    /// How the destinations of profiles are named.
    pub precision: Precision,
}

impl Policies {
    /// The policies for these grants: one document with exact ARNs if it fits, else one with `*` as
    /// region of the models behind profiles, else several of the latter.
    pub fn new(grants: &BTreeSet<Grant>) -> Self {
        let exact = PolicyDocument::new(&grants.iter().collect::<Vec<_>>(), Precision::Exact);
        if exact.fits() {
            return Self {
                documents: vec![exact],
                precision: Precision::Exact,
            };
        }
        Self {
            documents: split(grants),
            precision: Precision::AnyRegion,
        }
    }
}

/// As few documents as the order of the grants allows, each of which fits.
fn split(grants: &BTreeSet<Grant>) -> Vec<PolicyDocument> {
    let document = |part: &[&Grant]| PolicyDocument::new(part, Precision::AnyRegion);
    let fits = |part: &[&Grant]| document(part).fits();
    let grants: Vec<&Grant> = grants.iter().collect();
    let mut rest = grants.as_slice();
    let mut documents = Vec::new();
    while !rest.is_empty() {
        // A document of more grants is not smaller: so the longest part is searched, from short parts on.
        let powers = std::iter::successors(Some(1_usize), |size| size.checked_mul(2));
        let too_long = powers
            .take_while(|size| *size <= rest.len())
            .find(|size| !fits(&rest[..*size]));
        let sizes: Vec<usize> = (1..=too_long.unwrap_or(rest.len())).collect();
        let size = sizes.partition_point(|size| fits(&rest[..*size])).max(1);
        documents.push(document(&rest[..size]));
        rest = &rest[size..];
    }
    documents
}

impl PolicyDocument {
    fn new(grants: &[&Grant], precision: Precision) -> Self {
        let through = |profile: &GrantedProfile| profile.arn.clone();
        let grants = || grants.iter().copied();
        let profiles = || grants().filter_map(|g| Some((g, g.profile.as_ref()?)));
        let is_any = |(_, profile): &(&Grant, &GrantedProfile)| {
            profile
                .destinations
                .iter()
                .any(|region| region == ANY_REGION)
        };
        let in_region = grants().filter(|grant| grant.profile.is_none());
        let statements = [
            Statement::allow(
                "InvokeModelsInRegion",
                &INVOKE,
                in_region
                    .map(|grant| model_arn(&grant.region, grant))
                    .collect(),
            ),
            Statement::allow(
                "InvokeInferenceProfiles",
                &[INVOKE[0], INVOKE[1], GET_PROFILE],
                profiles().map(|(_, profile)| through(profile)).collect(),
            ),
            Statement::allow(
                "InvokeModelsOfInferenceProfiles",
                &INVOKE,
                profiles()
                    .flat_map(|(grant, profile)| regional_arns(grant, profile, precision))
                    .collect(),
            )
            .map(|s| s.with(PROFILE_KEY, profiles().map(|(_, p)| through(p)).collect())),
            Statement::allow(
                "InvokeModelsOfGlobalInferenceProfiles",
                &INVOKE,
                profiles()
                    .filter(is_any)
                    .map(|(grant, _)| model_arn("", grant))
                    .collect(),
            )
            .map(|s| {
                let global = profiles().filter(is_any).map(|(_, p)| through(p)).collect();
                s.with(PROFILE_KEY, global)
                    .with(REGION_KEY, BTreeSet::from([UNSPECIFIED.to_owned()]))
            }),
        ];
        Self {
            version: "2012-10-17",
            statement: statements.into_iter().flatten().collect(),
        }
    }

    /// The number of characters that IAM counts: all but whitespace, of which the ARNs have none.
    pub fn characters(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |json| json.chars().count())
    }

    fn fits(&self) -> bool {
        self.characters() <= MAX_POLICY_CHARACTERS
    }

    /// The statements.
    pub fn statements(&self) -> &[Statement] {
        &self.statement
    }
}

impl Statement {
    /// None: there is nothing to allow.
    fn allow(
        sid: &'static str,
        action: &[&'static str],
        resource: BTreeSet<String>,
    ) -> Option<Self> {
        (!resource.is_empty()).then(|| Self {
            sid,
            effect: "Allow",
            action: action.to_vec(),
            resource,
            condition: None,
        })
    }

    fn with(mut self, key: &'static str, values: BTreeSet<String>) -> Self {
        let condition = self.condition.get_or_insert_with(|| Condition {
            string_equals: BTreeMap::new(),
        });
        condition.string_equals.insert(key, values);
        self
    }

    /// The values that the statement requires of the request (`StringEquals`), by key.
    pub fn conditions(&self) -> impl Iterator<Item = (&'static str, &BTreeSet<String>)> {
        let keys = self.condition.iter().flat_map(|c| &c.string_equals);
        keys.map(|(key, values)| (*key, values))
    }
}

/// The ARNs of a profile's model in the source region and in each destination that has a region.
fn regional_arns(grant: &Grant, profile: &GrantedProfile, precision: Precision) -> Vec<String> {
    let destinations = profile.destinations.iter().map(String::as_str);
    let regions = destinations.filter(|region| *region != ANY_REGION);
    match precision {
        Precision::Exact => std::iter::once(grant.region.as_str())
            .chain(regions)
            .map(|region| model_arn(region, grant))
            .collect(),
        Precision::AnyRegion => vec![model_arn("*", grant)],
    }
}

/// The ARN of the grant's model in a region; the source region determines the partition.
fn model_arn(region: &str, grant: &Grant) -> String {
    let partition = partition_of(&grant.region);
    let model = &grant.model_id;
    format!("arn:{partition}:bedrock:{region}::foundation-model/{model}")
}

#[cfg(test)]
mod tests;

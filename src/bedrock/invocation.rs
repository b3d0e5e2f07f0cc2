//! Which id a caller passes to invoke a model from a region.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::bedrock::model::{ModelSummary, Models};
use crate::bedrock::profile::{ProfileSummary, is_active, is_system_defined};

/// The geography of a profile that routes to any commercial region.
const GLOBAL: &str = "global";
/// The inference type of a model that its own ID invokes.
const ON_DEMAND: &str = "ON_DEMAND";
/// The region of an ARN that names none.
const ANY_REGION: &str = "*";

/// How a model is invoked from a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvocationFacts {
    /// Whether the model id itself can be passed: `inferenceTypesSupported` has `ON_DEMAND`.
    pub on_demand: bool,
    /// Whether the model is not on demand, and at least one profile references it.
    pub requires_inference_profile: bool,
    /// The id to pass: the model id if on demand, else the first ACTIVE system-defined profile, a
    /// geography's before a global one. None: nothing that AWS answered can be passed.
    pub invoke_with: Option<String>,
    /// The profiles that reference the model: a geography's, then global ones, then those of the
    /// account; each by id.
    pub profiles: Vec<ProfileFacts>,
}

/// What a caller needs to know of an inference profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileFacts {
    /// The id to pass.
    pub id: String,
    /// `SYSTEM_DEFINED` or `APPLICATION`; as AWS gave it.
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub profile_type: String,
    /// `ACTIVE`; as AWS gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Of a system-defined profile, its id's part before the first `.`, such as `us` or `global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geography: Option<String>,
    /// The regions that its model ARNs name, sorted; `*` stands for an ARN without a region.
    pub destination_regions: Vec<String>,
}

impl ProfileFacts {
    fn new(profile: &ProfileSummary<'_>) -> Option<Self> {
        let (id, profile_type) = (profile.id(), profile.profile_type());
        let geography = id
            .split_once('.')
            .map(|(geography, _)| geography.to_owned())
            .filter(|_| is_system_defined(profile_type));
        let regions: BTreeSet<&str> = profile.model_arns().filter_map(arn_region).collect();
        (!id.is_empty()).then(|| Self {
            id: id.to_owned(),
            profile_type: profile_type.to_owned(),
            status: profile.status().to_owned(),
            geography,
            destination_regions: regions.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Whether Bedrock defines the profile. The account's users created any other one.
    pub fn is_system_defined(&self) -> bool {
        is_system_defined(&self.profile_type)
    }

    /// Whether the profile can be invoked.
    pub fn is_active(&self) -> bool {
        is_active(&self.status)
    }

    /// Whether the profile routes to regions of every geography.
    pub fn is_global(&self) -> bool {
        self.geography.as_deref() == Some(GLOBAL)
    }

    /// Whether one of the profile's ARNs names no region.
    pub fn routes_to_any_region(&self) -> bool {
        self.destination_regions
            .iter()
            .any(|region| region == ANY_REGION)
    }
}

/// The region of an ARN, `*` where it names none; nothing for what is no ARN.
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

/// How each of the models is invoked from their region.
pub fn facts(models: &Models) -> BTreeMap<String, InvocationFacts> {
    models
        .iter()
        .map(|(id, model)| (id.clone(), InvocationFacts::new(id, model)))
        .collect()
}

impl InvocationFacts {
    /// How the model of this ID is invoked from its region.
    pub fn new(id: &str, model: &ModelSummary) -> Self {
        let on_demand = model.inference_types().any(|name| name == ON_DEMAND);
        let mut profiles: Vec<_> = model
            .profiles()
            .filter_map(|profile| ProfileFacts::new(&profile))
            .collect();
        profiles.sort_by(|a, b| {
            let key = |p: &ProfileFacts| (!p.is_system_defined(), p.is_global());
            key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
        });
        let invoke_with = if on_demand {
            Some(id.to_owned())
        } else {
            profiles
                .iter()
                .find(|p| p.is_system_defined() && p.is_active())
                .map(|p| p.id.clone())
        };
        Self {
            on_demand,
            requires_inference_profile: !on_demand && !profiles.is_empty(),
            invoke_with,
            profiles,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn profile(id: &str, profile_type: &str, status: &str) -> Value {
        json!({"inferenceProfileId": id, "type": profile_type, "status": status,
               "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/m"}]})
    }

    fn of(types: &Value, profiles: &[Value]) -> InvocationFacts {
        let model =
            json!({"inferenceTypesSupported": types, "referencedByInstanceProfiles": profiles});
        InvocationFacts::new("m", &serde_json::from_value(model).unwrap())
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, a row for each rule")]
    fn what_to_invoke_with() {
        let us = profile("us.m", "SYSTEM_DEFINED", "ACTIVE");
        let eu = profile("eu.m", "SYSTEM_DEFINED", "ACTIVE");
        let global = profile("global.m", "SYSTEM_DEFINED", "ACTIVE");
        let inactive = profile("au.m", "SYSTEM_DEFINED", "CREATING");
        let own = profile("a1b2", "APPLICATION", "ACTIVE");
        let gov = profile("us-gov.m", "SYSTEM_DEFINED", "ACTIVE");
        let on_demand = json!(["ON_DEMAND"]);
        let by_profile = json!(["INFERENCE_PROFILE"]);
        let provisioned = json!(["PROVISIONED"]);
        // (case, inference types, profiles, on demand, requires a profile, invoke with)
        let cases = [
            ("on demand", &on_demand, vec![], true, false, Some("m")),
            (
                "both",
                &json!(["INFERENCE_PROFILE", "ON_DEMAND"]),
                vec![&us],
                true,
                false,
                Some("m"),
            ),
            (
                "profile only",
                &by_profile,
                vec![&us],
                false,
                true,
                Some("us.m"),
            ),
            (
                "only global",
                &by_profile,
                vec![&global],
                false,
                true,
                Some("global.m"),
            ),
            (
                "geography before global",
                &by_profile,
                vec![&global, &us],
                false,
                true,
                Some("us.m"),
            ),
            (
                "several geographies, by id",
                &by_profile,
                vec![&us, &eu],
                false,
                true,
                Some("eu.m"),
            ),
            (
                "only application profiles",
                &by_profile,
                vec![&own],
                false,
                true,
                None,
            ),
            (
                "application never chosen",
                &by_profile,
                vec![&own, &global],
                false,
                true,
                Some("global.m"),
            ),
            (
                "inactive is passed over",
                &by_profile,
                vec![&inactive, &us],
                false,
                true,
                Some("us.m"),
            ),
            (
                "only inactive",
                &by_profile,
                vec![&inactive],
                false,
                true,
                None,
            ),
            (
                "GovCloud",
                &by_profile,
                vec![&gov],
                false,
                true,
                Some("us-gov.m"),
            ),
            ("provisioned only", &provisioned, vec![], false, false, None),
            ("says nothing", &json!([]), vec![], false, false, None),
            (
                "says nothing, has a profile",
                &json!(null),
                vec![&us],
                false,
                true,
                Some("us.m"),
            ),
        ];
        for (case, types, profiles, on_demand, requires, invoke_with) in cases {
            let profiles: Vec<Value> = profiles.into_iter().cloned().collect();
            let facts = of(types, &profiles);
            assert_eq!(facts.on_demand, on_demand, "{case}");
            assert_eq!(facts.requires_inference_profile, requires, "{case}");
            assert_eq!(facts.invoke_with.as_deref(), invoke_with, "{case}");
        }
    }

    #[test]
    fn destination_regions_are_distinct_sorted_and_any_for_an_arn_without_region() {
        let arns = |arns: &[&str]| {
            let models: Vec<_> = arns.iter().map(|a| json!({"modelArn": a})).collect();
            let profile = json!({"inferenceProfileId": "global.m", "type": "SYSTEM_DEFINED",
                                 "status": "ACTIVE", "models": models});
            of(&json!([]), &[profile]).profiles[0]
                .destination_regions
                .clone()
        };
        assert_eq!(
            arns(&[
                "arn:aws:bedrock:us-west-2::foundation-model/m",
                "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/m",
                "arn:aws:bedrock:us-west-2::foundation-model/n",
                "arn:aws:bedrock:::foundation-model/m",
            ]),
            ["*", "us-gov-west-1", "us-west-2"]
        );
        assert!(arns(&["nonsense/m", "arn:aws", ""]).is_empty());
    }
}

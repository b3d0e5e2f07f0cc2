//! The ID that a caller passes to invoke a model from a region.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::api::RouteKind;
use crate::bedrock::model::{ModelSummary, Models};
use crate::bedrock::policy::{Candidate, InvocationPolicy, NoRouteReason, choose};
use crate::bedrock::profile_facts::ProfileFacts;

/// How a model is invoked from a region, as `invocation.json` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvocationFacts {
    /// Whether the model ID itself can be passed: `inferenceTypesSupported` has `ON_DEMAND`.
    pub on_demand: bool,
    /// Whether the model is not on demand, and at least one profile references it.
    pub requires_inference_profile: bool,
    /// The ID to pass under the policy: a model ID, a profile ID, or the ARN of an application
    /// profile. None: no route is left, and `reason` says why.
    pub invoke_with: Option<String>,
    /// The kind of the route that `invoke_with` takes; None also for a kind that a later version wrote.
    #[serde(
        default,
        deserialize_with = "known_route",
        skip_serializing_if = "Option::is_none"
    )]
    pub route: Option<RouteKind>,
    /// Why `invoke_with` is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NoRouteReason>,
    /// `modelLifecycle` as AWS gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Map<String, Value>>,
    /// The profiles that reference the model: a geography's, then the global one, then those of the
    /// account; each by ID.
    pub profiles: Vec<ProfileFacts>,
}

/// A kind that a later version wrote must not make the file unreadable.
fn known_route<'de, D: Deserializer<'de>>(route: D) -> Result<Option<RouteKind>, D::Error> {
    Ok(RouteKind::deserialize(Value::deserialize(route)?).ok())
}

/// How each model is invoked from its region under the policy.
pub fn facts(
    region: &str,
    models: &Models,
    policy: &InvocationPolicy,
) -> BTreeMap<String, InvocationFacts> {
    models
        .iter()
        .map(|(id, model)| (id.clone(), InvocationFacts::new(region, id, model, policy)))
        .collect()
}

impl InvocationFacts {
    /// How the model of this ID is invoked from its region under the policy.
    pub fn new(region: &str, id: &str, model: &ModelSummary, policy: &InvocationPolicy) -> Self {
        let mut profiles: Vec<_> = model
            .profiles()
            .filter_map(|profile| ProfileFacts::new(&profile))
            .collect();
        profiles.sort_by(|a, b| (a.route_kind(), &a.id).cmp(&(b.route_kind(), &b.id)));
        let candidate = Candidate {
            region,
            model_id: id,
            on_demand: model.is_on_demand(),
            provisioned: model.is_provisioned(),
            legacy: model.lifecycle().is_legacy(),
            profiles: &profiles,
        };
        let (invoke_with, route, reason) = match choose(&candidate, policy) {
            Ok(route) => (Some(route.id.to_owned()), Some(route.kind), None),
            Err(reason) => (None, None, Some(reason)),
        };
        Self {
            on_demand: candidate.on_demand,
            requires_inference_profile: !candidate.on_demand && !profiles.is_empty(),
            invoke_with,
            route,
            reason,
            lifecycle: model.lifecycle_fields().cloned(),
            profiles,
        }
    }

    /// The profile that `invoke_with` names, by ID or ARN.
    pub fn chosen_profile(&self) -> Option<&ProfileFacts> {
        let id = self.invoke_with.as_deref()?;
        self.profiles
            .iter()
            .find(|profile| profile.id == id || profile.arn.as_deref() == Some(id))
    }

    /// The regions in which requests through the chosen profile may run; empty where no profile is
    /// chosen.
    pub fn chosen_destinations(&self) -> &[String] {
        self.chosen_profile()
            .map_or(&[], |profile| &profile.destination_regions)
    }

    /// The name of the chosen application profile, if other profiles of the model carry it too.
    pub fn ambiguous_profile_name(&self) -> Option<&str> {
        let chosen = self
            .chosen_profile()
            .filter(|profile| profile.route_kind() == RouteKind::Application)?;
        let namesakes = self.profiles.iter().filter(|profile| {
            profile.is_active()
                && profile.route_kind() == RouteKind::Application
                && profile.name == chosen.name
        });
        (namesakes.count() > 1)
            .then_some(chosen.name.as_deref())
            .flatten()
    }

    /// The kind of the route, also of facts that an earlier version published without it.
    pub fn route_kind(&self) -> Option<RouteKind> {
        self.invoke_with.as_ref()?;
        self.route.or_else(|| {
            Some(
                self.chosen_profile()
                    .map_or(RouteKind::InRegion, ProfileFacts::route_kind),
            )
        })
    }

    /// Why there is no ID, also of facts that an earlier version published without a reason.
    pub fn no_route_reason(&self) -> Option<NoRouteReason> {
        match self.invoke_with {
            Some(_) => None,
            None => Some(self.reason.unwrap_or(NoRouteReason::NoRoute)),
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
        InvocationFacts::new(
            "us-east-1",
            "m",
            &serde_json::from_value(model).unwrap(),
            &InvocationPolicy::default(),
        )
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, a row for each rule")]
    fn invoke_with_follows_inference_types_and_profiles() {
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
    fn name_that_several_application_profiles_carry_is_ambiguous() {
        let application = |id: &str, name: &str, status: &str| {
            json!({"inferenceProfileId": id, "inferenceProfileName": name, "type": "APPLICATION",
                   "inferenceProfileArn": format!("arn:{id}"), "status": status,
                   "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/m"}]})
        };
        let name = "\u{1f600} team/a\n*";
        let spec = json!({"preference": ["Application"], "applicationProfiles": ["*"]});
        let policy = InvocationPolicy::from(&serde_json::from_value(spec).unwrap());
        let of = |profiles: &[Value]| {
            let model = json!({"referencedByInstanceProfiles": profiles});
            let model = serde_json::from_value(model).unwrap();
            InvocationFacts::new("us-east-1", "m", &model, &policy)
        };
        let two = of(&[
            application("b", name, "ACTIVE"),
            application("a", name, "ACTIVE"),
        ]);
        assert_eq!(two.invoke_with.as_deref(), Some("arn:a"));
        assert_eq!(two.ambiguous_profile_name(), Some(name));
        for others in [
            application("b", "other", "ACTIVE"),
            application("b", name, "CREATING"),
            profile("us.m", "SYSTEM_DEFINED", "ACTIVE"),
        ] {
            let facts = of(&[application("a", name, "ACTIVE"), others]);
            assert_eq!(facts.invoke_with.as_deref(), Some("arn:a"));
            assert_eq!(facts.ambiguous_profile_name(), None);
        }
        let mut without_models = application("c", name, "ACTIVE");
        without_models["models"] = json!([]);
        let facts = of(&[without_models]);
        assert_eq!(facts.invoke_with.as_deref(), Some("arn:c"));
        assert!(facts.profiles[0].destination_regions.is_empty());
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

    #[test]
    fn facts_of_a_later_version_are_readable() {
        let later = json!({
            "onDemand": false, "requiresInferenceProfile": false, "invokeWith": "router-1",
            "route": "PromptRouter", "reason": "Retired", "tier": "flex", "profiles": [],
        });
        let facts: InvocationFacts = serde_json::from_value(later).unwrap();
        assert_eq!(facts.invoke_with.as_deref(), Some("router-1"));
        assert_eq!(facts.route, None);
    }
}

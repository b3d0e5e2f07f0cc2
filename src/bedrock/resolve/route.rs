//! How a model is invoked, in words.

use std::fmt;

use crate::bedrock::invocation::{InvocationFacts, ProfileFacts};
use crate::bedrock::model::ModelSummary;

/// The inference type of a model that bought throughput invokes.
const PROVISIONED: &str = "PROVISIONED";

/// How a model is invoked from a region, or why it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// With its own id.
    OnDemand,
    /// With the id of this system-defined profile.
    Profile(ProfileFacts),
    /// Only application profiles lead to it; which of them is the account's own choice.
    ApplicationProfiles(Vec<String>),
    /// It has system-defined profiles, none of which is ACTIVE.
    InactiveProfiles(Vec<String>),
    /// Only with throughput that the account has bought.
    Provisioned,
    /// AWS states no way.
    Unstated,
}

impl Route {
    /// The route to a model.
    pub fn new(model: &ModelSummary, facts: &InvocationFacts) -> Self {
        if facts.on_demand {
            return Self::OnDemand;
        }
        if let Some(profile) = chosen_profile(facts) {
            return Self::Profile(profile.clone());
        }
        let (inactive, application): (Vec<_>, Vec<_>) = facts
            .profiles
            .iter()
            .partition(|profile| profile.is_system_defined());
        let ids = |profiles: Vec<&ProfileFacts>| profiles.iter().map(|p| p.id.clone()).collect();
        if !application.is_empty() {
            Self::ApplicationProfiles(ids(application))
        } else if !inactive.is_empty() {
            Self::InactiveProfiles(ids(inactive))
        } else if model.inference_types().any(|name| name == PROVISIONED) {
            Self::Provisioned
        } else {
            Self::Unstated
        }
    }

    /// One or two words: on demand, the profile's geography, or why there is no id to pass.
    pub fn short(&self) -> &str {
        match self {
            Self::OnDemand => "on demand",
            Self::Profile(profile) => profile.geography.as_deref().unwrap_or("profile"),
            Self::ApplicationProfiles(_) => "application",
            Self::InactiveProfiles(_) => "inactive",
            Self::Provisioned => "provisioned",
            Self::Unstated => "none",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnDemand => f.write_str("on demand: the model's own id can be passed"),
            Self::Profile(profile) => {
                match profile.geography.as_deref() {
                    Some(_) if profile.is_global() => {
                        f.write_str("not on demand; no geography's profile, but the global one")?;
                    }
                    Some(geography) => {
                        write!(f, "not on demand; the profile of the geography {geography}")?;
                    }
                    None => f.write_str("not on demand; a profile")?,
                }
                if profile.routes_to_any_region() {
                    f.write_str(", which routes to any region")
                } else {
                    write!(
                        f,
                        ", which routes to {}",
                        profile.destination_regions.join(", ")
                    )
                }
            }
            Self::ApplicationProfiles(ids) => write!(
                f,
                "not on demand; only application profiles lead to it, choose yours: {}",
                ids.join(", ")
            ),
            Self::InactiveProfiles(ids) => write!(
                f,
                "not on demand; none of its profiles is active: {}",
                ids.join(", ")
            ),
            Self::Provisioned => f.write_str(
                "only with provisioned throughput: pass the ARN of what the account has bought",
            ),
            Self::Unstated => f.write_str("AWS states no way to invoke it from here"),
        }
    }
}

fn chosen_profile(facts: &InvocationFacts) -> Option<&ProfileFacts> {
    let id = facts.invoke_with.as_deref()?;
    facts.profiles.iter().find(|profile| profile.id == id)
}

//! How a model is invoked, in words.

use std::fmt;

use crate::api::RouteKind;
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::policy::NoRouteReason;
use crate::bedrock::profile_facts::ProfileFacts;

/// The text for how a model is invoked from a region, or why it is not.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'f> {
    facts: &'f InvocationFacts,
    choice: Result<(RouteKind, Option<&'f ProfileFacts>), NoRouteReason>,
}

impl<'f> Explanation<'f> {
    /// Explains the facts of a model.
    pub fn new(facts: &'f InvocationFacts) -> Self {
        let choice = facts
            .route_kind()
            .map(|kind| (kind, facts.chosen_profile()))
            .ok_or_else(|| facts.no_route_reason().unwrap_or(NoRouteReason::NoRoute));
        Self { facts, choice }
    }

    /// One or two words: the kind, the profile's geography, or why there is no ID to pass.
    pub fn short(&self) -> &'f str {
        match self.choice {
            Ok((RouteKind::InRegion, _)) => "on demand",
            Ok((RouteKind::Application, _)) | Err(NoRouteReason::ApplicationOnly) => "application",
            Ok((RouteKind::Geographic | RouteKind::Global, profile)) => profile
                .and_then(|profile| profile.geography.as_deref())
                .unwrap_or("profile"),
            Err(NoRouteReason::Legacy) => "legacy",
            Err(NoRouteReason::DestinationNotAllowed | NoRouteReason::KindNotAllowed) => {
                "forbidden"
            }
            Err(NoRouteReason::ProvisionedOnly) => "provisioned",
            Err(NoRouteReason::ProfileNotActive) => "inactive",
            Err(NoRouteReason::NoRoute | NoRouteReason::Unknown) => "none",
        }
    }

    /// The application profiles as a user chooses them: by name, with the ARN to pass.
    fn application_profiles(&self) -> String {
        let profiles = self.facts.profiles.iter();
        profiles
            .filter(|profile| profile.route_kind() == RouteKind::Application)
            .map(|profile| {
                let arn = profile.arn.as_deref().unwrap_or(&profile.id);
                match profile.name.as_deref() {
                    Some(name) => format!("{name} ({arn})"),
                    None => arn.to_owned(),
                }
            })
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn system_profiles(&self) -> String {
        let profiles = self.facts.profiles.iter();
        profiles
            .filter(|profile| profile.route_kind() != RouteKind::Application)
            .map(|profile| profile.id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.choice {
            Ok((kind, profile)) => write_route(f, self.facts.on_demand, kind, profile),
            Err(NoRouteReason::Legacy) => {
                f.write_str("the model is LEGACY, and the policy avoids such models")
            }
            Err(NoRouteReason::DestinationNotAllowed) => {
                f.write_str("each route may run in a region that the policy does not allow")
            }
            Err(NoRouteReason::KindNotAllowed) => {
                f.write_str("the policy lists none of the kinds of its routes")
            }
            Err(NoRouteReason::ApplicationOnly) => write!(
                f,
                "not on demand; only application profiles lead to it, pass the ARN of yours: {}",
                self.application_profiles()
            ),
            Err(NoRouteReason::ProvisionedOnly) => f.write_str(
                "only with provisioned throughput: pass the ARN of the account's Provisioned Throughput",
            ),
            Err(NoRouteReason::ProfileNotActive) => write!(
                f,
                "not on demand; none of its profiles is active: {}",
                self.system_profiles()
            ),
            Err(NoRouteReason::NoRoute | NoRouteReason::Unknown) => {
                f.write_str("AWS states no way to invoke it from here")
            }
        }
    }
}

fn write_route(
    f: &mut fmt::Formatter<'_>,
    on_demand: bool,
    kind: RouteKind,
    profile: Option<&ProfileFacts>,
) -> fmt::Result {
    let demand = if on_demand { "" } else { "not on demand; " };
    let Some(profile) = profile else {
        return f.write_str("on demand: the model's own ID can be passed");
    };
    match (kind, profile.geography.as_deref()) {
        (RouteKind::Global, _) => write!(f, "{demand}the global profile")?,
        (RouteKind::Application, _) => {
            let name = profile.name.as_deref().unwrap_or(&profile.id);
            write!(f, "{demand}the application profile {name}")?;
        }
        (_, Some(geography)) => write!(f, "{demand}the profile of the geography {geography}")?,
        (_, None) => write!(f, "{demand}the profile {}", profile.id)?,
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

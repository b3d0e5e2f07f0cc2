//! Which of a model's routes a caller should take.
//!
//! AWS lists up to four kinds of routes to a model: its own ID, a geography's inference profile, the
//! global one, and application profiles of the account. A policy orders the kinds and says where a
//! request may run; [`choose`] applies it to one model.

use crate::api::{InvocationSpec, LegacyPolicy, RouteKind};
use crate::bedrock::glob::Globs;
use crate::bedrock::profile_facts::{ANY_REGION, ProfileFacts};

/// A policy that was read from a spec or from options.
#[derive(Clone, Debug)]
pub struct InvocationPolicy {
    preference: Vec<RouteKind>,
    allowed_destinations: Option<AllowedDestinations>,
    application_profiles: Option<Globs>,
    legacy: LegacyPolicy,
}

/// The regions in which a request may run.
#[derive(Clone, Debug)]
struct AllowedDestinations {
    globs: Globs,
    /// Whether destinations without a region are allowed: only the glob `*` covers them, since
    /// nobody knows where they are.
    any_region: bool,
}

impl AllowedDestinations {
    fn new(globs: &[String]) -> Self {
        Self {
            globs: Globs::new(globs),
            any_region: globs.iter().any(|glob| glob == ANY_REGION),
        }
    }

    fn allow(&self, destination: &str) -> bool {
        match destination {
            ANY_REGION => self.any_region,
            region => self.globs.is_match(region),
        }
    }
}

impl From<&InvocationSpec> for InvocationPolicy {
    fn from(spec: &InvocationSpec) -> Self {
        let destinations = spec.allowed_destination_regions.as_deref();
        Self {
            preference: spec.preference.clone(),
            allowed_destinations: destinations.map(AllowedDestinations::new),
            application_profiles: spec.application_profiles.as_deref().map(Globs::new),
            legacy: spec.legacy,
        }
    }
}

impl Default for InvocationPolicy {
    fn default() -> Self {
        Self::from(&InvocationSpec::default())
    }
}

/// What the choice of a route depends on, of one model in one region.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The region from which the model is invoked.
    pub region: &'a str,
    /// The model ID.
    pub model_id: &'a str,
    /// Whether `inferenceTypesSupported` has `ON_DEMAND`.
    pub on_demand: bool,
    /// Whether `inferenceTypesSupported` has `PROVISIONED`.
    pub provisioned: bool,
    /// Whether the lifecycle status is `LEGACY`.
    pub legacy: bool,
    /// The profiles that reference the model.
    pub profiles: &'a [ProfileFacts],
}

/// A way to invoke a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The kind.
    pub kind: RouteKind,
    /// What the caller passes as `modelId`: the model ID, a system-defined profile's ID, or an
    /// application profile's ARN. Converse refuses the bare ID of an application profile.
    pub id: &'a str,
    /// The regions in which a request may run; `*` stands for a destination without a region.
    pub destinations: Vec<&'a str>,
    /// The profile, if the route is one.
    pub profile: Option<&'a ProfileFacts>,
}

/// Why a model has no ID that a caller may pass. The first that holds, in this order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[non_exhaustive]
pub enum NoRouteReason {
    /// The model is LEGACY, and the policy avoids such models.
    Legacy,
    /// A route of a preferred kind may run in a region that the policy does not allow.
    DestinationNotAllowed,
    /// A route exists, of a kind that the policy does not list.
    KindNotAllowed,
    /// Only application profiles lead to the model, and the policy chooses none of them.
    ApplicationOnly,
    /// Only throughput that the account has bought serves the model.
    ProvisionedOnly,
    /// No inference profile of the model is ACTIVE.
    ProfileNotActive,
    /// AWS states no way to invoke the model from this region.
    NoRoute,
    /// A reason of another version of the operator.
    #[serde(other)]
    Unknown,
}

impl NoRouteReason {
    /// The reason as it stands in `invocation.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "Legacy",
            Self::DestinationNotAllowed => "DestinationNotAllowed",
            Self::KindNotAllowed => "KindNotAllowed",
            Self::ApplicationOnly => "ApplicationOnly",
            Self::ProvisionedOnly => "ProvisionedOnly",
            Self::ProfileNotActive => "ProfileNotActive",
            Self::NoRoute => "NoRoute",
            Self::Unknown => "Unknown",
        }
    }
}

/// The route that the policy chooses for the model: the first by place of its kind in the
/// preference, number of destination regions, and ID, among those whose destinations are all
/// allowed.
pub fn choose<'a>(
    model: &Candidate<'a>,
    policy: &InvocationPolicy,
) -> Result<Route<'a>, NoRouteReason> {
    if model.legacy && policy.legacy == LegacyPolicy::Avoid {
        return Err(NoRouteReason::Legacy);
    }
    let (listed, unlisted): (Vec<_>, Vec<_>) = routes(model, policy)
        .into_iter()
        .partition(|route| policy.rank(route.kind).is_some());
    let has_listed = !listed.is_empty();
    listed
        .into_iter()
        .filter(|route| policy.allows(&route.destinations))
        .min_by_key(|route| (policy.rank(route.kind), route.destinations.len(), route.id))
        .ok_or_else(|| {
            if has_listed {
                NoRouteReason::DestinationNotAllowed
            } else if unlisted.iter().any(|r| r.kind != RouteKind::Application) {
                NoRouteReason::KindNotAllowed
            } else {
                no_route_reason(model)
            }
        })
}

/// Why a model has no route of the kinds that need no application profile.
fn no_route_reason(model: &Candidate<'_>) -> NoRouteReason {
    let is_application = |profile: &ProfileFacts| profile.route_kind() == RouteKind::Application;
    if model.profiles.iter().any(is_application) {
        NoRouteReason::ApplicationOnly
    } else if model.provisioned {
        NoRouteReason::ProvisionedOnly
    } else if model.profiles.is_empty() {
        NoRouteReason::NoRoute
    } else {
        NoRouteReason::ProfileNotActive
    }
}

/// Every route of the model; of application profiles only those that the policy names.
fn routes<'a>(model: &Candidate<'a>, policy: &InvocationPolicy) -> Vec<Route<'a>> {
    let in_region = model.on_demand.then(|| Route {
        kind: RouteKind::InRegion,
        id: model.model_id,
        destinations: vec![model.region],
        profile: None,
    });
    let profiles = model.profiles.iter().filter(|profile| profile.is_active());
    let by_profile = profiles.filter_map(|profile| {
        let kind = profile.route_kind();
        let id = match kind {
            RouteKind::Application if policy.names(profile) => profile.arn.as_deref()?,
            RouteKind::Application => return None,
            RouteKind::InRegion | RouteKind::Geographic | RouteKind::Global => &profile.id,
        };
        Some(Route {
            kind,
            id,
            destinations: profile
                .destination_regions
                .iter()
                .map(String::as_str)
                .collect(),
            profile: Some(profile),
        })
    });
    in_region.into_iter().chain(by_profile).collect()
}

impl InvocationPolicy {
    /// The place of a kind in the preference; None: routes of that kind are never chosen.
    fn rank(&self, kind: RouteKind) -> Option<usize> {
        self.preference.iter().position(|listed| *listed == kind)
    }

    /// Whether every destination is allowed. A profile that names no destination could run anywhere,
    /// so that a policy which restricts destinations does not allow it.
    fn allows(&self, destinations: &[&str]) -> bool {
        self.allowed_destinations.as_ref().is_none_or(|allowed| {
            !destinations.is_empty() && destinations.iter().all(|region| allowed.allow(region))
        })
    }

    fn names(&self, application_profile: &ProfileFacts) -> bool {
        let name = application_profile.name.as_deref().unwrap_or_default();
        self.application_profiles
            .as_ref()
            .is_none_or(|globs| globs.is_match(name))
    }
}

#[cfg(test)]
mod tests;

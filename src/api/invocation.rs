//! The policy that decides which ID of a model callers may pass.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Policy for the ID that `invokeWith` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvocationSpec {
    /// Kinds of routes in order of preference, each at most once; a kind that is not listed is never
    /// chosen. `InRegion`: the model ID, for a model that is available on demand. `Geographic`: an
    /// inference profile of one geography, such as `eu.…`. `Global`: an inference profile that
    /// routes to any commercial region. `Application`: an application inference profile of the
    /// account, passed by its ARN. Default: `[InRegion, Geographic, Global]`.
    #[serde(default = "default_preference")]
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub preference: Vec<RouteKind>,

    /// Globs on AWS regions (`*` any characters, `?` one character), such as `eu-*`: 1 to 64, of at
    /// most 32 characters. A route is chosen only if every region that it may run in matches one of
    /// them. The glob `*` also allows destinations without a region, as global profiles have them.
    /// Omitted: any destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(max = 32), regex(pattern = r"^[a-z0-9*?-]+$")),
        transform = schema::worded("must be a glob on AWS regions, such as eu-* or us-east-1")
    )]
    pub allowed_destination_regions: Option<Vec<String>>,

    /// Globs on `inferenceProfileName`, such as `team-a-*`: 1 to 64, of at most 256 characters. Only
    /// application profiles with a matching name are chosen. Needs `Application` in `preference`.
    /// Omitted: any application profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 256)))]
    pub application_profiles: Option<Vec<String>>,

    /// Treatment of models whose lifecycle status is `LEGACY`. `Allow`, the default: they get an ID
    /// like any other model. `Avoid`: they get none.
    #[serde(default)]
    pub legacy: LegacyPolicy,
}

impl Default for InvocationSpec {
    fn default() -> Self {
        Self {
            preference: default_preference(),
            allowed_destination_regions: None,
            application_profiles: None,
            legacy: LegacyPolicy::default(),
        }
    }
}

fn default_preference() -> Vec<RouteKind> {
    vec![
        RouteKind::InRegion,
        RouteKind::Geographic,
        RouteKind::Global,
    ]
}

/// A kind of route to a model.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum RouteKind {
    /// The model ID, available on demand.
    InRegion,
    /// A system-defined inference profile of one geography.
    Geographic,
    /// A system-defined inference profile that routes to any commercial region.
    Global,
    /// An application inference profile of the account.
    Application,
}

impl RouteKind {
    /// All kinds, in the default order of preference.
    pub const ALL: [Self; 4] = [
        Self::InRegion,
        Self::Geographic,
        Self::Global,
        Self::Application,
    ];

    /// The name as it stands in spec and `invocation.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InRegion => "InRegion",
            Self::Geographic => "Geographic",
            Self::Global => "Global",
            Self::Application => "Application",
        }
    }
}

/// Treatment of LEGACY models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LegacyPolicy {
    /// LEGACY models get an ID like any other model.
    #[default]
    Allow,
    /// LEGACY models get no ID.
    Avoid,
}

impl LegacyPolicy {
    /// All treatments.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Avoid];

    /// The name as it stands in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Avoid => "Avoid",
        }
    }
}

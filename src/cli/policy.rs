//! The policy that chooses the ID to pass, as in a `BedrockModelMap`'s spec.

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};

use crate::api::{InvocationSpec, LegacyPolicy, RouteKind};
use crate::bedrock::policy::InvocationPolicy;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Invocation policy")]
pub(super) struct PolicyArgs {
    /// Kinds of routes in order of preference, separated by commas; a kind that is not listed is never
    /// chosen. Default: InRegion,Geographic,Global.
    #[arg(long, env = "INVOCATION_PREFERENCE", value_name = "KIND", value_delimiter = ',', ignore_case = true, value_parser = route_kind())]
    preference: Vec<RouteKind>,

    /// Choose only routes whose destination regions all match one of these globs, such as eu-*;
    /// repeatable, or separated by commas. The glob * also allows destinations without a region, as
    /// global profiles have them. Default: any destination.
    #[arg(long = "allowed-destination-region", env = "ALLOWED_DESTINATION_REGIONS", value_name = "GLOB", value_delimiter = ',', value_parser = region_glob)]
    allowed_destination_regions: Vec<String>,

    /// Choose only application profiles whose name matches this glob (* and ?); repeatable. Needs
    /// Application in --preference. Default: any application profile.
    #[arg(long = "application-profile", env = "APPLICATION_PROFILES", value_name = "GLOB", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    application_profiles: Vec<String>,

    /// Treatment of models whose lifecycle status is LEGACY. Allow, the default: they get an ID like
    /// any other model. Avoid: they get none.
    #[arg(long, env = "LEGACY_MODELS", value_name = "TREATMENT", ignore_case = true, value_parser = legacy())]
    legacy: Option<LegacyPolicy>,
}

/// Options that contradict each other, in the words of the API server's rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PolicyError {
    #[error("--preference lists {0} more than once")]
    DuplicateKind(&'static str),
    #[error(
        "--application-profile needs Application in --preference: otherwise no application profile is ever chosen"
    )]
    ApplicationNotPreferred,
}

impl PolicyArgs {
    /// The IDs of the options, for a command that refuses them beside another.
    pub(super) const IDS: [&str; 4] = [
        "preference",
        "allowed_destination_regions",
        "application_profiles",
        "legacy",
    ];

    /// The policy; None: no option is given.
    pub(super) fn policy(&self) -> Result<Option<InvocationPolicy>, PolicyError> {
        let default = InvocationSpec::default();
        let spec = InvocationSpec {
            preference: given(&self.preference).unwrap_or_else(|| default.preference.clone()),
            allowed_destination_regions: given(&self.allowed_destination_regions),
            application_profiles: given(&self.application_profiles),
            legacy: self.legacy.unwrap_or(default.legacy),
        };
        let mut kinds = spec.preference.iter().enumerate();
        if let Some((_, kind)) = kinds.find(|(at, kind)| spec.preference[..*at].contains(kind)) {
            return Err(PolicyError::DuplicateKind(kind.as_str()));
        }
        let prefers_application = spec.preference.contains(&RouteKind::Application);
        if spec.application_profiles.is_some() && !prefers_application {
            return Err(PolicyError::ApplicationNotPreferred);
        }
        let is_given = !self.preference.is_empty() || self.legacy.is_some() || spec != default;
        Ok(is_given.then(|| InvocationPolicy::from(&spec)))
    }
}

/// The values of an option; None: the option is absent.
fn given<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

fn route_kind() -> impl TypedValueParser<Value = RouteKind> {
    named(RouteKind::ALL, RouteKind::as_str)
}

fn legacy() -> impl TypedValueParser<Value = LegacyPolicy> {
    named(LegacyPolicy::ALL, LegacyPolicy::as_str)
}

/// Parses one of these names of the spec, whatever its case.
fn named<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(name)).try_map(move |text| {
        let known = all.into_iter();
        known
            .into_iter()
            .find(|value| name(*value).eq_ignore_ascii_case(&text))
            .ok_or("not one of the possible values")
    })
}

fn region_glob(text: &str) -> Result<String, &'static str> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "*?-".contains(c);
    if !text.is_empty() && text.chars().all(is_allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be a glob on AWS regions, such as eu-* or us-east-1")
    }
}

//! Validation of a spec.

use std::time::Duration;

use crate::api::{
    BedrockModelMap, BedrockModelMapSpec, DEFAULT_REFRESH_INTERVAL, MAX_REFRESH_INTERVAL,
    MIN_REFRESH_INTERVAL,
};

use crate::aws::identity::{Identity, IdentityError, Role};
use crate::bedrock::aliases::Alias;
use crate::bedrock::glob::Globs;
use crate::bedrock::policy::InvocationPolicy;
use crate::bedrock::region::is_region;
use crate::bedrock::selection::Selection;

/// An invalid spec. The API server rejects it, unless an older CRD was installed when it was
/// written.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The interval is not a Go duration, or out of bounds.
    #[error("spec.refreshInterval {0:?} is not a Go duration between 1m and 720h, such as 6h")]
    RefreshInterval(String),
    /// A region's name is invalid.
    #[error("spec.regions: {0:?} is not an AWS region name")]
    Region(String),
    /// The role or its external ID is malformed.
    #[error("spec.aws: {0}")]
    Identity(#[from] IdentityError),
}

/// A validated spec.
#[derive(Clone, Debug)]
pub struct ValidatedSpec {
    /// The regions in the spec. None: those of the account.
    pub regions: Option<Vec<String>>,
    /// The refresh interval.
    pub interval: Duration,
    /// Identity of the AWS requests.
    pub identity: Identity,
    /// The regions of the account that are left out.
    pub excluded_regions: Globs,
    /// The aliases.
    pub aliases: Vec<Alias>,
    /// The policy that chooses the ID to pass.
    pub policy: InvocationPolicy,
    /// Filters for models and profiles.
    pub selection: Selection,
    /// Prefix of the ConfigMaps' names.
    pub prefix: String,
}

impl ValidatedSpec {
    /// Validates the spec of a resource.
    pub fn of(resource: &BedrockModelMap) -> Result<Self, SpecError> {
        let spec = &resource.spec;
        let name = resource.metadata.name.clone().unwrap_or_default();
        if let Some(region) = spec.regions.iter().flatten().find(|r| !is_region(r)) {
            return Err(SpecError::Region(region.clone()));
        }
        Ok(Self {
            regions: spec.regions.clone(),
            excluded_regions: Globs::new(&spec.exclude_regions),
            aliases: spec.aliases.iter().map(Alias::from).collect(),
            policy: spec
                .invocation
                .as_ref()
                .map_or_else(InvocationPolicy::default, InvocationPolicy::from),
            interval: refresh_interval(spec)?,
            identity: identity(spec)?,
            selection: Selection::new(&spec.models, &spec.inference_profiles),
            prefix: spec.output.config_map_prefix.clone().unwrap_or(name),
        })
    }

    /// The name of a region's ConfigMap.
    pub fn region_config_map(&self, region: &str) -> String {
        format!("{}-{region}", self.prefix)
    }

    /// The name of the ConfigMap with a region's aliases as environment variables.
    pub fn env_config_map(&self, region: &str) -> String {
        format!("{}-{region}-env", self.prefix)
    }

    /// The name of the ConfigMap with a region's aliases in several formats.
    pub fn aliases_config_map(&self, region: &str) -> String {
        format!("{}-{region}-aliases", self.prefix)
    }

    /// The name of the merged ConfigMap.
    pub fn mapping_config_map(&self) -> String {
        format!("{}-mapping", self.prefix)
    }
}

/// Parses a Go duration such as `1h30m`, without a sign.
pub fn go_duration(text: &str) -> Option<Duration> {
    // The parser panics on an inner sign and on overflow, which takes a longer run of digits.
    let is_safe = text.chars().all(|c| c.is_alphanumeric() || c == '.')
        && text
            .split(|c: char| !c.is_ascii_digit())
            .all(|run| run.len() <= 9);
    let parsed: kube::core::Duration = is_safe.then(|| text.parse().ok()).flatten()?;
    Some(parsed.into())
}

fn identity(spec: &BedrockModelMapSpec) -> Result<Identity, IdentityError> {
    let aws = spec.aws.clone().unwrap_or_default();
    let Some(arn) = aws.role_arn else {
        return Ok(Identity::Own);
    };
    let external_id = aws.external_id.as_deref().map(str::parse);
    let role = Role {
        arn: arn.parse()?,
        external_id: external_id.transpose()?,
    };
    Ok(Identity::Role(role.into()))
}

/// The refresh interval of a spec.
pub fn refresh_interval(spec: &BedrockModelMapSpec) -> Result<Duration, SpecError> {
    let text = &spec.refresh_interval;
    if text.is_empty() {
        return Ok(DEFAULT_REFRESH_INTERVAL);
    }
    go_duration(text)
        .filter(|d| (MIN_REFRESH_INTERVAL..=MAX_REFRESH_INTERVAL).contains(d))
        .ok_or_else(|| SpecError::RefreshInterval(text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_parsed_within_bounds() {
        let interval = |text: &str| {
            let spec = BedrockModelMapSpec {
                refresh_interval: text.into(),
                ..Default::default()
            };
            refresh_interval(&spec).ok().map(|d| d.as_secs())
        };
        let cases = [
            ("6h", Some(21_600)),
            ("1h30m", Some(5_400)),
            ("1.5h", Some(5_400)),
            ("90s", Some(90)),
            ("1m", Some(60)),
            ("720h", Some(2_592_000)),
            ("", Some(21_600)),
            ("59s", None),
            ("721h", None),
            ("-6h", None),
            ("6h-1m", None),
            ("1m-6h", None),
            ("6", None),
            ("six hours", None),
            ("99999999999999999999h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(interval(text), expected, "{text}");
        }
    }
}

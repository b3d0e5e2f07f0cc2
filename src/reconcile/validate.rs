//! A spec that has been checked: what the rest works with.

use std::time::Duration;

use crate::api::{
    BedrockModelMap, BedrockModelMapSpec, DEFAULT_REFRESH_INTERVAL, MAX_REFRESH_INTERVAL,
    MIN_REFRESH_INTERVAL,
};

use crate::aws::identity::{Identity, IdentityError, Role};
use crate::bedrock::glob::Globs;
use crate::bedrock::policy::InvocationPolicy;
use crate::bedrock::region::is_region;
use crate::bedrock::selection::Selection;

/// Why a spec cannot be worked with. The API server refuses such specs; this is for what reached
/// the cluster while an older CRD was installed.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The interval is no Go duration, or out of bounds.
    #[error("spec.refreshInterval {0:?} is not a Go duration between 1m and 720h, such as 6h")]
    RefreshInterval(String),
    /// A region has no valid name.
    #[error("spec.regions: {0:?} is not an AWS region name")]
    Region(String),
    /// The role or its external id cannot be any.
    #[error("spec.aws: {0}")]
    Identity(#[from] IdentityError),
}

/// What a spec asks for, checked.
#[derive(Clone, Debug)]
pub struct ValidatedSpec {
    /// The regions named; None: those of the account.
    pub regions: Option<Vec<String>>,
    /// How often each region is asked.
    pub interval: Duration,
    /// As whom AWS is asked.
    pub identity: Identity,
    /// The regions of the account that are left out.
    pub excluded_regions: Globs,
    /// The policy that chooses the ID to pass.
    pub policy: InvocationPolicy,
    /// Which models and profiles to keep.
    pub selection: Selection,
    /// Start of the ConfigMaps' names.
    pub prefix: String,
}

impl ValidatedSpec {
    /// Checks the spec of a resource.
    pub fn of(resource: &BedrockModelMap) -> Result<Self, SpecError> {
        let spec = &resource.spec;
        let name = resource.metadata.name.clone().unwrap_or_default();
        if let Some(region) = spec.regions.iter().flatten().find(|r| !is_region(r)) {
            return Err(SpecError::Region(region.clone()));
        }
        Ok(Self {
            regions: spec.regions.clone(),
            excluded_regions: Globs::new(&spec.exclude_regions),
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

    /// The name of the merged ConfigMap.
    pub fn mapping_config_map(&self) -> String {
        format!("{}-mapping", self.prefix)
    }
}

/// The length of a Go duration such as `1h30m`; None for what is none, or has a sign.
pub fn go_duration(text: &str) -> Option<Duration> {
    // The parser panics on a sign within, and on what overflows a duration, which takes a longer run of digits.
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

/// How often a spec asks each region.
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
    fn intervals_within_bounds() {
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

//! The operator's environment: the spec, AWS, the clock, the Kubernetes API.

use std::collections::BTreeMap;

use bedrock_model_map::api::{
    AttemptError, BedrockModelMap, BedrockModelMapSpec, ErrorCode, StatusDetail,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::cluster::{NAME, NAMESPACE, UID};
use crate::answers::Lists;

pub const REGIONS: [&str; 4] = ["ap-south-1", "eu-west-1", "us-east-1", "us-west-2"];
/// Aliases with their candidates: one that can lose its ID, one that seldom does, one that never has one.
const ALIASES: [(&str, &[&str]); 3] = [
    ("chat", &["odd.model-3", "even.model-0"]),
    ("any", &["even.model-2", "*"]),
    ("never", &["missing.*"]),
];
/// Models of a region, at most.
pub const MODELS: usize = 9;

/// The user's spec.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "as many switches as the spec has"
)]
pub struct Spec {
    /// Which of [`REGIONS`]; None: those of the account.
    pub regions: Option<[bool; 4]>,
    pub minutes: u16,
    pub suspend: bool,
    /// Only models whose number is even.
    pub only_even: bool,
    pub prefix: &'static str,
    pub compressed: bool,
    pub summary_only: bool,
    /// Number of the aliases in [`ALIASES`] that the spec has.
    pub aliases: usize,
    /// The role is not permitted.
    pub refused: bool,
}

impl Spec {
    /// Names and candidates.
    pub fn aliases(&self) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        ALIASES.iter().take(self.aliases).copied()
    }

    pub fn detail(&self) -> StatusDetail {
        if self.summary_only {
            StatusDetail::Summary
        } else {
            StatusDetail::Mapping
        }
    }

    fn to_api(&self) -> BedrockModelMapSpec {
        let include: &[&str] = if self.only_even { &["even.*"] } else { &[] };
        let spec = json!({
            "regions": self.regions.map(named),
            "refreshInterval": format!("{}m", self.minutes),
            "suspend": self.suspend,
            "aliases": self.aliases().map(|(name, models)| json!({"name": name, "models": models})).collect::<Vec<_>>(),
            "models": {"include": include},
            "output": {
                "configMapPrefix": self.prefix,
                "compression": if self.compressed { "Always" } else { "Never" },
                "statusDetail": if self.summary_only { "Summary" } else { "Mapping" },
            },
        });
        serde_json::from_value(spec).unwrap()
    }
}

fn named(chosen: [bool; 4]) -> Vec<&'static str> {
    let regions = REGIONS.iter().zip(chosen);
    regions.filter(|(_, yes)| *yes).map(|(r, _)| *r).collect()
}

/// State of a region in AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Which models, bit by bit.
    pub models: u16,
    /// Which profiles, bit by bit: each references two models, one of which may not be there.
    pub profiles: u8,
    pub fails: Option<(ErrorCode, Option<i64>)>,
}

/// Whether the Kubernetes API works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Up,
    /// It refuses ConfigMaps, as it does when a quota is used up.
    RefusesWrites,
    Down,
}

/// The whole environment.
#[derive(Clone, Debug)]
pub struct Environment {
    pub spec: Spec,
    pub generation: i64,
    pub token: Option<u32>,
    pub regions: [Region; 4],
    /// Which of [`REGIONS`] the account has.
    pub account: [bool; 4],
    pub account_fails: Option<ErrorCode>,
    pub api: Api,
    pub now: Timestamp,
}

impl Environment {
    pub fn resource(&self) -> BedrockModelMap {
        let mut resource = BedrockModelMap::new(NAME, self.spec.to_api());
        let metadata = &mut resource.metadata;
        metadata.namespace = Some(NAMESPACE.to_owned());
        metadata.uid = Some(UID.to_owned());
        metadata.generation = Some(self.generation);
        metadata.annotations = self.token.map(|token| {
            let key = "bedrock.modelmap.dev/requestedAt".to_owned();
            BTreeMap::from([(key, token.to_string())])
        });
        resource
    }

    pub fn interval(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.spec.minutes))
    }

    pub fn region(&self, region: &str) -> &Region {
        let index = REGIONS.iter().position(|r| *r == region);
        &self.regions[index.unwrap_or_else(|| panic!("{region} is queried"))]
    }

    pub fn answer(&self, region: &str) -> Result<Lists, AttemptError> {
        let region = self.region(region);
        match region.fails {
            None => Ok(region.lists()),
            Some((code, wait)) => Err(AttemptError {
                retry_after_seconds: wait,
                ..AttemptError::new(code, "it fails")
            }),
        }
    }

    /// The selected part of a response, for the reference model.
    pub fn selected(&self, mut lists: Lists) -> Lists {
        if self.spec.only_even {
            let even = |m: &Value| m["modelId"].as_str().unwrap().starts_with("even.");
            lists.models.retain(even);
        }
        lists
    }

    pub fn account_answer(&self) -> Result<Vec<String>, AttemptError> {
        match self.account_fails {
            None => Ok(named(self.account).into_iter().map(str::to_owned).collect()),
            Some(code) => Err(AttemptError::new(code, "the account fails")),
        }
    }

    /// Regions whose content must be published in the end.
    pub fn wanted(&self) -> Vec<&'static str> {
        named(self.spec.regions.unwrap_or(self.account))
    }

    pub fn config_map(&self, region: &str) -> String {
        format!("{}-{region}", self.spec.prefix)
    }

    /// The ConfigMaps of a region's aliases: `aliases.json` and the environment.
    pub fn alias_config_maps(&self, region: &str) -> [String; 2] {
        let name = self.config_map(region);
        [format!("{name}-aliases"), format!("{name}-env")]
    }

    pub fn mapping(&self) -> String {
        format!("{}-mapping", self.spec.prefix)
    }
}

impl Region {
    pub fn lists(&self) -> Lists {
        let id = |n: usize| {
            let parity = if n.is_multiple_of(2) { "even" } else { "odd" };
            format!("{parity}.model-{n}")
        };
        let models = (0..MODELS).filter(|n| self.models & (1 << n) != 0);
        let profiles = (0..3_usize).filter(|n| self.profiles & (1 << n) != 0);
        let arn = |n: usize| json!({"modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{}", id(n))});
        Lists {
            models: models.map(|n| json!({"modelId": id(n)})).collect(),
            profiles: profiles
                .map(|n| {
                    json!({
                        "inferenceProfileId": format!("us.profile-{n}"),
                        "type": "SYSTEM_DEFINED",
                        "status": "ACTIVE",
                        "models": [arn(n), arn((n * 3) % (MODELS + 1))],
                    })
                })
                .collect(),
        }
    }
}

/// A ConfigMap of someone else.
pub fn foreign(name: &str) -> ConfigMap {
    let object = json!({
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("foreign-{name}")},
        "data": {"theirs": "untouched"},
    });
    serde_json::from_value(object).unwrap()
}

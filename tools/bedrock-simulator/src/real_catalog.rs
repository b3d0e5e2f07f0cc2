use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalog::{Catalog, Listings, RegionOptStatus};

macro_rules! embedded {
    ($($region:literal)*) => {
        &[$(($region, include_str!(concat!("../catalog/", $region, ".json")))),*]
    };
}

// Embedded, so that the program still works after it was copied out of the source tree.
const REGIONS: &[(&str, &str)] = embedded![
    "af-south-1" "ap-east-2" "ap-northeast-1" "ap-northeast-2" "ap-northeast-3" "ap-south-1" "ap-south-2"
    "ap-southeast-1" "ap-southeast-2" "ap-southeast-3" "ap-southeast-4" "ap-southeast-5" "ap-southeast-6"
    "ap-southeast-7" "ca-central-1" "ca-west-1" "eu-central-1" "eu-central-2" "eu-north-1" "eu-south-1" "eu-south-2"
    "eu-west-1" "eu-west-2" "eu-west-3" "il-central-1" "mx-central-1" "sa-east-1" "us-east-1" "us-east-2" "us-west-1"
    "us-west-2"
];

const APPLICATION_PROFILES: &str = include_str!("../application-profiles.json");

/// The regions of AWS that nobody has to enable; an account opts in to all later ones.
const ENABLED_BY_DEFAULT: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

impl Catalog {
    /// 31 regions as they are, with a few application profiles in some of them.
    pub fn real() -> Result<Self, serde_json::Error> {
        let mut application: BTreeMap<String, Vec<Value>> =
            serde_json::from_str(APPLICATION_PROFILES)?;
        let mut catalog = Self::new();
        for (region, text) in REGIONS {
            let listings: Listings = serde_json::from_str(text)?;
            let mut profiles = listings.inference_profile_summaries;
            profiles.extend(application.remove(*region).unwrap_or_default());
            catalog
                .set_models(region, listings.model_summaries)
                .set_profiles(region, profiles)
                .set_status(region, opt_status(region));
        }
        Ok(catalog)
    }
}

fn opt_status(region: &str) -> RegionOptStatus {
    if ENABLED_BY_DEFAULT.contains(&region) {
        RegionOptStatus::EnabledByDefault
    } else {
        RegionOptStatus::Enabled
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_catalog_file_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalog");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let embedded: Vec<String> = REGIONS
            .iter()
            .map(|(region, _)| format!("{region}.json"))
            .collect();
        assert_eq!(embedded, files);
    }

    #[test]
    fn application_profiles_are_in_their_own_regions() {
        let catalog = Catalog::real().unwrap();
        let with_some: Vec<&str> = catalog
            .regions()
            .filter(|region| {
                catalog
                    .profiles(region)
                    .iter()
                    .any(|profile| profile["type"] == "APPLICATION")
            })
            .collect();
        assert_eq!(with_some, ["eu-central-1", "us-east-1"]);
    }
}

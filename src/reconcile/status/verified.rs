//! The record of the verified ConfigMaps, which outlives the operator's process.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{BedrockModelMapStatus, VerifiedConfigMap, VerifiedStatus};

/// Another version of the operator may render the same values to other bytes.
const OPERATOR_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Names of the ConfigMaps that the status names.
pub fn config_map_names(status: &BedrockModelMapStatus) -> BTreeSet<&str> {
    let regions = status.regions.values().flat_map(|region| {
        let aliases = region.aliases.iter();
        let aliases = aliases.flat_map(|a| [a.config_map.as_str(), a.env_config_map.as_str()]);
        aliases.chain(region.config_map.as_deref())
    });
    let mapping = status.mapping.as_ref().map(|m| m.config_map.as_str());
    regions.chain(mapping).collect()
}

/// The record of those of the verified ConfigMaps that the status names.
pub fn record(
    status: &BedrockModelMapStatus,
    verified: impl IntoIterator<Item = (String, VerifiedConfigMap)>,
) -> Option<VerifiedStatus> {
    let named = config_map_names(status);
    let config_maps: BTreeMap<_, _> = verified
        .into_iter()
        .filter(|(name, _)| named.contains(name.as_str()))
        .collect();
    (!config_maps.is_empty()).then(|| VerifiedStatus {
        operator_version: OPERATOR_VERSION.to_owned(),
        config_maps,
    })
}

/// The ConfigMaps that this version of the operator has verified.
pub fn recorded(verified: Option<VerifiedStatus>) -> BTreeMap<String, VerifiedConfigMap> {
    verified
        .filter(|verified| verified.operator_version == OPERATOR_VERSION)
        .map(|verified| verified.config_maps)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn record_holds_named_config_maps_and_serves_its_version_only() {
        let status = serde_json::from_value(json!({
            "mapping": {"configMap": "c-mapping"},
            "regions": {"us-east-1": {
                "state": "Fresh", "configMap": "c-us-east-1",
                "aliases": {"configMap": "c-us-east-1-aliases", "envConfigMap": ""},
            }},
        }))
        .unwrap();
        let verified = |name: &str| (name.to_owned(), VerifiedConfigMap::default());
        let names = ["c-mapping", "c-us-east-1", "c-us-east-1-aliases"];
        let record = record(
            &status,
            names.iter().map(|n| verified(n)).chain([verified("old")]),
        );
        let names_of = |of: &BTreeMap<String, _>| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names_of(&recorded(record.clone())), names);
        assert_eq!(super::record(&status, [verified("old")]), None);
        let upgraded = record.map(|record| VerifiedStatus {
            operator_version: "0.0.0".to_owned(),
            ..record
        });
        assert!(recorded(upgraded).is_empty() && recorded(None).is_empty());
    }
}

//! The status under the definition of an earlier version: the API server rejects values that its enums
//! lack, and drops fields that it does not know.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::{BedrockModelMapStatus, RegionState, RegionStatus};

/// A status that the API server accepts in place of another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The status without the rejected values.
    pub status: BedrockModelMapStatus,
    /// Those values, each after the path of its field.
    pub unknown: BTreeSet<String>,
}

/// The status without the values of enums at these paths, which the API server rejected. A state that it
/// does not know becomes one that every definition has, in all regions. `None`: it rejected something else.
pub fn without_unknown_values(
    status: &BedrockModelMapStatus,
    rejected: &[&str],
) -> Option<Accepted> {
    let mut unknown = BTreeSet::new();
    let regions = status.regions.iter();
    let states: Vec<RegionState> = regions
        .filter(|(name, _)| rejected.contains(&format!("status.regions.{name}.state").as_str()))
        .map(|(_, region)| region.state)
        .collect();
    let mut accepted = status.clone();
    for region in accepted.regions.values_mut() {
        if states.contains(&region.state) && region.state != oldest_state(region) {
            unknown.insert(format!("status.regions.*.state: {}", region.state.as_str()));
            region.state = oldest_state(region);
        }
    }
    if let Some(omitted) = status.mapping_omitted
        && rejected.contains(&"status.mappingOmitted")
    {
        unknown.insert(format!("status.mappingOmitted: {omitted:?}"));
        accepted.mapping_omitted = None;
    }
    (!unknown.is_empty()).then_some(Accepted {
        status: accepted,
        unknown,
    })
}

/// The state of a region without confirmed content, as every definition has it. The region's error says
/// the rest.
fn oldest_state(region: &RegionStatus) -> RegionState {
    if region.config_map.is_some() {
        RegionState::Stale
    } else {
        RegionState::Failed
    }
}

/// Paths of the fields that differ between the status as sent and as stored: the definition does not know
/// them, or not all of what they hold.
pub fn dropped_fields(
    sent: &BedrockModelMapStatus,
    stored: &BedrockModelMapStatus,
) -> BTreeSet<String> {
    if sent == stored {
        return BTreeSet::new();
    }
    let [sent, stored] = [sent, stored].map(|s| serde_json::to_value(s).unwrap_or_default());
    let mut dropped = differing("status", &sent, &stored);
    let regions = "status.regions";
    if dropped.remove(regions) {
        for (region, sent) in sent["regions"].as_object().into_iter().flatten() {
            let path = format!("{regions}.*");
            dropped.extend(differing(&path, sent, &stored["regions"][region]));
        }
    }
    dropped
}

fn differing(path: &str, sent: &Value, stored: &Value) -> BTreeSet<String> {
    let sent = sent.as_object().into_iter().flatten();
    sent.filter(|(field, value)| stored.get(field.as_str()) != Some(value))
        .map(|(field, _)| format!("{path}.{field}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(value: Value) -> BedrockModelMapStatus {
        serde_json::from_value(value).unwrap()
    }

    fn two_regions(published: &str, unpublished: &str) -> BedrockModelMapStatus {
        status(json!({
            "mappingOmitted": "TooLarge",
            "regions": {
                "eu-west-1": {"state": published, "configMap": "claude-eu-west-1"},
                "us-east-1": {"state": unpublished},
            },
        }))
    }

    #[test]
    fn rejected_states_become_states_of_every_definition() {
        let rejected =
            |path: &str| without_unknown_values(&two_regions("Denied", "Denied"), &[path]);
        // The API server may name some of the regions only.
        for region in ["eu-west-1", "us-east-1"] {
            let accepted = rejected(&format!("status.regions.{region}.state")).unwrap();
            assert_eq!(accepted.status, two_regions("Stale", "Failed"));
            let unknown: Vec<&str> = accepted.unknown.iter().map(String::as_str).collect();
            assert_eq!(unknown, ["status.regions.*.state: Denied"]);
        }
        let omitted = rejected("status.mappingOmitted").unwrap();
        assert_eq!(omitted.status.mapping_omitted, None);
        assert_eq!(
            omitted.status.regions,
            two_regions("Denied", "Denied").regions
        );
        for other in [
            "status.regions.eu-west-1.models",
            "status.conditions[0].message",
            "spec",
            "",
        ] {
            assert_eq!(rejected(other), None, "{other}");
        }
        let oldest = two_regions("Stale", "Failed");
        let path = "status.regions.eu-west-1.state";
        assert_eq!(without_unknown_values(&oldest, &[path]), None);
    }

    /// An enum that is not listed here needs a value for definitions that lack one of its values.
    #[cfg(feature = "operator")]
    #[test]
    fn every_enum_of_status_is_known_here() {
        fn enums(path: &str, schema: &Value, found: &mut Vec<String>) {
            if schema.get("enum").is_some() {
                found.push(path.to_owned());
            }
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                enums(&format!("{path}.{name}"), schema, found);
            }
            for (key, suffix) in [("items", "[]"), ("additionalProperties", ".*")] {
                if let Some(schema) = schema.get(key) {
                    enums(&format!("{path}{suffix}"), schema, found);
                }
            }
        }
        let yaml = crate::api::crd_yaml().unwrap();
        for definition in yaml.split("\n---") {
            let definition: Value = serde_saphyr::from_str(definition).unwrap();
            let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let mut found = Vec::new();
            enums("status", &schema["properties"]["status"], &mut found);
            let others = [
                // Kubernetes fixes its values.
                "status.conditions[].status",
                "status.mappingOmitted",
                "status.regions.*.state",
            ];
            found.retain(|path| !others.contains(&path.as_str()));
            assert_eq!(found, Vec::<String>::new());
        }
    }

    #[test]
    fn dropped_fields_are_named_once_for_all_regions() {
        let sent = json!({
            "observedGeneration": 1,
            "accountRegions": {"consecutiveFailures": 0, "heldAnswer": "a"},
            "regions": {
                "eu-west-1": {"state": "Fresh", "invocable": 1, "notInvocable": {"NoRoute": 2}},
                "us-east-1": {"state": "Fresh", "invocable": 3},
            },
        });
        let mut stored = sent.clone();
        assert_eq!(
            dropped_fields(&status(sent.clone()), &status(stored.clone())).len(),
            0
        );
        stored["accountRegions"]
            .as_object_mut()
            .unwrap()
            .remove("heldAnswer");
        for region in ["eu-west-1", "us-east-1"] {
            stored["regions"][region]
                .as_object_mut()
                .unwrap()
                .remove("invocable");
        }
        let dropped = dropped_fields(&status(sent), &status(stored));
        let expected = ["status.accountRegions", "status.regions.*.invocable"];
        assert_eq!(dropped, expected.map(str::to_owned).into());
    }
}

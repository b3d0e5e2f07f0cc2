//! The namespaces of a `ClusterBedrockModelMap`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::api::ClusterBedrockModelMapSpec;
use crate::bedrock::glob::Globs;

type Labels = BTreeMap<String, String>;

/// A compiled selector of namespaces.
#[derive(Debug)]
pub struct NamespaceSelector<'a> {
    labels: &'a LabelSelector,
    excluded: Globs,
}

impl<'a> NamespaceSelector<'a> {
    /// The selector of a spec.
    pub fn new(spec: &'a ClusterBedrockModelMapSpec) -> Self {
        Self {
            labels: &spec.namespace_selector,
            excluded: Globs::new(&spec.exclude_namespaces),
        }
    }

    /// Whether a namespace with this name and these labels matches.
    pub fn is_match(&self, name: &str, labels: &Labels) -> bool {
        let wanted = self.labels.match_labels.iter().flatten();
        let required = self.labels.match_expressions.iter().flatten();
        !self.excluded.is_match(name)
            && wanted
                .clone()
                .all(|(key, value)| labels.get(key) == Some(value))
            && required
                .clone()
                .all(|requirement| is_met(requirement, labels))
    }
}

/// Whether the labels meet the requirement. An operator of a newer definition matches nothing.
fn is_met(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let is_listed = |value: &String| requirement.values.iter().flatten().any(|v| v == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(is_listed),
        "NotIn" => !value.is_some_and(is_listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn selector_follows_kubernetes() {
        let expression = |key: &str, operator: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let cases = [
            (json!({}), json!([]), "team-a", true),
            (json!({}), json!(["kube-*"]), "kube-system", false),
            (json!({}), json!(["team-?"]), "team-a", false),
            (
                json!({"matchLabels": {"bedrock": "yes"}}),
                json!([]),
                "team-a",
                true,
            ),
            (
                json!({"matchLabels": {"bedrock": "no"}}),
                json!([]),
                "team-a",
                false,
            ),
            (
                json!({"matchLabels": {"other": ""}}),
                json!([]),
                "team-a",
                false,
            ),
            (
                expression("bedrock", "In", json!(["no", "yes"])),
                json!([]),
                "team-a",
                true,
            ),
            (
                expression("bedrock", "In", json!(["no"])),
                json!([]),
                "team-a",
                false,
            ),
            (
                expression("other", "In", json!(["yes"])),
                json!([]),
                "team-a",
                false,
            ),
            (
                expression("bedrock", "NotIn", json!(["yes"])),
                json!([]),
                "team-a",
                false,
            ),
            (
                expression("other", "NotIn", json!(["yes"])),
                json!([]),
                "team-a",
                true,
            ),
            (
                expression("bedrock", "Exists", json!(null)),
                json!([]),
                "team-a",
                true,
            ),
            (
                expression("other", "Exists", json!(null)),
                json!([]),
                "team-a",
                false,
            ),
            (
                expression("bedrock", "DoesNotExist", json!(null)),
                json!([]),
                "team-a",
                false,
            ),
            (
                expression("other", "DoesNotExist", json!(null)),
                json!([]),
                "team-a",
                true,
            ),
            (
                expression("bedrock", "Gt", json!(["1"])),
                json!([]),
                "team-a",
                false,
            ),
        ];
        let labels = Labels::from([("bedrock".to_owned(), "yes".to_owned())]);
        for (selector, excluded, name, expected) in cases {
            let spec = json!({"namespaceSelector": selector, "excludeNamespaces": excluded, "template": {}});
            let spec: ClusterBedrockModelMapSpec = serde_json::from_value(spec.clone()).unwrap();
            let matched = NamespaceSelector::new(&spec).is_match(name, &labels);
            assert_eq!(matched, expected, "{spec:?}");
        }
    }

    #[test]
    fn kube_namespaces_are_excluded_by_default() {
        let spec = json!({"namespaceSelector": {}, "template": {}});
        let spec: ClusterBedrockModelMapSpec = serde_json::from_value(spec).unwrap();
        let selector = NamespaceSelector::new(&spec);
        assert!(!selector.is_match("kube-system", &Labels::new()));
        assert!(selector.is_match("default", &Labels::new()));
    }
}

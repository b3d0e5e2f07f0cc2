//! The condition `IdsAvailable`: which published models the policy leaves without an ID.

use std::collections::BTreeMap;

use crate::api::RegionStatus;
use crate::bedrock::policy::NoRouteReason;
use crate::text::Listed;

/// Regions that the message names before it only counts.
const NAMED_IN_MESSAGE: usize = 5;

/// The condition, without its type and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdsAvailable {
    /// `True` or `False`.
    pub status: &'static str,
    /// The reason of the condition.
    pub reason: &'static str,
    /// The counts.
    pub message: String,
}

/// The condition over all published regions. None: nothing is published, or a region that an earlier
/// version published does not count its models yet.
pub fn ids_available(regions: &BTreeMap<String, RegionStatus>) -> Option<IdsAvailable> {
    let published = || regions.iter().filter(|(_, r)| r.config_map.is_some());
    let invocable: i64 = published().map(|(_, r)| r.invocable).sum::<Option<i64>>()?;
    let models: i64 = published().map(|(_, r)| r.models).sum();
    if models == 0 {
        return None;
    }
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for (reason, models) in published().flat_map(|(_, r)| &r.not_invocable) {
        *reasons.entry(reason).or_default() += models;
    }
    let (status, reason) = if invocable == 0 {
        ("False", "NoIds")
    } else if reasons.keys().any(|reason| is_of_policy(reason)) {
        ("False", "PolicyLeavesSome")
    } else {
        ("True", "PolicyLeavesAll")
    };
    let mut message = vec![format!("{invocable} of {models} models have an ID to pass")];
    let counts: Vec<String> = reasons
        .iter()
        .map(|(reason, models)| format!("{models} {reason}"))
        .collect();
    if !counts.is_empty() {
        message.push(format!("without one: {}", counts.join(", ")));
    }
    let none: Vec<&str> = published()
        .filter(|(_, r)| r.invocable == Some(0))
        .map(|(region, _)| region.as_str())
        .collect();
    if invocable > 0 && !none.is_empty() {
        let listed = Listed {
            names: &none,
            max: NAMED_IN_MESSAGE,
        };
        message.push(format!("no ID in {listed}"));
    }
    Some(IdsAvailable {
        status,
        reason,
        message: message.join("; "),
    })
}

/// Whether a change of `spec.invocation` could give such a model an ID.
fn is_of_policy(reason: &str) -> bool {
    [
        NoRouteReason::Legacy,
        NoRouteReason::DestinationNotAllowed,
        NoRouteReason::KindNotAllowed,
        NoRouteReason::ApplicationOnly,
    ]
    .iter()
    .any(|of_policy| of_policy.as_str() == reason)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn region(models: i64, reasons: &Value) -> Value {
        let without: i64 = reasons
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_i64)
            .sum();
        json!({"state": "Fresh", "configMap": "c", "models": models,
               "invocable": models - without, "notInvocable": reasons})
    }

    /// Regions `a`, `b` and so on.
    fn of(
        regions: impl IntoIterator<Item = Value>,
    ) -> Option<(&'static str, &'static str, String)> {
        let regions = ('a'..)
            .map(String::from)
            .zip(regions)
            .map(|(name, status)| (name, serde_json::from_value(status).unwrap()));
        ids_available(&regions.collect())
            .map(|condition| (condition.status, condition.reason, condition.message))
    }

    #[test]
    fn condition_counts_models_without_id_by_reason() {
        let all = || region(10, &json!({}));
        let provisioned = || region(10, &json!({"ProvisionedOnly": 2, "NoRoute": 1}));
        let forbidden = || region(10, &json!({"DestinationNotAllowed": 6, "NoRoute": 1}));
        let none = || region(4, &json!({"DestinationNotAllowed": 4}));
        let of_reason = |reason: &str| region(10, &json!({ reason: 1 }));
        // (regions, status, reason, message)
        let cases = [
            (
                vec![all(), all()],
                ("True", "PolicyLeavesAll"),
                "20 of 20 models have an ID to pass",
            ),
            (
                vec![all(), provisioned()],
                ("True", "PolicyLeavesAll"),
                "17 of 20 models have an ID to pass; without one: 1 NoRoute, 2 ProvisionedOnly",
            ),
            (
                vec![provisioned(), forbidden()],
                ("False", "PolicyLeavesSome"),
                "10 of 20 models have an ID to pass; without one: 6 DestinationNotAllowed, 2 NoRoute, 2 ProvisionedOnly",
            ),
            (
                vec![all(), none(), none()],
                ("False", "PolicyLeavesSome"),
                "10 of 18 models have an ID to pass; without one: 8 DestinationNotAllowed; no ID in b, c",
            ),
            (
                vec![none()],
                ("False", "NoIds"),
                "0 of 4 models have an ID to pass; without one: 4 DestinationNotAllowed",
            ),
            (
                vec![region(2, &json!({"ProvisionedOnly": 2}))],
                ("False", "NoIds"),
                "0 of 2 models have an ID to pass; without one: 2 ProvisionedOnly",
            ),
            (
                vec![of_reason("Legacy")],
                ("False", "PolicyLeavesSome"),
                "9 of 10 models have an ID to pass; without one: 1 Legacy",
            ),
            (
                vec![of_reason("OfALaterVersion")],
                ("True", "PolicyLeavesAll"),
                "9 of 10 models have an ID to pass; without one: 1 OfALaterVersion",
            ),
            (
                vec![all(), json!({"state": "Failed"}), json!({"state": "Empty"})],
                ("True", "PolicyLeavesAll"),
                "10 of 10 models have an ID to pass",
            ),
        ];
        for (regions, (status, reason), message) in cases {
            assert_eq!(of(regions), Some((status, reason, message.to_owned())));
        }
        let regions = std::iter::once(all()).chain((0..7).map(|_| none()));
        let (_, _, message) = of(regions).unwrap();
        assert!(
            message.ends_with("no ID in b, c, d, e, f and 2 more"),
            "{message}"
        );
    }

    #[test]
    fn condition_is_absent_while_counts_are_unknown() {
        let of_earlier_version = json!({"state": "Fresh", "configMap": "c", "models": 10});
        assert_eq!(of([]), None);
        assert_eq!(of([json!({"state": "Failed"})]), None);
        assert_eq!(of([region(10, &json!({})), of_earlier_version]), None);
    }
}

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delay::Delay;
use crate::operation::Operation;

/// Something that goes wrong with an answer.
///
/// Several faults can strike the same request; of those that take the place of the whole answer (from
/// [`Fault::Throttling`] to [`Fault::Hang`]) the first one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Fault {
    /// The answer comes later. A choice from a range follows from the seed, the region, the operation, and how many
    /// such requests came before.
    Latency {
        /// How much later.
        delay: Delay,
        /// Another seed, other choices.
        #[serde(default)]
        seed: u64,
    },

    /// 429 `ThrottlingException`; the Account service calls it `TooManyRequestsException`.
    Throttling {
        /// Seconds in the header `Retry-After`, which is absent if there are none.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 403 `AccessDeniedException`: no policy allows the action.
    AccessDenied,
    /// 403 `AccessDeniedException`: a service control policy denies the action explicitly, as a
    /// region deny of AWS Control Tower does.
    DeniedByServiceControlPolicy,
    /// 403 `UnrecognizedClientException`.
    UnrecognizedClient,
    /// 403 `ExpiredTokenException`.
    ExpiredToken,
    /// 500 `InternalServerException`.
    InternalServerError,
    /// Status 200 with JSON that breaks off.
    MalformedJson,
    /// Status 200 with a page for humans, as of a captive portal.
    HtmlPage,
    /// Status 200 with `{}`.
    MissingList,
    /// The connection is reset before an answer.
    ConnectionReset,
    /// Nothing ever comes, and the connection stays.
    Hang,

    /// Pages hold that many items at most. Like the other faults of paging, this does nothing to
    /// `ListFoundationModels`.
    ShortPages {
        /// Items on a page.
        size: usize,
    },
    /// Before each page come pages without any item, with a token.
    EmptyPages {
        /// How many before each page.
        #[serde(default = "one")]
        count: usize,
    },
    /// The first page comes again and again, always with the same token.
    RepeatedToken,
    /// After the last page come pages without any item, each with a new token, for ever.
    EndlessTokens,

    /// Only the first items of the list are there.
    Shrink {
        /// How many.
        keep: usize,
    },
    /// The list and every array in it come in another order, which follows from the seed.
    Reorder {
        /// Another seed, another order.
        #[serde(default)]
        seed: u64,
    },
    /// Every item and the answer itself have an unknown field, enumerations that are lists have one more unknown
    /// value, and the first item's `status` is unknown.
    UnknownValues,
    /// The first item's text for humans (a profile's description, a model's name) is huge.
    HugeDescription {
        /// How long it is.
        bytes: usize,
    },

    /// Half of the body that `content-length` promises, then the connection is closed.
    TruncatedBody,
    /// The body comes in pieces.
    SlowBody {
        /// The time from the head to the end of the body.
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
        over: Duration,
    },
}

impl Fault {
    /// An answer that comes that much later.
    pub fn latency(delay: impl Into<Delay>) -> Self {
        let delay = delay.into();
        Self::Latency { delay, seed: 0 }
    }

    pub(crate) fn replaces_answer(&self) -> bool {
        matches!(
            self,
            Self::Throttling { .. }
                | Self::AccessDenied
                | Self::DeniedByServiceControlPolicy
                | Self::UnrecognizedClient
                | Self::ExpiredToken
                | Self::InternalServerError
                | Self::MalformedJson
                | Self::HtmlPage
                | Self::MissingList
                | Self::ConnectionReset
                | Self::Hang
        )
    }
}

fn one() -> usize {
    1
}

/// A fault, and which requests it strikes: all of them, unless it is narrowed down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    fault: Fault,
}

impl FaultRule {
    /// The fault strikes every request until it is cleared.
    pub fn new(fault: Fault) -> Self {
        Self {
            region: None,
            operation: None,
            times: None,
            fault,
        }
    }

    /// It strikes requests to this region only.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// It strikes requests of this operation only.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// It strikes that many requests, then it is gone.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    pub(crate) fn matches(&self, region: &str, operation: Operation) -> bool {
        !self.is_spent()
            && self.region.as_ref().is_none_or(|only| only == region)
            && self.operation.is_none_or(|only| only == operation)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.times == Some(0)
    }

    pub(crate) fn spend(&mut self) -> Fault {
        self.times = self.times.map(|times| times.saturating_sub(1));
        self.fault.clone()
    }
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        Self::new(fault)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn rules_round_trip_as_json() {
        let rules = [
            json!({"fault": "hang"}),
            json!({"region": "us-east-1", "operation": "ListFoundationModels", "times": 2, "fault": "accessDenied"}),
            json!({"fault": {"latency": {"delay": "50ms..300ms", "seed": 7}}}),
            json!({"fault": {"throttling": {"retryAfter": 3}}}),
            json!({"fault": {"slowBody": {"over": "2s"}}}),
        ];
        for json in rules {
            let rule: FaultRule = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(rule).unwrap(), json);
        }
    }

    #[test]
    fn optional_rule_fields_can_be_omitted() {
        let fault = |json: Value| serde_json::from_value::<Fault>(json).unwrap();
        assert_eq!(
            fault(json!({"throttling": {}})),
            Fault::Throttling { retry_after: None }
        );
        assert_eq!(
            fault(json!({"emptyPages": {}})),
            Fault::EmptyPages { count: 1 }
        );
        let delay = Duration::from_millis(5);
        assert_eq!(
            fault(json!({"latency": {"delay": "5ms"}})),
            Fault::latency(delay)
        );
    }

    #[test]
    fn misspelt_rule_key_is_rejected() {
        serde_json::from_value::<FaultRule>(json!({"regoin": "us-east-1", "fault": "hang"}))
            .unwrap_err();
        serde_json::from_value::<Fault>(json!({"throttling": {"retryafter": 1}})).unwrap_err();
    }
}

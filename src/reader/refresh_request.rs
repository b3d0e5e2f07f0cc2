//! A request for a refresh, and its acknowledgement.

use std::borrow::Cow;

use kube::ResourceExt as _;

use crate::api::refresh_token::acknowledged_form;
use crate::api::{ANNOTATION_REQUESTED_AT, BedrockModelMap};

/// A request for a refresh of a `BedrockModelMap`.
pub(super) struct RefreshRequest {
    token: String,
    /// The token acknowledged, and the one requested, before this request: their refresh may have
    /// begun earlier, and a tool such as Argo CD may put the annotation back to them.
    earlier: [Option<String>; 2],
}

impl RefreshRequest {
    pub(super) fn new(token: String, before: &BedrockModelMap) -> Self {
        Self {
            token,
            earlier: [
                handled(before).map(str::to_owned),
                requested(before).map(Cow::into_owned),
            ],
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether a refresh that began after this request is done: this one, or a later one that
    /// replaced it.
    pub(super) fn is_acknowledged(&self, resource: &BedrockModelMap) -> bool {
        let Some(handled) = handled(resource) else {
            return false;
        };
        let is_earlier = self.earlier.iter().flatten().any(|token| token == handled);
        handled == self.token || (!is_earlier && requested(resource).as_deref() == Some(handled))
    }
}

fn handled(resource: &BedrockModelMap) -> Option<&str> {
    resource
        .status
        .as_ref()?
        .last_handled_refresh_request
        .as_deref()
}

/// The token requested, as the status acknowledges it.
fn requested(resource: &BedrockModelMap) -> Option<Cow<'_, str>> {
    let token = resource.annotations().get(ANNOTATION_REQUESTED_AT)?;
    Some(acknowledged_form(token))
}

#[cfg(test)]
mod tests {
    use crate::api::{BedrockModelMapSpec, BedrockModelMapStatus};

    use super::*;

    fn resource(requested: &str, handled: Option<&str>) -> BedrockModelMap {
        let mut resource = BedrockModelMap::new("claude", BedrockModelMapSpec::default());
        resource
            .annotations_mut()
            .insert(ANNOTATION_REQUESTED_AT.to_owned(), requested.to_owned());
        resource.status = Some(BedrockModelMapStatus {
            last_handled_refresh_request: handled.map(str::to_owned),
            ..BedrockModelMapStatus::default()
        });
        resource
    }

    #[test]
    fn only_a_refresh_after_the_request_acknowledges_it() {
        let before = resource("pending", Some("handled"));
        let request = RefreshRequest::new("ours".to_owned(), &before);
        let long = "x".repeat(254);
        let long_handled = acknowledged_form(&long);
        let cases = [
            ("not handled yet", "ours", Some("handled"), false),
            ("nothing ever handled", "ours", None, false),
            ("handled", "ours", Some("ours"), true),
            ("handled, then replaced", "later", Some("ours"), true),
            ("replaced and not handled", "later", Some("handled"), false),
            ("replaced and handled", "later", Some("later"), true),
            (
                "replaced by a long one, handled",
                &long,
                Some(&long_handled),
                true,
            ),
            ("put back to the handled", "handled", Some("handled"), false),
            ("put back to the pending", "pending", Some("pending"), false),
        ];
        for (case, requested, handled, expected) in cases {
            let now = resource(requested, handled);
            assert_eq!(request.is_acknowledged(&now), expected, "{case}");
        }
    }
}

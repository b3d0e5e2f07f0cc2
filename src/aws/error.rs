//! What an error of the SDK means for a user: the one place that knows AWS's codes.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use http_body_util::LengthLimitError;

use crate::api::{AttemptError, ErrorCode};

/// How much of an error's text goes into a message.
const MAX_DETAIL_BYTES: usize = 300;

/// The reason, on its way through the SDK.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub(super) struct CredentialsUnavailable(pub(super) AttemptError);

/// The call that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ApiCall<'a> {
    /// Its IAM action, such as `bedrock:ListFoundationModels`.
    pub action: &'static str,
    /// The region asked.
    pub region: &'a str,
}

impl ApiCall<'_> {
    /// The error of this call that `code` and `what` say.
    pub(super) fn error(self, code: ErrorCode, what: &str) -> AttemptError {
        let Self { action, region } = self;
        AttemptError {
            code,
            message: format!("{action} in {region}: {what}"),
            retry_after_seconds: None,
        }
    }

    /// What the SDK's error means.
    pub(super) fn classify<E>(self, error: &SdkError<E, HttpResponse>) -> AttemptError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match error {
            SdkError::TimeoutError(_) => self.error(ErrorCode::Timeout, TIMEOUT),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                self.error(ErrorCode::Timeout, TIMEOUT)
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => self.not_sent(error),
            SdkError::ServiceError(service) if !service.raw().status().is_success() => {
                let status = service.raw().status().as_u16();
                let mut classified =
                    self.refused(service.err().code(), service.err().message(), status);
                classified.retry_after_seconds = retry_after(service.raw());
                classified
            }
            _ if find_source::<LengthLimitError>(error).is_some() => self.error(
                ErrorCode::AnswerTooLarge,
                "the answer is larger than the operator accepts",
            ),
            _ => self.malformed(&detail(error)),
        }
    }

    /// An answer that is not what the API promises.
    pub(super) fn malformed(self, what: &str) -> AttemptError {
        let what = format!(
            "the answer is malformed ({what}): something between the operator and AWS may be answering in its place"
        );
        self.error(ErrorCode::MalformedAnswer, &what)
    }

    fn not_sent(self, error: &(dyn Error + 'static)) -> AttemptError {
        if let Some(CredentialsUnavailable(reason)) = find_source(error) {
            return reason.clone();
        }
        let detail = detail(error);
        // The resolver's errors have no type of their own; these are the words of getaddrinfo.
        let unresolved =
            detail.contains("failed to lookup address information") || detail.contains("dns error");
        if unresolved && !detail.contains("Temporary failure") {
            let what = format!(
                "the endpoint's name does not resolve: Bedrock may not be in this region ({detail})"
            );
            return self.error(ErrorCode::NameNotResolved, &what);
        }
        let what = format!("the endpoint cannot be reached: {detail}");
        self.error(ErrorCode::Unreachable, &what)
    }

    fn refused(self, code: Option<&str>, message: Option<&str>, status: u16) -> AttemptError {
        let Self { action, region } = self;
        let said = truncated(message.or(code).unwrap_or("no reason given"));
        let (code, what) = match (code.unwrap_or_default(), status) {
            ("UnrecognizedClientException", _) => (
                ErrorCode::RegionDisabled,
                format!(
                    "the region does not know the credentials; enable {region} for the account, or leave it out ({said})"
                ),
            ),
            (
                "ExpiredTokenException"
                | "ExpiredToken"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "InvalidClientTokenId"
                | "IncompleteSignature"
                | "MissingAuthenticationTokenException"
                | "MissingAuthenticationToken"
                | "RequestExpired",
                _,
            ) => (
                ErrorCode::InvalidCredentials,
                format!("AWS does not accept the credentials ({said})"),
            ),
            ("ThrottlingException" | "TooManyRequestsException" | "Throttling" | "SlowDown", _)
            | (_, 429) => (
                ErrorCode::Throttled,
                format!("AWS asks to slow down; the region is asked again later ({said})"),
            ),
            ("AccessDeniedException" | "AccessDenied", _) | (_, 401 | 403) => (
                ErrorCode::AccessDenied,
                format!("denied: allow the IAM action {action} on resource \"*\" ({said})"),
            ),
            (_, 500..) => (
                ErrorCode::ServiceError,
                format!("AWS answered {status}; the region is asked again later ({said})"),
            ),
            _ => (
                ErrorCode::InvalidRequest,
                format!("AWS answered {status} ({said})"),
            ),
        };
        self.error(code, &what)
    }
}

const TIMEOUT: &str = "no answer in time; the region is asked again later";

fn retry_after(response: &HttpResponse) -> Option<i64> {
    let seconds: i64 = response.headers().get("retry-after")?.trim().parse().ok()?;
    (seconds >= 0).then_some(seconds)
}

pub(super) fn find_source<'a, T: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What the error and its causes say, each thing once.
pub(super) fn detail(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        next = cause.source();
    }
    truncated(&said)
}

/// One line of bounded length: what comes from outside must not flood status and log.
pub(super) fn truncated(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line
        .char_indices()
        .find(|(at, c)| at + c.len_utf8() > MAX_DETAIL_BYTES)
    {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: ApiCall<'static> = ApiCall {
        action: "bedrock:ListFoundationModels",
        region: "us-east-1",
    };

    #[test]
    fn what_aws_says_is_told_apart() {
        let cases = [
            (Some("AccessDeniedException"), 403, ErrorCode::AccessDenied),
            (
                Some("UnrecognizedClientException"),
                403,
                ErrorCode::RegionDisabled,
            ),
            (
                Some("ExpiredTokenException"),
                403,
                ErrorCode::InvalidCredentials,
            ),
            (
                Some("InvalidSignatureException"),
                403,
                ErrorCode::InvalidCredentials,
            ),
            (Some("ThrottlingException"), 429, ErrorCode::Throttled),
            (Some("ThrottlingException"), 400, ErrorCode::Throttled),
            (None, 429, ErrorCode::Throttled),
            (
                Some("InternalServerException"),
                500,
                ErrorCode::ServiceError,
            ),
            (None, 503, ErrorCode::ServiceError),
            (Some("ValidationException"), 400, ErrorCode::InvalidRequest),
            (Some("SomethingNew"), 403, ErrorCode::AccessDenied),
            (Some("SomethingNew"), 418, ErrorCode::InvalidRequest),
            (None, 404, ErrorCode::InvalidRequest),
        ];
        for (code, status, expected) in cases {
            let error = CALL.refused(code, None, status);
            assert_eq!(error.code, expected, "{code:?} {status}");
        }
    }

    #[test]
    fn a_denial_names_the_action_to_allow() {
        let error = CALL.refused(Some("AccessDeniedException"), Some("no\n  way"), 403);
        assert_eq!(
            error.message,
            "bedrock:ListFoundationModels in us-east-1: denied: allow the IAM action bedrock:ListFoundationModels on resource \"*\" (no way)"
        );
    }

    #[test]
    fn text_from_outside_is_cut_at_a_character() {
        let cut = truncated(&"ä".repeat(1000));
        assert!(cut.len() <= MAX_DETAIL_BYTES + "…".len());
        assert!(cut.ends_with("ä…"));
    }
}

//! What an error of the SDK means: the only place that knows AWS's error codes.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use http_body_util::LengthLimitError;

use super::error::{Advice, AwsError, reason};
use crate::api::ErrorCode;
use crate::text::error_chain;

/// Carries the reason for missing credentials through the SDK.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct CredentialsUnavailableError(pub(super) AwsError);

/// One call, as errors name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ApiCall<'a> {
    /// The IAM action, such as `bedrock:ListFoundationModels`.
    pub action: &'static str,
    pub region: &'a str,
}

impl ApiCall<'_> {
    pub(super) fn error(self, code: ErrorCode, detail: &str, advice: Advice) -> AwsError {
        AwsError::new(code, detail, advice).with_call(self.action, self.region)
    }

    /// The SDK's error, classified.
    pub(super) fn classify<E>(self, error: &SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match error {
            SdkError::TimeoutError(_) => self.timeout(),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => self.timeout(),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
                self.dispatch_error(error)
            }
            SdkError::ServiceError(service) if !service.raw().status().is_success() => self
                .service_error(
                    service.err().code(),
                    service.err().message(),
                    service.raw().status().as_u16(),
                )
                .with_retry_after(retry_after(service.raw())),
            _ if find_source::<LengthLimitError>(error).is_some() => self.too_large(),
            _ => self.malformed(&reason(&error_chain(error))),
        }
    }

    /// A response that breaks the API's contract.
    pub(super) fn malformed(self, detail: &str) -> AwsError {
        self.error(
            ErrorCode::MalformedAnswer,
            &format!("malformed response ({detail})"),
            Advice::CheckProxy,
        )
    }

    /// A response above the limit of bytes.
    pub(super) fn too_large(self) -> AwsError {
        self.error(
            ErrorCode::AnswerTooLarge,
            "the response is larger than accepted",
            Advice::CheckProxy,
        )
    }

    /// A list of pages without end.
    pub(super) fn endless_pagination(self, detail: &str) -> AwsError {
        self.error(ErrorCode::EndlessPagination, detail, Advice::None)
    }

    /// No response by our own deadline.
    pub(super) fn timeout_after(self, timeout: Duration) -> AwsError {
        self.error(
            ErrorCode::Timeout,
            &format!("no response within {} s", timeout.as_secs()),
            Advice::Retry,
        )
    }

    fn timeout(self) -> AwsError {
        self.error(ErrorCode::Timeout, "no response in time", Advice::Retry)
    }

    fn dispatch_error(self, error: &(dyn Error + 'static)) -> AwsError {
        if let Some(CredentialsUnavailableError(reason)) = find_source(error) {
            return reason.clone();
        }
        let detail = reason(&error_chain(error));
        // The resolver's errors have no type of their own; these are the words of getaddrinfo.
        let is_unresolved =
            detail.contains("failed to lookup address information") || detail.contains("dns error");
        if is_unresolved && !detail.contains("Temporary failure") {
            return self.error(
                ErrorCode::NameNotResolved,
                &format!(
                    "the endpoint's name does not resolve: the region may not have the service ({detail})"
                ),
                Advice::None,
            );
        }
        self.unreachable(&detail)
    }

    pub(super) fn unreachable(self, detail: &str) -> AwsError {
        self.error(
            ErrorCode::Unreachable,
            &format!("cannot connect to the endpoint ({detail})"),
            Advice::Retry,
        )
    }

    fn service_error(self, code: Option<&str>, message: Option<&str>, status: u16) -> AwsError {
        let text = reason(message.or(code).unwrap_or("no reason given"));
        let (code, detail, advice) = match (code.unwrap_or_default(), status) {
            ("UnrecognizedClientException", _) => (
                ErrorCode::RegionDisabled,
                format!("the region rejects the credentials ({text})"),
                Advice::EnableRegion(self.region.to_owned()),
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
                format!("AWS rejects the credentials ({text})"),
                Advice::CheckCredentials,
            ),
            ("ThrottlingException" | "TooManyRequestsException" | "Throttling" | "SlowDown", _)
            | (_, 429) => (
                ErrorCode::Throttled,
                format!("AWS throttles requests ({text})"),
                Advice::Retry,
            ),
            ("AccessDeniedException" | "AccessDenied", _) | (_, 401 | 403) => {
                match message.and_then(denying_policy) {
                    Some(policy) => (
                        ErrorCode::DeniedByPolicy,
                        format!("{policy} denies the action ({text})"),
                        Advice::AllowActionOrExcludeRegion(self.action),
                    ),
                    None => (
                        ErrorCode::AccessDenied,
                        format!("access denied ({text})"),
                        Advice::AllowAction(self.action),
                    ),
                }
            }
            (_, 500..) => (
                ErrorCode::ServiceError,
                format!("AWS responded with status {status} ({text})"),
                Advice::Retry,
            ),
            _ => (
                ErrorCode::InvalidRequest,
                format!("AWS responded with status {status} ({text})"),
                Advice::None,
            ),
        };
        self.error(code, &detail, advice)
    }
}

/// The policy that denies a request explicitly, in AWS's words: "… with an explicit deny in a service
/// control policy". AWS may add the policy's ARN.
fn denying_policy(message: &str) -> Option<String> {
    let (_, policy) = message.split_once("explicit deny")?;
    let policy = policy
        .strip_prefix(" in ")
        .and_then(|policy| policy.split([':', ';', ',', '.', '(']).next())
        .map(|policy| reason(policy.trim()))
        .filter(|policy| !policy.is_empty());
    Some(policy.unwrap_or_else(|| "a policy".to_owned()))
}

/// `Retry-After` in seconds. AWS sends no dates there.
pub(super) fn retry_after(response: &HttpResponse) -> Option<i64> {
    let seconds: i64 = response.headers().get("retry-after")?.trim().parse().ok()?;
    (seconds >= 0).then_some(seconds)
}

/// The first error of this type among the error and its causes.
pub(super) fn find_source<'a, T: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|e| e.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Audience;

    const CALL: ApiCall<'static> = ApiCall {
        action: "bedrock:ListFoundationModels",
        region: "us-east-1",
    };

    #[test]
    fn aws_error_code_and_status_to_error_code() {
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
            let error = CALL.service_error(code, None, status);
            assert_eq!(error.code(), expected, "{code:?} {status}");
        }
    }

    #[test]
    fn denial_names_the_action_to_allow() {
        let error = CALL.service_error(Some("AccessDeniedException"), Some("no\n  way"), 403);
        assert_eq!(
            error.message_for(Audience::Operator),
            "bedrock:ListFoundationModels in us-east-1: access denied (no way); allow the IAM action bedrock:ListFoundationModels on resource \"*\""
        );
    }

    #[test]
    fn explicit_deny_names_the_policy_and_the_way_around() {
        let denial = |end: &str| {
            let message = format!(
                "User: arn:aws:sts::111122223333:assumed-role/{}/s is not authorized to perform: bedrock:ListFoundationModels on resource: * with an explicit deny{end}",
                "long".repeat(100)
            );
            let code = Some("AccessDeniedException");
            let error = CALL.service_error(code, Some(&message), 403);
            assert_eq!(error.code(), ErrorCode::DeniedByPolicy, "{end}");
            error.message_for(Audience::Operator)
        };
        for (end, policy) in [
            (" in a service control policy", "a service control policy"),
            (
                " in a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-1",
                "a service control policy",
            ),
            (" in an identity-based policy", "an identity-based policy"),
            (" in a permissions boundary.", "a permissions boundary"),
            ("", "a policy"),
            (" in ", "a policy"),
        ] {
            let message = denial(end);
            let start = format!(
                "bedrock:ListFoundationModels in us-east-1: {policy} denies the action (User: "
            );
            assert!(message.starts_with(&start), "{message}");
            let advice = "; exclude the region (spec.excludeRegions, or remove it from spec.regions), or allow bedrock:ListFoundationModels in that policy";
            assert!(message.ends_with(advice), "{message}");
        }
        let none =
            "because no identity-based policy allows the bedrock:ListFoundationModels action";
        let error = CALL.service_error(Some("AccessDeniedException"), Some(none), 403);
        assert_eq!(error.code(), ErrorCode::AccessDenied);
    }

    #[test]
    fn text_of_aws_is_printable() {
        let error = CALL.service_error(None, Some("\x1b]0;x\u{7}\u{9b}2J\u{202e}"), 500);
        let message = error.message_for(Audience::Operator);
        assert!(
            message.contains("(\u{fffd}]0;x\u{fffd}\u{fffd}2J\u{fffd})"),
            "{message:?}"
        );
    }
}

//! Why there are no credentials.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::api_call::{ApiCall, find_source};
use super::error::{Advice, AwsError, ExternalIdUse, reason};
use crate::api::ErrorCode;
use crate::aws::identity::Role;
use crate::text::error_chain;

pub(super) const ASSUME_ROLE: &str = "sts:AssumeRole";

/// Error of the provider chain of the operator's own credentials.
pub(super) fn own_credentials_error(cause: &CredentialsError, home_region: &str) -> AwsError {
    type WebIdentityError = SdkError<AssumeRoleWithWebIdentityError, HttpResponse>;
    if let Some(cause) = find_source::<WebIdentityError>(cause) {
        return web_identity_error(cause, home_region);
    }
    let detail = reason(&error_chain(cause));
    if find_source::<ConnectorError>(cause).is_some() {
        return AwsError::new(
            ErrorCode::Unreachable,
            format!("cannot connect to the endpoint that provides AWS credentials ({detail})"),
            Advice::Retry,
        );
    }
    let key = if has_bedrock_api_key() {
        BEDROCK_API_KEY_UNUSED
    } else {
        ""
    };
    AwsError::new(
        ErrorCode::InvalidCredentials,
        format!("no AWS credentials found ({detail}){key}"),
        Advice::ProvideCredentials,
    )
}

const BEDROCK_API_KEY_UNUSED: &str = "; the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK is not used, because neither STS nor the Account service accepts it";

fn has_bedrock_api_key() -> bool {
    std::env::var_os("AWS_BEARER_TOKEN_BEDROCK").is_some_and(|key| !key.is_empty())
}

fn web_identity_error(
    cause: &SdkError<AssumeRoleWithWebIdentityError, HttpResponse>,
    home_region: &str,
) -> AwsError {
    let call = ApiCall {
        action: "sts:AssumeRoleWithWebIdentity",
        region: home_region,
    };
    let error = classify_sts(call, cause);
    match error.code() {
        ErrorCode::AccessDenied | ErrorCode::InvalidCredentials | ErrorCode::InvalidRequest => call
            .error(
                ErrorCode::InvalidCredentials,
                &format!("AWS rejects the web identity token ({})", sts_reason(cause)),
                Advice::CheckWebIdentity,
            ),
        _ => error,
    }
}

/// The error of STS that refuses a role.
pub(super) fn assume_role_error(
    cause: &SdkError<AssumeRoleError, HttpResponse>,
    role: &Role,
    session: &str,
    region: &str,
) -> AwsError {
    let call = ApiCall {
        action: ASSUME_ROLE,
        region,
    };
    let error = classify_sts(call, cause);
    let arn = &role.arn;
    match error.code() {
        ErrorCode::AccessDenied => {
            let external_id = match role.external_id {
                Some(_) => ExternalIdUse::Given,
                None => ExternalIdUse::Absent,
            };
            call.error(
                ErrorCode::AccessDenied,
                &format!(
                    "{arn} is denied to session {session} ({})",
                    sts_reason(cause)
                ),
                Advice::AllowAssumeRole { external_id },
            )
        }
        ErrorCode::InvalidCredentials => call.error(
            ErrorCode::InvalidCredentials,
            &format!(
                "AWS rejects the credentials that assume {arn} ({})",
                sts_reason(cause)
            ),
            Advice::CheckCredentials,
        ),
        _ => error,
    }
}

/// Our own credentials were not found by the deadline.
pub(super) fn timeout_error(timeout: Duration) -> AwsError {
    AwsError::new(
        ErrorCode::Timeout,
        format!("no AWS credentials within {} s", timeout.as_secs()),
        Advice::Retry,
    )
}

/// An error of STS. It says nothing about a region of Bedrock: neither that it is not enabled, nor
/// that its endpoint's name does not resolve.
fn classify_sts<E>(call: ApiCall<'_>, cause: &SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let error = call.classify(cause);
    match error.code() {
        ErrorCode::RegionDisabled => error
            .with_code(ErrorCode::InvalidCredentials)
            .with_advice(Advice::CheckCredentials),
        ErrorCode::DeniedByPolicy => error.with_code(ErrorCode::AccessDenied),
        ErrorCode::NameNotResolved => call.unreachable(&reason(&error_chain(cause))),
        _ => error,
    }
}

fn sts_reason<E: ProvideErrorMetadata>(cause: &SdkError<E, HttpResponse>) -> String {
    let text = cause.message().or(cause.code());
    reason(text.unwrap_or("no reason given"))
}

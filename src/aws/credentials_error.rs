//! What it means that no credentials are to be had.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::error::{ApiCall, detail, find_source, truncated};
use crate::api::{AttemptError, ErrorCode};
use crate::aws::identity::Role;

pub(super) const ASSUME_ROLE: &str = "sts:AssumeRole";

/// The operator's own credentials are not to be had.
pub(super) fn not_found(cause: &CredentialsError, home_region: &str) -> AttemptError {
    type WebIdentityError = SdkError<AssumeRoleWithWebIdentityError, HttpResponse>;
    let action = "sts:AssumeRoleWithWebIdentity";
    if let Some(by_sts) = find_source::<WebIdentityError>(cause) {
        let call = ApiCall {
            action,
            region: home_region,
        };
        let error = of_sts(call, by_sts);
        return match error.code {
            ErrorCode::AccessDenied | ErrorCode::InvalidCredentials | ErrorCode::InvalidRequest => {
                let what = format!(
                    "AWS does not take the operator's web identity token: check AWS_ROLE_ARN, that role's trust policy, and the cluster's OIDC provider ({})",
                    said(by_sts)
                );
                call.error(ErrorCode::InvalidCredentials, &what)
            }
            _ => error,
        };
    }
    let detail = detail(cause);
    if find_source::<ConnectorError>(cause).is_some() {
        let message = format!(
            "the endpoint that has the operator's AWS credentials cannot be reached: {detail}"
        );
        return AttemptError::new(ErrorCode::Unreachable, message);
    }
    let key = if has_bedrock_api_key() {
        BEDROCK_API_KEY_UNUSED
    } else {
        ""
    };
    let message = format!(
        "no AWS credentials could be had; give the operator an identity (IRSA, Pod Identity or the SDK's environment variables): {detail}{key}"
    );
    AttemptError::new(ErrorCode::InvalidCredentials, message)
}

const BEDROCK_API_KEY_UNUSED: &str = "; the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK is not used: it is no AWS identity, so that neither STS nor the Account service accepts it";

fn has_bedrock_api_key() -> bool {
    std::env::var_os("AWS_BEARER_TOKEN_BEDROCK").is_some_and(|key| !key.is_empty())
}

/// A role is not to be had.
pub(super) fn not_assumed(
    by_sts: &SdkError<AssumeRoleError, HttpResponse>,
    role: &Role,
    session: &str,
    region: &str,
) -> AttemptError {
    let call = ApiCall {
        action: ASSUME_ROLE,
        region,
    };
    let error = of_sts(call, by_sts);
    let arn = &role.arn;
    let said = said(by_sts);
    match error.code {
        ErrorCode::AccessDenied => {
            let external_id = match role.external_id {
                Some(_) => "spec.aws.externalId is the one that its trust policy asks for",
                None => {
                    "its trust policy asks for no external id, or name it in spec.aws.externalId"
                }
            };
            let what = format!(
                "{arn} is refused to session {session}: allow sts:AssumeRole on it to the operator's own identity, there and in the role's trust policy, and see that {external_id} ({said})"
            );
            call.error(ErrorCode::AccessDenied, &what)
        }
        ErrorCode::InvalidCredentials => {
            let what = format!(
                "AWS does not accept the operator's own credentials, with which {arn} was to be assumed ({said})"
            );
            call.error(ErrorCode::InvalidCredentials, &what)
        }
        _ => error,
    }
}

/// Credentials did not come in time.
pub(super) fn too_late(what: &str, timeout: Duration) -> AttemptError {
    let message = format!(
        "{what}: no answer within {} s; the region is asked again later",
        timeout.as_secs()
    );
    AttemptError::new(ErrorCode::Timeout, message)
}

/// What an error of STS means. It says nothing about a region of Bedrock: neither that it is not enabled, nor that its
/// endpoint's name does not resolve.
fn of_sts<E>(call: ApiCall<'_>, cause: &SdkError<E, HttpResponse>) -> AttemptError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let error = call.classify(cause);
    match error.code {
        ErrorCode::RegionDisabled => AttemptError {
            code: ErrorCode::InvalidCredentials,
            ..error
        },
        ErrorCode::NameNotResolved => {
            let what = format!("the endpoint cannot be reached: {}", detail(cause));
            call.error(ErrorCode::Unreachable, &what)
        }
        _ => error,
    }
}

fn said<E: ProvideErrorMetadata>(cause: &SdkError<E, HttpResponse>) -> String {
    let said = cause.message().or(cause.code());
    truncated(said.unwrap_or("no reason given"))
}

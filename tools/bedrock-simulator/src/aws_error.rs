use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::operation::Operation;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An error of AWS, in the form of the protocol restJson unless requested otherwise.
#[derive(Debug)]
pub(crate) struct AwsError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<u64>,
}

impl AwsError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn unknown_operation() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "UnknownOperationException",
            "Unknown operation",
        )
    }

    pub(crate) fn missing_signature() -> Self {
        let code = "MissingAuthenticationTokenException";
        Self::new(StatusCode::FORBIDDEN, code, "Missing Authentication Token")
    }

    pub(crate) fn unrecognized_client() -> Self {
        let code = "UnrecognizedClientException";
        let message = "The security token included in the request is invalid.";
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn expired_token() -> Self {
        let message = "The security token included in the request is expired";
        Self::new(StatusCode::FORBIDDEN, "ExpiredTokenException", message)
    }

    /// STS does not tell whether there is no such role, or who asks may not have it.
    pub(crate) fn not_assumable(user: &str, role: &str) -> Self {
        let message = format!(
            "User: arn:aws:iam::111122223333:user/{user} is not authorized to perform: sts:AssumeRole on resource: {role}"
        );
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    pub(crate) fn invalid_identity_token() -> Self {
        let message = "No OpenIDConnect provider found in your account for the token";
        Self::new(StatusCode::BAD_REQUEST, "InvalidIdentityToken", message)
    }

    pub(crate) fn access_denied(operation: Operation, user: &str) -> Self {
        let action = operation.action();
        let message = format!(
            "User: arn:aws:iam::111122223333:user/{user} is not authorized to perform: {action} on resource: * because \
             no identity-based policy allows the {action} action"
        );
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    pub(crate) fn denied_by_service_control_policy(operation: Operation, user: &str) -> Self {
        let action = operation.action();
        let message = format!(
            "User: arn:aws:iam::111122223333:user/{user} is not authorized to perform: {action} on resource: * with an \
             explicit deny in a service control policy"
        );
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    pub(crate) fn end_of_life() -> Self {
        let message = "This model version has reached the end of its life. Please refer to the AWS documentation for \
                       more details.";
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    pub(crate) fn throttling(operation: Operation, retry_after: Option<u64>) -> Self {
        let code = match operation {
            Operation::ListFoundationModels | Operation::ListInferenceProfiles => {
                "ThrottlingException"
            }
            Operation::ListRegions => "TooManyRequestsException",
            Operation::AssumeRole
            | Operation::AssumeRoleWithWebIdentity
            | Operation::ContainerCredentials => "Throttling",
        };
        let message = "Too many requests, please wait before trying again.";
        Self {
            retry_after,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
        }
    }

    pub(crate) fn internal_server_error() -> Self {
        let message = "The server encountered an internal error.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerException",
            message,
        )
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }
}

impl AwsError {
    /// The error in the form of the query protocol, and in the words of STS.
    pub(crate) fn into_xml(self) -> Response {
        let Self {
            status,
            code,
            message,
            retry_after,
        } = self;
        let code = match code {
            "AccessDeniedException" => "AccessDenied",
            "ExpiredTokenException" => "ExpiredToken",
            "UnrecognizedClientException" => "InvalidClientTokenId",
            other => other,
        };
        let document = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ErrorResponse>"
        );
        let xml = HeaderValue::from_static("text/xml");
        let mut response = (status, [(CONTENT_TYPE, xml)], document).into_response();
        if let Some(seconds) = retry_after {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for AwsError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"message": self.message}))).into_response();
        let headers = response.headers_mut();
        headers.insert(ERROR_TYPE, HeaderValue::from_static(self.code));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

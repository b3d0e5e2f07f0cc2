//! Counts and times the HTTP requests that the SDK sends, each attempt of a call separately.

use std::sync::Arc;
use std::time::Instant;

use aws_config::Region;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, Error, FinalizerInterceptorContextRef, Output,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;

use super::metrics::AwsMetrics;

/// AWS's error codes that become label values. Others count by the class of their HTTP status.
const ERROR_TYPES: [&str; 18] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InternalServerException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RegionDisabledException",
    "RequestExpired",
    "ServiceUnavailableException",
    "SignatureDoesNotMatch",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "UnrecognizedClientException",
    "ValidationException",
];
/// The code of a request that was dropped before its end.
const CANCELLED: &str = "Cancelled";

#[derive(Clone, Debug)]
pub(super) struct MetricsInterceptor(pub(super) Arc<dyn AwsMetrics>);

/// Reports the request when it is dropped, with [`CANCELLED`] unless a result came first.
#[derive(Debug)]
struct InFlightRequest {
    metrics: Arc<dyn AwsMetrics>,
    region: String,
    operation: String,
    start: Instant,
    code: &'static str,
}

impl Storable for InFlightRequest {
    type Storer = StoreReplace<Self>;
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.metrics.request_finished(
            &self.region,
            &self.operation,
            self.code,
            self.start.elapsed(),
        );
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for MetricsInterceptor {
    fn name(&self) -> &'static str {
        "MetricsInterceptor"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let region = cfg.load::<Region>().map(ToString::to_string);
        let operation = cfg.load::<Metadata>().map(|call| call.name().to_owned());
        cfg.interceptor_state().store_put(InFlightRequest {
            metrics: Arc::clone(&self.0),
            region: region.unwrap_or_default(),
            operation: operation.unwrap_or_default(),
            start: Instant::now(),
            code: CANCELLED,
        });
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let outcome = context.output_or_error();
        let succeeded = outcome.is_some_and(|outcome| outcome.is_ok());
        let timed_out = outcome.is_some_and(|o| o.is_err_and(OrchestratorError::is_timeout_error));
        if let Some(request) = cfg.get_mut_from_interceptor_state::<InFlightRequest>() {
            request.code = match context.response() {
                Some(_) if succeeded => "OK",
                Some(response) => code(response, outcome.and_then(sts_error_code)),
                None if timed_out => "Timeout",
                None => "NoResponse",
            };
        }
        // Dropping the request reports it.
        cfg.interceptor_state().unset::<InFlightRequest>();
        Ok(())
    }
}

/// STS has its error code in the body, where other services have it in a header.
fn sts_error_code<'a>(
    outcome: Result<&'a Output, &'a OrchestratorError<Error>>,
) -> Option<&'a str> {
    let error = outcome.err()?.as_operation_error()?;
    error.downcast_ref::<AssumeRoleError>()?.code()
}

fn code(response: &HttpResponse, sts_error_code: Option<&str>) -> &'static str {
    let error_type = response
        .headers()
        .get("x-amzn-errortype")
        // `ns#ThrottlingException:http://…`
        .and_then(|name| name.split(':').next()?.rsplit('#').next())
        .or(sts_error_code);
    let known = error_type.and_then(|name| ERROR_TYPES.into_iter().find(|known| *known == name));
    known.unwrap_or(match response.status().as_u16() {
        200..300 => "MalformedAnswer",
        400..500 => "4xx",
        500..600 => "5xx",
        _ => "OtherStatus",
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn unknown_error_type_counts_by_status_class() {
        let cases = [
            (403, Some("AccessDeniedException"), "AccessDeniedException"),
            (
                429,
                Some("ns#ThrottlingException:http://a/b"),
                "ThrottlingException",
            ),
            (400, Some("WhoKnowsException"), "4xx"),
            (404, None, "4xx"),
            (503, None, "5xx"),
            (200, None, "MalformedAnswer"),
            (302, None, "OtherStatus"),
        ];
        for (status, named, expected) in cases {
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            if let Some(named) = named {
                response.headers_mut().insert("x-amzn-errortype", named);
            }
            assert_eq!(code(&response, None), expected, "{status} {named:?}");
        }
    }
}

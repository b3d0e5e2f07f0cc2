//! The Account service and STS with a given response, without a connection: for the fuzz targets.

use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::client::{Aws, Limits};
use super::error::AwsError;
use super::identity::Caller;
use super::metrics::NoMetrics;

/// Every response of every service.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, such as 200.
    pub status: StatusCode,
    /// The bytes of the body.
    pub body: Arc<[u8]>,
}

impl HttpConnector for Response {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let body = SdkBody::from(self.body.to_vec());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(self.status, body)))
    }
}

impl Response {
    /// The regions that it enables as one of `ListRegions`.
    pub async fn account_regions(&self) -> Result<Vec<String>, AwsError> {
        self.aws().account_regions(&Caller::Own).await
    }

    /// Assumes the caller's role with it as one of `AssumeRole`.
    pub async fn assume_role(&self, caller: &Caller) -> Result<(), AwsError> {
        self.aws().ensure_credentials(caller).await
    }

    fn aws(&self) -> Aws {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "scripted");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::disabled())
            .build();
        Aws::new(config, Limits::default(), Arc::new(NoMetrics))
    }
}

//! The SDK's clients: credentials, endpoints, deadlines, limits.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};

use super::credentials::{CredentialStore, SIGV4};
use super::error::{Advice, AwsError, IdentityKind};
use super::metrics::{AwsMetrics, NoMetrics};
use super::metrics_interceptor::MetricsInterceptor;
use super::response_body::{BodyBudget, BodyLimit};
use super::retry::RetryAfterClassifier;
use crate::api::ErrorCode;
use crate::aws::identity::Caller;
use crate::bedrock::region::partition_of;

/// How long one attempt of a call may take; the SDK retries transient errors.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts of one call, the first included.
const ATTEMPTS: u32 = 3;

/// What discovery may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time for all responses of a region.
    pub region_timeout: Duration,
    /// How many regions are fetched at once.
    pub concurrent_regions: usize,
    /// How many requests an identity makes in a region per second; the SDK's own retries are not
    /// counted.
    pub requests_per_second: NonZeroU32,
}

/// AWS does not document the rate at which it throttles these calls. A refresh of a region takes
/// three, so this is far more than a few resources need, and little next to what a console sends.
const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();

impl Default for Limits {
    fn default() -> Self {
        Self {
            region_timeout: Duration::from_secs(20),
            concurrent_regions: 64,
            requests_per_second: REQUESTS_PER_SECOND,
        }
    }
}

/// Access to AWS with the credentials that the SDK's default chain finds, and with roles assumed
/// from there.
pub struct Aws {
    config: SdkConfig,
    limits: Limits,
    metrics: Arc<dyn AwsMetrics>,
    credentials: Arc<CredentialStore>,
    body_budget: BodyBudget,
}

/// No certificate authority is trusted, so that no server can prove to be AWS.
#[derive(Debug, thiserror::Error)]
#[error(
    "AWS cannot be called: no certificate authority is known{0}; install the system's (package ca-certificates), or name a file with them in SSL_CERT_FILE"
)]
pub struct NoCertificatesError(String);

impl Aws {
    /// Reads the SDK's standard configuration (environment, profile, web identity, container
    /// credentials). The first call loads credentials.
    pub async fn load(limits: Limits) -> Result<Self, NoCertificatesError> {
        check_certificates()?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(limits.region_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Ok(name) = AppName::new(env!("CARGO_PKG_NAME")) {
            loader = loader.app_name(name);
        }
        Ok(Self::new(loader.load().await, limits, Arc::new(NoMetrics)))
    }

    pub(super) fn new(config: SdkConfig, limits: Limits, metrics: Arc<dyn AwsMetrics>) -> Self {
        let timeout = limits.region_timeout;
        let credentials = CredentialStore::new(config.clone(), timeout, Arc::clone(&metrics));
        Self {
            credentials: Arc::new(credentials),
            config,
            limits,
            metrics,
            body_budget: BodyBudget::default(),
        }
    }

    /// Measures the calls.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<dyn AwsMetrics>) -> Self {
        Self::new(self.config, self.limits, metrics)
    }

    pub(super) fn metrics(&self) -> &Arc<dyn AwsMetrics> {
        &self.metrics
    }

    pub(super) fn body_budget(&self) -> &BodyBudget {
        &self.body_budget
    }

    /// What discovery may cost.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Fetches the caller's credentials unless they are cached, once for all callers that wait. Without
    /// this their error would come out of the SDK once for each request.
    pub(super) async fn ensure_credentials(&self, caller: &Caller) -> Result<(), AwsError> {
        self.credentials.get(caller).await.map(|_| ())
    }

    /// Passes the result on. Credentials that AWS rejected are fetched again next time.
    pub(super) async fn invalidate_on_rejection<T>(
        &self,
        caller: &Caller,
        result: Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let is_rejected = |error: &AwsError| error.code() == ErrorCode::InvalidCredentials;
        if result.as_ref().is_err_and(is_rejected) {
            self.credentials.invalidate(caller).await;
        }
        result
    }

    /// Refuses a region of another partition than the identity's, before a request with its session
    /// token is signed for that partition's hosts.
    pub(super) fn check_partition(&self, caller: &Caller, region: &str) -> Result<(), AwsError> {
        let partition = partition_of(region);
        let (identity_partition, identity) = match caller {
            Caller::Own => (
                partition_of(self.home_region().unwrap_or_default()),
                IdentityKind::Own,
            ),
            Caller::Session { role, .. } => (role.arn.partition(), IdentityKind::Role),
        };
        if partition == identity_partition {
            return Ok(());
        }
        Err(AwsError::new(
            ErrorCode::InvalidSpec,
            format!(
                "{region} is in partition {partition}, the AWS identity in {identity_partition}"
            ),
            Advice::UsePartition {
                partition,
                identity,
            },
        ))
    }

    /// The region that the environment names, if any.
    pub(super) fn home_region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    pub(super) fn bedrock(&self, caller: &Caller, region: &str) -> aws_sdk_bedrock::Client {
        let config = aws_sdk_bedrock::config::Builder::from(&self.config_of(caller, region))
            .auth_scheme_preference([SIGV4])
            .interceptor(BodyLimit)
            .interceptor(MetricsInterceptor(Arc::clone(&self.metrics)))
            .retry_classifier(RetryAfterClassifier)
            .build();
        aws_sdk_bedrock::Client::from_conf(config)
    }

    pub(super) fn account(&self, caller: &Caller, region: &str) -> aws_sdk_account::Client {
        let config = aws_sdk_account::config::Builder::from(&self.config_of(caller, region))
            .auth_scheme_preference([SIGV4])
            .interceptor(BodyLimit)
            .interceptor(MetricsInterceptor(Arc::clone(&self.metrics)))
            .retry_classifier(RetryAfterClassifier)
            .build();
        aws_sdk_account::Client::from_conf(config)
    }

    fn config_of(&self, caller: &Caller, region: &str) -> SdkConfig {
        let config = self.config.clone().into_builder();
        config
            .region(Region::new(region.to_owned()))
            .credentials_provider(self.credentials.provider(caller))
            // The store caches them.
            .identity_cache(IdentityCache::no_cache())
            .build()
    }
}

/// Checked here because the SDK panics without certificates.
fn check_certificates() -> Result<(), NoCertificatesError> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(());
    }
    Err(NoCertificatesError(
        found
            .errors
            .iter()
            .fold(String::new(), |text, error| format!("{text} ({error})")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::identity::{Identity, Role};

    #[test]
    fn region_of_another_partition_is_refused() {
        let aws = |home: Option<&'static str>| {
            let config = SdkConfig::builder().region(home.map(Region::new)).build();
            Aws::new(config, Limits::default(), Arc::new(NoMetrics))
        };
        let role = |partition: &str| {
            let arn = format!("arn:{partition}:iam::123456789012:role/reader");
            let role = Role {
                arn: arn.parse().unwrap(),
                external_id: None,
            };
            Caller::from_resource(&Identity::Role(role.into()), "team-a", "claude")
        };
        let cases = [
            (None, Caller::Own, "eu-central-1", true),
            (None, Caller::Own, "cn-north-1", false),
            (Some("cn-north-1"), Caller::Own, "cn-northwest-1", true),
            (Some("cn-north-1"), Caller::Own, "us-east-1", false),
            (Some("us-east-1"), Caller::Own, "us-gov-west-1", false),
            (Some("us-east-1"), role("aws-cn"), "cn-north-1", true),
            (Some("cn-north-1"), role("aws"), "cn-north-1", false),
        ];
        for (home, caller, region, is_allowed) in cases {
            let checked = aws(home).check_partition(&caller, region);
            assert_eq!(checked.is_ok(), is_allowed, "{home:?} {caller:?} {region}");
            assert!(checked.is_err_and(|e| e.code() == ErrorCode::InvalidSpec) != is_allowed);
        }
    }
}

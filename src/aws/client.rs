//! How AWS is reached: credentials, endpoints, deadlines.

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
use crate::api::ErrorCode;
use crate::aws::identity::{Caller, partition_of};

/// How long one attempt of a call may take; the SDK tries again up to twice, for what may pass.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);
/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts of one call, the first included.
const ATTEMPTS: u32 = 3;

/// What a region may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a region may take to answer in all.
    pub region_timeout: Duration,
    /// How many regions are asked at once.
    pub concurrent_regions: usize,
    /// How many requests a second an identity makes in a region; the SDK's own retries are not
    /// counted.
    pub requests_per_second: NonZeroU32,
}

/// AWS does not document at which rate it throttles these calls. A look at a region takes three, so
/// that this is far more than a few resources need, and little beside what a console makes.
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

/// Access to AWS: with the operator's own credentials, as the SDK's default chain finds them, and with the roles that it
/// assumes.
pub struct Aws {
    config: SdkConfig,
    limits: Limits,
    observer: Arc<dyn AwsMetrics>,
    credentials: Arc<CredentialStore>,
}

/// There is no certificate authority to trust: whoever answers cannot be told from AWS.
#[derive(Debug, thiserror::Error)]
#[error(
    "AWS cannot be asked: no certificate authority is known{0}; install the system's (package ca-certificates), or name a file with them in SSL_CERT_FILE"
)]
pub struct NoCertificates(String);

impl Aws {
    /// Reads the SDK's standard configuration (environment, profile, web identity, container
    /// credentials). Credentials are looked for at the first call.
    pub async fn load(limits: Limits) -> Result<Self, NoCertificates> {
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
        Ok(Self::of(loader.load().await, limits, Arc::new(NoMetrics)))
    }

    fn of(config: SdkConfig, limits: Limits, observer: Arc<dyn AwsMetrics>) -> Self {
        let timeout = limits.region_timeout;
        let credentials = CredentialStore::new(config.clone(), timeout, Arc::clone(&observer));
        Self {
            credentials: Arc::new(credentials),
            config,
            limits,
            observer,
        }
    }

    /// Tells the observer what is asked.
    #[must_use]
    pub fn with_metrics(self, observer: Arc<dyn AwsMetrics>) -> Self {
        Self::of(self.config, self.limits, observer)
    }

    pub(super) fn observer(&self) -> &Arc<dyn AwsMetrics> {
        &self.observer
    }

    /// What a region may cost.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sees that the caller has credentials: why it has none is told by itself, and once for all that wait for them.
    pub(super) async fn ensure_credentials(&self, caller: &Caller) -> Result<(), AwsError> {
        self.credentials.get(caller).await.map(|_| ())
    }

    /// Passes the answer on. Credentials that AWS did not accept are fetched anew the next time.
    pub(super) async fn invalidate_on_rejection<T>(
        &self,
        caller: &Caller,
        answer: Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let is_rejected = |error: &AwsError| error.code() == ErrorCode::InvalidCredentials;
        if answer.as_ref().is_err_and(is_rejected) {
            self.credentials.invalidate(caller).await;
        }
        answer
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

    /// The region that the environment names for the operator itself, if any.
    pub(super) fn home_region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    pub(super) fn bedrock(&self, caller: &Caller, region: &str) -> aws_sdk_bedrock::Client {
        let config = aws_sdk_bedrock::config::Builder::from(&self.config_of(caller, region))
            .auth_scheme_preference([SIGV4])
            .interceptor(MetricsInterceptor(Arc::clone(&self.observer)))
            .build();
        aws_sdk_bedrock::Client::from_conf(config)
    }

    pub(super) fn account(&self, caller: &Caller, region: &str) -> aws_sdk_account::Client {
        let config = aws_sdk_account::config::Builder::from(&self.config_of(caller, region))
            .auth_scheme_preference([SIGV4])
            .interceptor(MetricsInterceptor(Arc::clone(&self.observer)))
            .build();
        aws_sdk_account::Client::from_conf(config)
    }

    fn config_of(&self, caller: &Caller, region: &str) -> SdkConfig {
        let config = self.config.clone().into_builder();
        config
            .region(Region::new(region.to_owned()))
            .credentials_provider(self.credentials.provider(caller))
            // The store keeps them.
            .identity_cache(IdentityCache::no_cache())
            .build()
    }
}

/// The SDK panics where there is none.
fn check_certificates() -> Result<(), NoCertificates> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(());
    }
    let why = found.errors.iter().map(|error| format!(" ({error})"));
    Err(NoCertificates(why.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::identity::{Identity, Role, RoleArn};

    #[test]
    fn region_of_another_partition_is_refused() {
        let aws = |home: Option<&'static str>| {
            let config = SdkConfig::builder().region(home.map(Region::new)).build();
            Aws::of(config, Limits::default(), Arc::new(NoMetrics))
        };
        let role = |partition: &str| {
            let arn = format!("arn:{partition}:iam::123456789012:role/reader");
            let role = Role {
                arn: RoleArn::parse(&arn).unwrap(),
                external_id: None,
            };
            Caller::of_resource(&Identity::Role(role.into()), "team-a", "claude")
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

//! How AWS is reached: credentials, endpoints, deadlines.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};

use super::meter::Meter;
use super::observer::{Nobody, Observer};

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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            region_timeout: Duration::from_secs(20),
            concurrent_regions: 64,
        }
    }
}

/// Access to AWS with the operator's own credentials, as the SDK's default chain finds them.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    limits: Limits,
    observer: Arc<dyn Observer>,
}

impl Aws {
    /// Reads the SDK's standard configuration (environment, profile, web identity, container
    /// credentials). Does not fail: credentials are looked for at the first call.
    pub async fn load(limits: Limits) -> Self {
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
        Self {
            config: loader.load().await,
            limits,
            observer: Arc::new(Nobody),
        }
    }

    /// Tells the observer what is asked.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    pub(super) fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    /// What a region may cost.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The region that the environment names for the operator itself, if any.
    pub(super) fn home_region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    pub(super) fn bedrock(&self, region: &str) -> aws_sdk_bedrock::Client {
        let config = aws_sdk_bedrock::config::Builder::from(&self.config)
            .region(Region::new(region.to_owned()))
            .interceptor(Meter(Arc::clone(&self.observer)))
            .build();
        aws_sdk_bedrock::Client::from_conf(config)
    }

    pub(super) fn account(&self, region: &'static str) -> aws_sdk_account::Client {
        let config = aws_sdk_account::config::Builder::from(&self.config)
            .region(Region::from_static(region))
            .interceptor(Meter(Arc::clone(&self.observer)))
            .build();
        aws_sdk_account::Client::from_conf(config)
    }
}

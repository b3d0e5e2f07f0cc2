//! The credentials of every caller, cached until shortly before they expire.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use moka::Expiry;
use moka::future::Cache;

use super::api_call::{ApiCall, CredentialsUnavailableError};
use super::credentials_error::{
    ASSUME_ROLE, assume_role_error, own_credentials_error, timeout_error,
};
use super::error::AwsError;
use super::metrics::AwsMetrics;
use super::metrics_interceptor::MetricsInterceptor;
use super::response_body::BodyLimit;
use super::retry::RetryAfterClassifier;
use crate::api::ErrorCode;
use crate::aws::identity::{Caller, ExternalId, Role, sts_region};

/// Callers whose credentials are cached; beyond, those of the least used callers are dropped.
const MAX_CACHED: u64 = 1024;
/// How long credentials are cached that do not expire: the file or variable that they come from may
/// change.
const UNDATED: Duration = Duration::from_mins(15);
/// How long before their expiry credentials are renewed: longer than a request may take.
const MARGIN: Duration = Duration::from_mins(1);

/// AWS Signature Version 4. It is named for every client because the SDK otherwise prefers the
/// Bedrock API key in `AWS_BEARER_TOKEN_BEDROCK` to the credentials that the client is given
/// (`aws-sdk-bedrock`, `impl From<&SdkConfig> for Builder`): the response of the key's account would
/// be published for the role that a resource names.
pub(super) const SIGV4: AuthSchemeId = AuthSchemeId::new("sigv4");

/// Fetches and caches credentials.
pub(super) struct CredentialStore {
    config: SdkConfig,
    timeout: Duration,
    metrics: Arc<dyn AwsMetrics>,
    cache: Cache<Caller, Credentials>,
}

impl CredentialStore {
    pub(super) fn new(config: SdkConfig, timeout: Duration, metrics: Arc<dyn AwsMetrics>) -> Self {
        Self {
            config,
            timeout,
            metrics,
            cache: Cache::builder()
                .max_capacity(MAX_CACHED)
                .expire_after(UntilRenewal)
                .build(),
        }
    }

    /// The caller's credentials, valid for the next request. Concurrent fetches for a caller coalesce.
    pub(super) async fn get(&self, caller: &Caller) -> Result<Credentials, AwsError> {
        match caller {
            Caller::Own => self.own().await,
            Caller::Session { role, name } => {
                let fetch = Box::pin(self.assume(role, name));
                self.cache
                    .try_get_with_by_ref(caller, fetch)
                    .await
                    .map_err(Arc::unwrap_or_clone)
            }
        }
    }

    /// Drops credentials that AWS rejects.
    pub(super) async fn invalidate(&self, caller: &Caller) {
        self.cache.invalidate(caller).await;
    }

    /// The caller's credentials for the SDK's clients.
    pub(super) fn provider(self: &Arc<Self>, caller: &Caller) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Provider {
            store: Arc::clone(self),
            caller: caller.clone(),
        })
    }

    async fn own(&self) -> Result<Credentials, AwsError> {
        self.cache
            .try_get_with_by_ref(&Caller::Own, Box::pin(self.find()))
            .await
            .map_err(Arc::unwrap_or_clone)
    }

    async fn find(&self) -> Result<Credentials, AwsError> {
        let home_region = self.home_region().unwrap_or_default();
        let Some(provider) = self.config.credentials_provider() else {
            let none = CredentialsError::not_loaded("no provider is configured");
            return Err(own_credentials_error(&none, home_region));
        };
        tokio::time::timeout(self.timeout, provider.provide_credentials())
            .await
            .map_err(|_| timeout_error(self.timeout))?
            .map_err(|error| own_credentials_error(&error, home_region))
    }

    async fn assume(&self, role: &Role, session: &str) -> Result<Credentials, AwsError> {
        let own = self.own().await?;
        let region = sts_region(role.arn.partition(), self.home_region());
        let external_id = role.external_id.as_ref().map(ExternalId::reveal);
        let request = self
            .sts(own, &region)
            .assume_role()
            .role_arn(role.arn.as_str())
            .role_session_name(session)
            .set_external_id(external_id.map(str::to_owned));
        let assumed = tokio::time::timeout(self.timeout, request.send())
            .await
            .map_err(|_| {
                let call = ApiCall {
                    action: ASSUME_ROLE,
                    region: &region,
                };
                call.timeout_after(self.timeout)
            })?
            .map_err(|error| assume_role_error(&error, role, session, &region))
            .and_then(|response| session_credentials(response.credentials, &region));
        let is_rejected = |error: &AwsError| error.code() == ErrorCode::InvalidCredentials;
        if assumed.as_ref().is_err_and(is_rejected) {
            self.invalidate(&Caller::Own).await;
        }
        assumed
    }

    fn sts(&self, own: Credentials, region: &str) -> aws_sdk_sts::Client {
        let config = self.config.clone().into_builder();
        let config = config
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(own))
            .identity_cache(IdentityCache::no_cache())
            .build();
        let config = aws_sdk_sts::config::Builder::from(&config)
            .auth_scheme_preference([SIGV4])
            .interceptor(BodyLimit)
            .interceptor(MetricsInterceptor(Arc::clone(&self.metrics)))
            .retry_classifier(RetryAfterClassifier)
            .build();
        aws_sdk_sts::Client::from_conf(config)
    }

    fn home_region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }
}

fn session_credentials(
    given: Option<aws_sdk_sts::types::Credentials>,
    region: &str,
) -> Result<Credentials, AwsError> {
    let call = ApiCall {
        action: ASSUME_ROLE,
        region,
    };
    let given = given.ok_or_else(|| call.malformed("it has no credentials"))?;
    let expires_at = SystemTime::try_from(given.expiration);
    let expires_at = expires_at.map_err(|error| call.malformed(&error.to_string()))?;
    Ok(Credentials::new(
        given.access_key_id,
        given.secret_access_key,
        Some(given.session_token),
        Some(expires_at),
        "AssumeRole",
    ))
}

/// A caller's credentials, loaded for each request: they may expire between two pages of a list.
struct Provider {
    store: Arc<CredentialStore>,
    caller: Caller,
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Provider");
        shown.field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.store.get(&self.caller).await;
            credentials.map_err(|error| {
                CredentialsError::provider_error(CredentialsUnavailableError(error))
            })
        })
    }
}

struct UntilRenewal;

impl Expiry<Caller, Credentials> for UntilRenewal {
    fn expire_after_create(
        &self,
        _: &Caller,
        credentials: &Credentials,
        _: Instant,
    ) -> Option<Duration> {
        Some(usable_for(credentials.expiry(), SystemTime::now()))
    }

    fn expire_after_update(
        &self,
        _: &Caller,
        credentials: &Credentials,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(usable_for(credentials.expiry(), SystemTime::now()))
    }
}

/// How long credentials are used: until [`MARGIN`] before their expiry, or for half of their time if
/// that is shorter.
fn usable_for(expires_at: Option<SystemTime>, now: SystemTime) -> Duration {
    let Some(expires_at) = expires_at else {
        return UNDATED;
    };
    let remaining = expires_at.duration_since(now).unwrap_or_default();
    remaining.saturating_sub(MARGIN.min(remaining / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::identity::Identity;
    use crate::aws::test_support::{aws_at, server_of};

    #[tokio::test]
    async fn too_large_response_of_sts_is_not_read() {
        let role = Role {
            arn: "arn:aws:iam::123456789012:role/reader".parse().unwrap(),
            external_id: None,
        };
        let caller = Caller::from_resource(&Identity::Role(role.into()), "team-a", "claude");
        let aws = aws_at(&server_of(" ".repeat(17 << 20)).await);
        let error = aws.ensure_credentials(&caller).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::AnswerTooLarge, "{error}");
    }

    #[test]
    fn credentials_are_renewed_before_they_expire() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(100);
        let seconds = |expires_in: Duration| usable_for(Some(now + expires_in), now).as_secs();
        assert_eq!(seconds(Duration::from_hours(1)), 59 * 60);
        assert_eq!(seconds(Duration::from_mins(15)), 14 * 60);
        assert_eq!(seconds(Duration::from_mins(2)), 60);
        assert_eq!(seconds(Duration::from_secs(20)), 10);
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(
            usable_for(Some(now - Duration::from_secs(1)), now),
            Duration::ZERO
        );
        assert_eq!(usable_for(None, now), UNDATED);
    }
}

//! What one region answers: its foundation models and both kinds of inference profiles.

use std::collections::HashSet;
use std::error::Error;
use std::time::{Duration, Instant};

use aws_sdk_bedrock::Client;
use aws_sdk_bedrock::types::InferenceProfileType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;

use super::api_call::ApiCall;
use super::client::Aws;
use super::error::AwsError;
use super::rate_limit::RequestBudget;
use super::raw_response::RawResponse;
use crate::aws::identity::Caller;
use crate::bedrock::catalog::{FoundationModel, InferenceProfile, Snapshot};
use crate::bedrock::response;

/// Items of a page: as many as the API gives.
const PAGE_SIZE: i32 = 1000;
/// Pages of one list: short and empty ones come with tokens, so there are more than items demand;
/// the quota of 1,000 application profiles fits in one.
const MAX_PAGES: usize = 100;
/// All pages of one list together: the largest real answer has some 200 KB.
const MAX_LIST_BYTES: usize = 32 * 1024 * 1024;

const LIST_MODELS: &str = "bedrock:ListFoundationModels";
const LIST_PROFILES: &str = "bedrock:ListInferenceProfiles";

impl Aws {
    /// Asks a region for its models and profiles, all lists at once, within the time allowed. What is
    /// spent waiting for the pace is not counted.
    pub(super) async fn discover(
        &self,
        caller: &Caller,
        region: &str,
        within: Duration,
        pace: &RequestBudget,
    ) -> Result<Snapshot, AwsError> {
        let taken_at = Timestamp::now();
        let client = self.bedrock(caller, region);
        let asking = |action| ListRequest {
            call: ApiCall { action, region },
            client: &client,
            pace,
            deadline: Instant::now() + within,
            timeout: self.limits().region_timeout,
        };
        let lists = tokio::try_join!(
            asking(LIST_MODELS).models(),
            asking(LIST_PROFILES).profiles(InferenceProfileType::SystemDefined),
            asking(LIST_PROFILES).profiles(InferenceProfileType::Application),
        );
        let (models, system_defined, application) =
            self.invalidate_on_rejection(caller, lists).await?;
        let mut profiles = system_defined.items;
        profiles.extend(application.items);
        Ok(Snapshot {
            bytes: models.bytes + system_defined.bytes + application.bytes,
            models: models.items,
            profiles,
            taken_at,
        })
    }
}

/// One list being asked for.
struct ListRequest<'a> {
    call: ApiCall<'a>,
    client: &'a Client,
    pace: &'a RequestBudget,
    deadline: Instant,
    /// What the deadline came from, for people.
    timeout: Duration,
}

/// A list that was read to its end.
struct ListResponse<T> {
    items: Vec<T>,
    bytes: usize,
}

impl ListRequest<'_> {
    /// `ListFoundationModels` has no pages.
    async fn models(self) -> Result<ListResponse<FoundationModel>, AwsError> {
        let raw = RawResponse::default();
        let request = self.client.list_foundation_models().customize();
        self.answered(request.interceptor(raw.clone()).send())
            .await?;
        let body = raw.take();
        let items = response::models(&body);
        Ok(ListResponse {
            items: items.map_err(|error| self.call.malformed(&error.to_string()))?,
            bytes: body.len(),
        })
    }

    async fn profiles(
        mut self,
        profile_type: InferenceProfileType,
    ) -> Result<ListResponse<InferenceProfile>, AwsError> {
        let call = self.call;
        let mut listed = ListResponse {
            items: Vec::new(),
            bytes: 0,
        };
        let mut next_token: Option<String> = None;
        let mut tokens = HashSet::new();
        for _ in 0..MAX_PAGES {
            if next_token.is_some() {
                self.deadline += self.pace.one_more().await;
            }
            let raw = RawResponse::default();
            let request = self
                .client
                .list_inference_profiles()
                .type_equals(profile_type.clone())
                .max_results(PAGE_SIZE)
                .set_next_token(next_token)
                .customize();
            self.answered(request.interceptor(raw.clone()).send())
                .await?;
            let body = raw.take();
            let page = response::profiles_page(&body);
            let page = page.map_err(|error| call.malformed(&error.to_string()))?;
            listed.bytes += body.len();
            listed.items.extend(page.profiles);
            if listed.bytes > MAX_LIST_BYTES {
                return Err(call.too_large());
            }
            let Some(token) = page.next_token else {
                return Ok(listed);
            };
            if !tokens.insert(token.clone()) {
                return Err(call.endless_pagination("a page leads back to an earlier one"));
            }
            next_token = Some(token);
        }
        Err(call.endless_pagination(&format!("the list has more than {MAX_PAGES} pages")))
    }

    /// Waits for an answer until the deadline; what it says is in the raw one.
    async fn answered<T, E>(
        &self,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<(), AwsError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match tokio::time::timeout_at(self.deadline.into(), request).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.call.classify(&error)),
            Err(_) => Err(self.call.timeout_after(self.timeout)),
        }
    }
}

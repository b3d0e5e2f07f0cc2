//! The calls that discover a region: its foundation models and both types of inference profiles.

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
use super::error::{AwsError, reason};
use super::rate_limit::{MAX_WAIT, RequestBudget, wait_for_turn};
use super::response_body::{BodyBudget, RawResponse};
use crate::aws::identity::Caller;
use crate::bedrock::catalog::{PackedSnapshot, Snapshot};
use crate::bedrock::model::ModelSummary;
use crate::bedrock::profile::ProfileSummary;
use crate::bedrock::response;

/// Items of a page: the API's maximum.
const PAGE_SIZE: i32 = 1000;
/// Pages of one list. The quota of 1,000 application profiles fits in one, but the API may return
/// short and empty pages.
const MAX_PAGES: usize = 100;
/// The bytes of all pages of one list: the largest real response has some 200 KB.
const MAX_LIST_BYTES: usize = 8 * 1024 * 1024;

const LIST_MODELS: &str = "bedrock:ListFoundationModels";
const LIST_PROFILES: &str = "bedrock:ListInferenceProfiles";

impl Aws {
    /// Fetches a region's models and profiles, all lists at once, within the timeout. Time spent waiting
    /// for the rate limiter does not count.
    pub(super) async fn discover(
        &self,
        caller: &Caller,
        region: &str,
        timeout: Duration,
        budget: &RequestBudget,
    ) -> Result<PackedSnapshot, AwsError> {
        let taken_at = Timestamp::now();
        let client = self.bedrock(caller, region);
        let list = |action| ListRequest {
            call: ApiCall { action, region },
            client: &client,
            budget,
            body_budget: self.body_budget(),
            deadline: Instant::now() + timeout,
            timeout: self.limits().region_timeout,
        };
        let lists = tokio::try_join!(
            list(LIST_MODELS).models(),
            list(LIST_PROFILES).profiles(InferenceProfileType::SystemDefined),
            list(LIST_PROFILES).profiles(InferenceProfileType::Application),
        );
        let (models, system_defined, application) =
            self.invalidate_on_rejection(caller, lists).await?;
        let snapshot = Snapshot {
            models,
            profiles: [system_defined, application].concat(),
            taken_at,
        };
        PackedSnapshot::new(&snapshot).map_err(|error| {
            list(LIST_MODELS)
                .call
                .malformed(&reason(&error.to_string()))
        })
    }
}

struct ListRequest<'a> {
    call: ApiCall<'a>,
    client: &'a Client,
    budget: &'a RequestBudget,
    body_budget: &'a BodyBudget,
    deadline: Instant,
    /// For the error's text; the deadline moves with the rate limiter.
    timeout: Duration,
}

impl ListRequest<'_> {
    /// `ListFoundationModels` has no pages.
    async fn models(self) -> Result<Vec<ModelSummary>, AwsError> {
        let raw = RawResponse::new(self.body_budget);
        let request = self.client.list_foundation_models().customize();
        self.send(request.interceptor(raw.clone()).send()).await?;
        response::models(&raw.take().bytes)
            .map_err(|error| self.call.malformed(&reason(&error.to_string())))
    }

    async fn profiles(
        mut self,
        profile_type: InferenceProfileType,
    ) -> Result<Vec<ProfileSummary<'static>>, AwsError> {
        let call = self.call;
        let (mut profiles, mut bytes) = (Vec::new(), 0);
        let mut next_token: Option<String> = None;
        let mut tokens = HashSet::new();
        for _ in 0..MAX_PAGES {
            if next_token.is_some() {
                let turn = self.budget.acquire_one();
                self.deadline += wait_for_turn(call.region, MAX_WAIT, turn).await?;
            }
            let raw = RawResponse::new(self.body_budget);
            let request = self
                .client
                .list_inference_profiles()
                .type_equals(profile_type.clone())
                .max_results(PAGE_SIZE)
                .set_next_token(next_token)
                .customize();
            self.send(request.interceptor(raw.clone()).send()).await?;
            let body = raw.take();
            let page = response::profiles_page(&body.bytes)
                .map_err(|error| call.malformed(&reason(&error.to_string())))?;
            bytes += body.bytes.len();
            profiles.extend(page.profiles);
            if bytes > MAX_LIST_BYTES {
                return Err(call.too_large());
            }
            let Some(token) = page.next_token else {
                return Ok(profiles);
            };
            if !tokens.insert(token.clone()) {
                return Err(call.endless_pagination("a page leads back to an earlier one"));
            }
            next_token = Some(token);
        }
        Err(call.endless_pagination(&format!("the list has more than {MAX_PAGES} pages")))
    }

    /// Sends a request and waits until the deadline; the response is in its interceptor.
    async fn send<T, E>(
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

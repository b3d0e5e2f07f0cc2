//! What one region answers: its foundation models and both kinds of inference profiles.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_bedrock::Client;
use aws_sdk_bedrock::types::InferenceProfileType;
use jiff::Timestamp;

use super::classify::Call;
use super::client::Aws;
use super::raw_answer::RawAnswer;
use crate::api::{AttemptError, ErrorCode};
use crate::core::answer;
use crate::core::catalog::{FoundationModel, InferenceProfile, Snapshot};
use crate::core::identity::Caller;

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
    /// Asks a region for its models and profiles, all lists at once, within the time allowed.
    pub(super) async fn discover(
        &self,
        caller: &Caller,
        region: &str,
        within: Duration,
    ) -> Result<Snapshot, AttemptError> {
        let taken_at = Timestamp::now();
        let client = self.bedrock(caller, region);
        let lists = async {
            tokio::try_join!(
                models(&client, region),
                profiles(&client, region, InferenceProfileType::SystemDefined),
                profiles(&client, region, InferenceProfileType::Application),
            )
        };
        let lists = tokio::time::timeout(within, lists).await;
        let lists = lists.unwrap_or_else(|_| {
            let what = format!(
                "no answer within {} s; the region is asked again later",
                self.limits().region_timeout.as_secs()
            );
            let action = LIST_MODELS;
            Err(Call { action, region }.error(ErrorCode::Timeout, &what))
        });
        let (models, system_defined, application) = self.heeded(caller, lists).await?;
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

/// A list that was read to its end.
struct Listed<T> {
    items: Vec<T>,
    bytes: usize,
}

/// `ListFoundationModels` has no pages.
async fn models(client: &Client, region: &str) -> Result<Listed<FoundationModel>, AttemptError> {
    let call = Call {
        action: LIST_MODELS,
        region,
    };
    let raw = RawAnswer::default();
    let request = client
        .list_foundation_models()
        .customize()
        .interceptor(raw.clone());
    request
        .send()
        .await
        .map_err(|error| call.classify(&error))?;
    let body = raw.take();
    let items = answer::models(&body).map_err(|error| call.malformed(&error.to_string()))?;
    Ok(Listed {
        items,
        bytes: body.len(),
    })
}

async fn profiles(
    client: &Client,
    region: &str,
    profile_type: InferenceProfileType,
) -> Result<Listed<InferenceProfile>, AttemptError> {
    let call = Call {
        action: LIST_PROFILES,
        region,
    };
    let mut listed = Listed {
        items: Vec::new(),
        bytes: 0,
    };
    let mut next_token = None;
    let mut tokens = HashSet::new();
    for _ in 0..MAX_PAGES {
        let raw = RawAnswer::default();
        let request = client
            .list_inference_profiles()
            .type_equals(profile_type.clone())
            .max_results(PAGE_SIZE)
            .set_next_token(next_token)
            .customize()
            .interceptor(raw.clone());
        request
            .send()
            .await
            .map_err(|error| call.classify(&error))?;
        let body = raw.take();
        let page = answer::profiles_page(&body);
        let page = page.map_err(|error| call.malformed(&error.to_string()))?;
        listed.bytes += body.len();
        listed.items.extend(page.profiles);
        if listed.bytes > MAX_LIST_BYTES {
            let what = format!("the pages have more than {MAX_LIST_BYTES} bytes in all");
            return Err(call.error(ErrorCode::AnswerTooLarge, &what));
        }
        let Some(token) = page.next_token else {
            return Ok(listed);
        };
        if !tokens.insert(token.clone()) {
            return Err(call.error(
                ErrorCode::EndlessPagination,
                "a page leads back to an earlier one",
            ));
        }
        next_token = Some(token);
    }
    let what = format!("there are more than {MAX_PAGES} pages");
    Err(call.error(ErrorCode::EndlessPagination, &what))
}

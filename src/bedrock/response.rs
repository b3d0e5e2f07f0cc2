//! Bedrock's responses, parsed from their bytes.

use serde_json::{Map, Value};

use crate::bedrock::ItemError;
use crate::bedrock::model::ModelSummary;
use crate::bedrock::profile::ProfileSummary;

/// A response that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The body is not a JSON object.
    #[error("the response is not a JSON object: {0}")]
    NoJson(serde_json::Error),
    /// The list is missing, which is not the same as an empty list.
    #[error("the response has no list {0}")]
    NoList(&'static str),
    /// An item of the list cannot be used.
    #[error(transparent)]
    Item(#[from] ItemError),
}

/// A page of `ListInferenceProfiles`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfilesPage {
    /// In the order of the response.
    pub profiles: Vec<ProfileSummary<'static>>,
    /// The token of the next page; None on the last page.
    pub next_token: Option<String>,
}

/// Parses a response of `ListFoundationModels`, which has no pages.
pub fn models(body: &[u8]) -> Result<Vec<ModelSummary>, ResponseError> {
    let mut response: Map<String, Value> =
        serde_json::from_slice(body).map_err(ResponseError::NoJson)?;
    let models = list(&mut response, ModelSummary::LIST)?
        .into_iter()
        .enumerate()
        .map(|(index, item)| ModelSummary::from_response(index, item))
        .collect::<Result<_, _>>()?;
    Ok(models)
}

/// Parses a response of `ListInferenceProfiles`.
pub fn profiles_page(body: &[u8]) -> Result<ProfilesPage, ResponseError> {
    let mut response: Map<String, Value> =
        serde_json::from_slice(body).map_err(ResponseError::NoJson)?;
    let profiles = list(&mut response, ProfileSummary::LIST)?
        .into_iter()
        .enumerate()
        .map(|(index, item)| ProfileSummary::from_response(index, item))
        .collect::<Result<_, _>>()?;
    Ok(ProfilesPage {
        profiles,
        next_token: match response.remove("nextToken") {
            Some(Value::String(token)) if !token.is_empty() => Some(token),
            Some(_) | None => None,
        },
    })
}

fn list(response: &mut Map<String, Value>, key: &'static str) -> Result<Vec<Value>, ResponseError> {
    match response.remove(key) {
        Some(Value::Array(items)) => Ok(items),
        Some(_) | None => Err(ResponseError::NoList(key)),
    }
}

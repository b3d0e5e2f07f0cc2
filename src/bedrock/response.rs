//! The answers of Bedrock, read from their bytes.

use serde_json::{Map, Value};

use crate::bedrock::ItemError;
use crate::bedrock::model::ModelSummary;
use crate::bedrock::profile::ProfileSummary;

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// It is no JSON, or no object.
    #[error("the answer is no JSON object: {0}")]
    NoJson(#[from] serde_json::Error),
    /// What was asked for is not in it. That is not an empty list.
    #[error("the answer has no list {0}")]
    NoList(&'static str),
    /// An item of the list cannot be used.
    #[error(transparent)]
    Item(#[from] ItemError),
}

/// A page of `ListInferenceProfiles`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfilesPage {
    /// In the order of the answer.
    pub profiles: Vec<ProfileSummary<'static>>,
    /// Leads to the next page; None: this is the last.
    pub next_token: Option<String>,
}

/// The models of an answer of `ListFoundationModels`, which has no pages.
pub fn models(body: &[u8]) -> Result<Vec<ModelSummary>, ResponseError> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body)?;
    let models = list(&mut answer, ModelSummary::LIST)?
        .into_iter()
        .enumerate()
        .map(|(index, item)| ModelSummary::from_response(index, item))
        .collect::<Result<_, _>>()?;
    Ok(models)
}

/// An answer of `ListInferenceProfiles`.
pub fn profiles_page(body: &[u8]) -> Result<ProfilesPage, ResponseError> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body)?;
    let profiles = list(&mut answer, ProfileSummary::LIST)?
        .into_iter()
        .enumerate()
        .map(|(index, item)| ProfileSummary::from_response(index, item))
        .collect::<Result<_, _>>()?;
    Ok(ProfilesPage {
        profiles,
        next_token: match answer.remove("nextToken") {
            Some(Value::String(token)) if !token.is_empty() => Some(token),
            Some(_) | None => None,
        },
    })
}

fn list(answer: &mut Map<String, Value>, key: &'static str) -> Result<Vec<Value>, ResponseError> {
    match answer.remove(key) {
        Some(Value::Array(items)) => Ok(items),
        Some(_) | None => Err(ResponseError::NoList(key)),
    }
}

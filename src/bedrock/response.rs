//! The answers of Bedrock, read from their bytes.

use serde_json::{Map, Value};

use crate::bedrock::catalog::{FoundationModel, InferenceProfile, ItemError};

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
    pub profiles: Vec<InferenceProfile>,
    /// Leads to the next page; None: this is the last.
    pub next_token: Option<String>,
}

/// The models of an answer of `ListFoundationModels`, which has no pages.
pub fn models(body: &[u8]) -> Result<Vec<FoundationModel>, ResponseError> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body)?;
    let items = list(&mut answer, FoundationModel::LIST)?.into_iter();
    let items = items.enumerate();
    let models = items.map(|(index, item)| FoundationModel::from_answer(index, item));
    Ok(models.collect::<Result<_, _>>()?)
}

/// An answer of `ListInferenceProfiles`.
pub fn profiles_page(body: &[u8]) -> Result<ProfilesPage, ResponseError> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body)?;
    let items = list(&mut answer, InferenceProfile::LIST)?.into_iter();
    let items = items.enumerate();
    let profiles = items.map(|(index, item)| InferenceProfile::from_answer(index, item));
    Ok(ProfilesPage {
        profiles: profiles.collect::<Result<_, _>>()?,
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

//! Whether the API server can read a label selector: it alone knows the grammar.

use kube::api::ListParams;
use kube::{Api, Client, Config};

use super::controller::Options;
use super::request::call;
use crate::api::BedrockModelMap;

/// Why there is nothing to watch.
#[derive(Debug, thiserror::Error)]
pub enum SelectorError {
    /// The client for the question cannot be made.
    #[error("no client for the cluster: {0}")]
    NoClient(#[from] kube::Error),
    /// It is none.
    #[error("--watch-label-selector {selector:?} cannot be read: {why}")]
    Unreadable {
        /// What was given.
        selector: String,
        /// What the API server says.
        why: String,
    },
}

/// Asks with the selector, if there is one. Any other trouble is the watch's to report, which tries
/// again.
pub async fn check_selector(config: &Config, options: &Options) -> Result<(), SelectorError> {
    let Some(selector) = &options.selector else {
        return Ok(());
    };
    let client = Client::try_from(config.clone())?;
    let api: Api<BedrockModelMap> = match options.namespaces.first() {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let params = ListParams::default().labels(selector).limit(1);
    match call(|| "cannot list".to_owned(), api.list_metadata(&params)).await {
        Err(error) if error.is_bad_request() => Err(SelectorError::Unreadable {
            selector: selector.clone(),
            why: error.to_string(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

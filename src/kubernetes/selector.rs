//! Check of the label selector by the API server, which defines the grammar.

use kube::api::ListParams;
use kube::{Api, Client, Config};

use super::controller::Options;
use super::request::call;
use crate::api::BedrockModelMap;

/// Error of the selector check.
#[derive(Debug, thiserror::Error)]
pub enum SelectorError {
    /// Invalid client configuration.
    #[error("cannot create a Kubernetes client: {0}")]
    Client(#[from] kube::Error),
    /// The API server rejects the selector.
    #[error("invalid --watch-label-selector {selector:?}: {reason}")]
    Invalid {
        /// The selector as given.
        selector: String,
        /// Message of the API server.
        reason: String,
    },
}

/// Lists one resource with the selector. The watch reports and retries all errors but a bad request.
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
        Err(error) if error.is_bad_request() => Err(SelectorError::Invalid {
            selector: selector.clone(),
            reason: error.to_string(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

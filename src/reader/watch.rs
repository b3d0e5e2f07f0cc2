//! A cluster's published mapping, each time it has changed.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::Client;
use kube::core::Status;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::cluster::{GetError, ProfileMapping, Reader};
use crate::api::{BedrockModelMap, BedrockModelMapStatus};
use crate::text::error_chain;

/// After this time a `ConfigMap` is read again that could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

type Event = Result<Option<BedrockModelMap>, watcher::Error>;

/// The mapping of a `BedrockModelMap`, each time another one is published.
///
/// Needs the rights to `get`, `list` and `watch` `bedrockmodelmaps` and to `get` `configmaps`.
pub struct MappingWatch {
    reader: Reader,
    events: BoxStream<'static, Event>,
    /// The hash of the mapping returned last.
    returned: Option<String>,
    /// What names a mapping that is still to be read.
    unread: Option<BedrockModelMapStatus>,
}

impl MappingWatch {
    /// Begins with the mapping after `known`; with the one published now if that is None.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        known: Option<&ProfileMapping>,
    ) -> Self {
        let reader = Reader::new(client, namespace, name);
        let events = watcher::watch_object(reader.resources.clone(), name);
        let known = known.and_then(|known| known.status.mapping.as_ref());
        Self {
            reader,
            events: events.default_backoff().boxed(),
            returned: known.map(|mapping| mapping.sha256.clone()),
            unread: None,
        }
    }

    /// Waits for the next mapping, however long that takes.
    ///
    /// An error ends nothing: called again, it goes on after a while, and with what was published
    /// meanwhile. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<ProfileMapping, GetError> {
        loop {
            self.wait().await?;
            let Some(status) = self.unread.clone() else {
                continue;
            };
            let Some(mapping) = status.mapping.as_ref().filter(|m| !m.sha256.is_empty()) else {
                self.unread = None;
                continue;
            };
            if self.returned.as_ref() == Some(&mapping.sha256) {
                self.unread = None;
                continue;
            }
            let published = self.reader.read(mapping).await?;
            self.returned = Some(mapping.sha256.clone());
            self.unread = None;
            return Ok(ProfileMapping { published, status });
        }
    }

    /// Waits for news, or until it is time to read again what could not be read.
    async fn wait(&mut self) -> Result<(), GetError> {
        let event = if self.unread.is_some() {
            match tokio::time::timeout(RETRY_INTERVAL, self.events.next()).await {
                Ok(event) => event,
                Err(_) => return Ok(()),
            }
        } else {
            self.events.next().await
        };
        match event {
            Some(Ok(Some(resource))) => {
                self.unread = Some(resource.status.unwrap_or_default());
                Ok(())
            }
            Some(Ok(None)) => Err(GetError::NoResource(self.reader.full_name())),
            // The watch was interrupted for long, and begins anew by itself.
            Some(Err(error)) if refusal(&error).is_some_and(|status| status.code == 410) => Ok(()),
            Some(Err(error)) => Err(self.failed(&error)),
            // The watch has no end.
            None => std::future::pending().await,
        }
    }

    fn failed(&self, error: &watcher::Error) -> GetError {
        let action = format!("watch BedrockModelMap {}", self.reader.full_name());
        match refusal(error) {
            Some(status) if matches!(status.code, 401 | 403) => GetError::Refused {
                action,
                message: status.message.clone(),
            },
            Some(status) => GetError::Unreachable {
                action,
                message: status.message.clone(),
            },
            None => GetError::Unreachable {
                action,
                message: error_chain(error),
            },
        }
    }
}

/// What the API server said, if it said something.
fn refusal(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => None,
    }
}

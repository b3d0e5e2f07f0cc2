//! A cluster's published map, each time it changes.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::ProfileMapping;
use super::cluster::MapReader;
use super::get_error::GetError;
use crate::api::BedrockModelMap;

/// The time after which an unreadable `ConfigMap` is read again.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

type Event = Result<Option<BedrockModelMap>, watcher::Error>;

/// The published map of a `BedrockModelMap`, each time it changes.
///
/// Needs the rights to `list` and `watch` `bedrockmodelmaps` besides those of [`MapReader::get`].
pub struct MappingWatch {
    reader: MapReader,
    events: BoxStream<'static, Event>,
    /// The hash of the map returned last.
    returned: Option<String>,
    /// The resource whose map is still to be read.
    unread: Option<BedrockModelMap>,
}

impl MappingWatch {
    /// Begins with the map after `known`; with the one published now if that is None.
    pub fn new(reader: MapReader, known: Option<&ProfileMapping>) -> Self {
        let events = watcher::watch_object(reader.resources.clone(), &reader.name);
        let known = known.and_then(|known| known.status.mapping.as_ref());
        Self {
            reader,
            events: events.default_backoff().boxed(),
            returned: known.map(|mapping| mapping.sha256.clone()),
            unread: None,
        }
    }

    /// Waits for the next map, without a deadline.
    ///
    /// The watch goes on after an error: the next call waits a while and returns the map published
    /// by then. A dropped future loses nothing.
    pub async fn next(&mut self) -> Result<ProfileMapping, GetError> {
        loop {
            self.wait().await?;
            let Some(resource) = &self.unread else {
                continue;
            };
            let mapping = resource
                .status
                .as_ref()
                .and_then(|status| status.mapping.as_ref())
                .filter(|m| !m.sha256.is_empty() && self.returned.as_ref() != Some(&m.sha256));
            let Some(mapping) = mapping else {
                self.unread = None;
                continue;
            };
            let map = self.reader.read(mapping).await?;
            let read = ProfileMapping::new(map, resource);
            self.returned = Some(mapping.sha256.clone());
            self.unread = None;
            return Ok(read);
        }
    }

    /// Waits for an event, or until the time to read an unreadable `ConfigMap` again.
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
                self.unread = Some(resource);
                Ok(())
            }
            Some(Ok(None)) => Err(GetError::NoResource(self.reader.full_name())),
            Some(Err(error)) => self.failed(error),
            // The watch has no end.
            None => std::future::pending().await,
        }
    }

    fn failed(&self, error: watcher::Error) -> Result<(), GetError> {
        let action = format!("watch BedrockModelMap {}", self.reader.full_name());
        let status = match error {
            watcher::Error::WatchError(status)
            | watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchFailed(kube::Error::Api(status)) => status,
            watcher::Error::InitialListFailed(_)
            | watcher::Error::WatchStartFailed(_)
            | watcher::Error::WatchFailed(_)
            | watcher::Error::NoResourceVersion => {
                return Err(GetError::Unreachable {
                    action,
                    source: error.into(),
                });
            }
        };
        match status.code {
            // The watch was interrupted for long, and starts over by itself.
            410 => Ok(()),
            401 | 403 => Err(GetError::Refused {
                action,
                source: status,
            }),
            _ => Err(GetError::Unreachable {
                action,
                source: status,
            }),
        }
    }
}

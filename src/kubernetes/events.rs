//! Writes of Kubernetes Events: after the status, so that a retried reconciliation repeats none. A
//! failed write loses the Event, and fails no reconciliation.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event as NewEvent, EventType, Recorder};

use super::request::call;
use crate::api::MANAGER;
use crate::reconcile::status::events::{Event, Severity};

/// Action of every Event.
const ACTION: &str = "Refresh";

/// Writes Events.
pub(super) struct EventWriter {
    recorder: Recorder,
}

impl EventWriter {
    pub(super) fn new(client: Client) -> Self {
        Self {
            recorder: Recorder::new(client, MANAGER.into()),
        }
    }

    /// Writes the events of a resource in the version of its last status write. The recorder merges
    /// Events that differ only in their note, and keeps the first note; a distinct resource version
    /// prevents that.
    pub(super) async fn write(&self, regarding: ObjectReference, events: Vec<Event>) {
        for event in events {
            let reason = event.reason.clone();
            let event = NewEvent {
                type_: match event.severity {
                    Severity::Warning => EventType::Warning,
                    Severity::Normal => EventType::Normal,
                },
                reason: event.reason,
                note: Some(event.note),
                action: ACTION.to_owned(),
                secondary: None,
            };
            let what = || format!("cannot write the Event {reason}");
            if let Err(error) = call(what, self.recorder.publish(&event, &regarding)).await {
                tracing::warn!("{error}; Events of this refresh are lost");
                return;
            }
        }
    }
}

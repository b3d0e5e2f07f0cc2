//! Writes Kubernetes Events: after the status that they speak of, so that a look tried anew tells
//! nothing twice. An Event that cannot be written is lost, and fails no look.

use kube::runtime::events::{Event as NewEvent, EventType, Recorder};
use kube::{Client, Resource as _, ResourceExt as _};

use super::request::call;
use crate::api::{BedrockModelMap, MANAGER};
use crate::reconcile::status::events::{Event, Severity};

/// What every Event is about.
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

    /// Writes the events of a resource as its status was last written.
    pub(super) async fn write(&self, resource: &BedrockModelMap, events: Vec<Event>) {
        let mut regarding = resource.object_ref(&());
        // The recorder folds Events that differ in their note only into the first of them, whose
        // note then stands for all. Those of another version are kept apart.
        regarding.resource_version = resource.resource_version();
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
                tracing::warn!("{error}; Events of this refresh are lost, everything else goes on");
                return;
            }
        }
    }
}

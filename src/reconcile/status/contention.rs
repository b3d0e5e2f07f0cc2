//! Contended ConfigMaps in conditions and Events: another writer changes them again and again.

use crate::api::BedrockModelMapStatus;
use crate::api::conditions::DEGRADED;
use crate::text::{Listed, printable};

/// Reason of the condition Degraded and of the Event.
pub const CONTENDED: &str = "Contended";
/// ConfigMaps that the message names before it only counts.
const NAMED_IN_MESSAGE: usize = 5;

/// A contended ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contention {
    /// The ConfigMap.
    pub config_map: String,
    /// The field manager of the other writer. None: it deletes the ConfigMap, or is unknown.
    pub writer: Option<String>,
}

/// What the condition and the Event say. None: nothing is contended.
pub fn message(contended: &[Contention]) -> Option<String> {
    if contended.is_empty() {
        return None;
    }
    let names: Vec<String> = contended
        .iter()
        .map(|Contention { config_map, writer }| match writer {
            Some(writer) => format!("{config_map} (field manager {})", printable(writer)),
            None => format!("{config_map} (unknown field manager)"),
        })
        .collect();
    let listed = Listed {
        names: &names,
        max: NAMED_IN_MESSAGE,
    };
    Some(format!(
        "another writer changes ConfigMaps again and again: {listed}; repairs pause for up to 1 min until you stop that writer"
    ))
}

/// What the status says about contention.
pub fn reported(status: &BedrockModelMapStatus) -> Option<&str> {
    let degraded = status.conditions.iter().find(|c| c.type_ == DEGRADED)?;
    (degraded.reason == CONTENDED).then_some(&degraded.message)
}

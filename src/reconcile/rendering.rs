//! The content of a region: the selected models of a response, rendered.

use super::Effects;
use crate::api::{AttemptError, ErrorCode};
use crate::bedrock::association::associate;
use crate::bedrock::catalog::PackedSnapshot;
use crate::bedrock::selection::Selection;
use crate::publication::content::RegionContent;

/// Renders what is selected of the response, once for all resources that select the same.
pub(super) fn render<E: Effects>(
    effects: &E,
    snapshot: &PackedSnapshot,
    selection: &Selection,
) -> Result<RegionContent, AttemptError> {
    let key = format!("{} {}", snapshot.sha256(), selection.sha256());
    effects.rendered(key, || render_now(snapshot, selection))
}

fn render_now(
    snapshot: &PackedSnapshot,
    selection: &Selection,
) -> Result<RegionContent, AttemptError> {
    let snapshot = snapshot
        .unpack()
        .map_err(|cause| AttemptError::new(ErrorCode::MalformedAnswer, cause.to_string()))?;
    RegionContent::from_catalog(associate(&snapshot, selection))
        .map_err(|cause| AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string()))
}

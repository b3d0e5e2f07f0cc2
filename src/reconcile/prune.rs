//! The step that prunes: deletes ConfigMaps that the reported status does not name.

use super::Effects;
use super::context::RefreshContext;
use crate::api::BedrockModelMapStatus;
use crate::reconcile::status::verified::config_map_names;

/// Runs after the report: until then, a replaced ConfigMap is the last good data. Returns the
/// number of deletions.
pub(super) async fn prune<E: Effects>(
    context: &RefreshContext<'_, E>,
    reported: &BedrockModelMapStatus,
) -> Result<usize, E::Error> {
    let named = config_map_names(reported);
    let mut deleted = 0;
    for seen in context.effects.labelled_config_maps() {
        let name = seen.name.as_deref().unwrap_or_default();
        if context.owner.owns(&seen) && !named.contains(name) {
            deleted += usize::from(context.effects.remove(&seen).await?);
        }
    }
    Ok(deleted)
}

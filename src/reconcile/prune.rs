//! The step that prunes: deletes ConfigMaps that the reported status does not name.

use std::collections::BTreeSet;

use super::Effects;
use super::context::RefreshContext;
use crate::api::BedrockModelMapStatus;

/// Runs after the report: until then, a replaced ConfigMap is the last good data. Returns the
/// number of deletions.
pub(super) async fn prune<E: Effects>(
    context: &RefreshContext<'_, E>,
    reported: &BedrockModelMapStatus,
) -> Result<usize, E::Error> {
    let regions = reported.regions.values().flat_map(|region| {
        let aliases = region.aliases.iter();
        let aliases = aliases.flat_map(|a| [a.config_map.as_str(), a.env_config_map.as_str()]);
        aliases.chain(region.config_map.as_deref())
    });
    let mapping = reported.mapping.as_ref().map(|m| m.config_map.as_str());
    let named: BTreeSet<&str> = regions.chain(mapping).collect();
    let mut deleted = 0;
    for seen in context.effects.labelled_config_maps() {
        let name = seen.name.as_deref().unwrap_or_default();
        if context.owner.owns(&seen) && !named.contains(name) {
            deleted += usize::from(context.effects.remove(&seen).await?);
        }
    }
    Ok(deleted)
}

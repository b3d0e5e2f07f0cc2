//! A fragment for the `include` of LiteLLM's configuration.

use std::fmt::Write as _;

use super::NamedModel;
use super::yaml::quoted;
use crate::api::RouteKind;

/// One entry of `model_list` for each model, in the order given.
///
/// LiteLLM derives a model's abilities and price from its ID. The ARN of an application profile does
/// not contain that ID: so such an entry names the model, and passes the ARN as `model_id`.
pub fn fragment(region: &str, models: &[NamedModel<'_>]) -> String {
    if models.is_empty() {
        return "model_list: []\n".to_owned();
    }
    let mut yaml = "model_list:\n".to_owned();
    for NamedModel { name, target, .. } in models {
        let (known_as, model_id) = match target.route {
            RouteKind::Application => (&target.model_id, Some(&target.invoke_with)),
            RouteKind::InRegion | RouteKind::Geographic | RouteKind::Global => {
                (&target.invoke_with, None)
            }
        };
        let model = quoted(&format!("bedrock/converse/{known_as}"));
        let (name, region) = (quoted(name), quoted(region));
        // Writing to a String does not fail.
        let _ = write!(
            yaml,
            "- model_name: {name}\n  litellm_params:\n    model: {model}\n    aws_region_name: {region}\n"
        );
        if let Some(arn) = model_id {
            let _ = writeln!(yaml, "    model_id: {}", quoted(arn));
        }
    }
    yaml
}

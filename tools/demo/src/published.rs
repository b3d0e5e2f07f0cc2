//! What the operator has published, for the terminal.

use serde_json::{Map, Value};

use crate::environment::{Error, NAME, NAMESPACE, REGION};
use crate::shorten::shorten;
use control_plane::kubectl::Kubectl;

/// The resource with its columns, the `ConfigMaps` with their sizes, and one model that needs an inference profile.
pub async fn describe(kubectl: &Kubectl) -> Result<String, Error> {
    let get = ["get", "bmm", "-A", "-o", "wide"];
    let overview = kubectl.run(&get).await?;
    let cluster_maps = kubectl.run(&["get", "cbmm"]).await?;

    let selector = format!("bedrock.modelmap.dev/name={NAME}");
    let get = [
        "get",
        "configmaps",
        "-n",
        NAMESPACE,
        "-l",
        &selector,
        "-o",
        "json",
    ];
    let config_maps: Value = serde_json::from_str(&kubectl.run(&get).await?)?;
    let table = sizes(&config_maps);

    let name = format!("{NAME}-{REGION}");
    let models = file(&config_maps, &name, "models.json")?;
    let facts = file(&config_maps, &name, "invocation.json")?;
    let id = profile_only_model(&models, &facts)
        .ok_or_else(|| Error::Missing(format!("profile-only model in {name}")))?;
    let model = pretty(&models[id])?;
    let facts = pretty(&facts[id])?;
    Ok(format!(
        "$ kubectl get bmm -A -o wide\n{overview}\n\
         $ kubectl get cbmm\n{cluster_maps}\n\
         {table}\n\
         {id} in models.json of {name} (long lists and texts shortened):\n{model}\n\n\
         The same model in invocation.json, what a caller needs to know:\n{facts}\n"
    ))
}

/// A key of a `ConfigMap`, which holds a JSON object.
fn file(config_maps: &Value, name: &str, key: &str) -> Result<Map<String, Value>, Error> {
    let items = config_maps["items"].as_array();
    let content = items
        .into_iter()
        .flatten()
        .find(|config_map| config_map["metadata"]["name"] == name)
        .and_then(|config_map| config_map["data"][key].as_str())
        .ok_or_else(|| Error::Missing(format!("{key} in a ConfigMap {name}")))?;
    Ok(serde_json::from_str(content)?)
}

/// Of the models that cannot be called by their own id, one with two profiles or not many more: shorter than others, and
/// still a choice.
fn profile_only_model<'a>(
    models: &'a Map<String, Value>,
    facts: &Map<String, Value>,
) -> Option<&'a str> {
    let profiles = |id: &str| {
        let embedded = models[id]["referencedByInstanceProfiles"].as_array();
        embedded.map_or(0, Vec::len)
    };
    models
        .keys()
        .filter(|id| {
            facts
                .get(*id)
                .is_some_and(|facts| facts["requiresInferenceProfile"] == true)
        })
        .filter(|id| profiles(id) >= 2)
        .min_by_key(|id| profiles(id))
        .map(String::as_str)
}

fn pretty(value: &Value) -> Result<String, serde_json::Error> {
    let mut value = value.clone();
    shorten(&mut value);
    serde_json::to_string_pretty(&value)
}

/// A table of `ConfigMaps`: the bytes of their content, and its keys.
fn sizes(config_maps: &Value) -> String {
    let rows: Vec<(&str, usize, Vec<&str>)> = config_maps["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(row)
        .collect();
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let total: usize = rows.iter().map(|(_, bytes, _)| bytes).sum();
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, bytes, keys)| format!("{name:width$}  {bytes:>7}  {}\n", keys.join(", ")))
        .collect();
    format!(
        "{:width$}  {:>7}  KEYS\n{}{} ConfigMaps, {total} bytes\n",
        "CONFIGMAP",
        "BYTES",
        lines.concat(),
        rows.len(),
    )
}

fn row(config_map: &Value) -> (&str, usize, Vec<&str>) {
    let name = config_map["metadata"]["name"].as_str().unwrap_or_default();
    let entries = |field: &str| config_map[field].as_object().into_iter().flatten();
    let text = entries("data").map(|(key, value)| (key, text_of(value).len()));
    let binary = entries("binaryData").map(|(key, value)| (key, decoded_len(text_of(value))));
    let all: Vec<(&String, usize)> = text.chain(binary).collect();
    let bytes = all.iter().map(|(_, bytes)| bytes).sum();
    (
        name,
        bytes,
        all.iter().map(|(key, _)| key.as_str()).collect(),
    )
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// How many bytes a Base64 text stands for.
fn decoded_len(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn table_counts_text_and_decoded_binary_bytes() {
        let config_maps = json!({"items": [
            {"metadata": {"name": "claude-mapping"}, "data": {"a": "xyz"}, "binaryData": {"b": "aGVsbG8="}},
            {"metadata": {"name": "empty"}},
        ]});
        let expected = "\
CONFIGMAP         BYTES  KEYS
claude-mapping        8  a, b
empty                 0  \n2 ConfigMaps, 8 bytes
";
        assert_eq!(sizes(&config_maps), expected);
    }

    #[test]
    fn shown_model_requires_profile_and_has_several() {
        let models = json!({
            "many": {"referencedByInstanceProfiles": [{}, {}, {}]},
            "on-demand": {"referencedByInstanceProfiles": [{}, {}]},
            "one": {"referencedByInstanceProfiles": [{}]},
            "two": {"referencedByInstanceProfiles": [{}, {}]},
            "without": {},
        });
        let facts = json!({
            "many": {"requiresInferenceProfile": true},
            "on-demand": {"requiresInferenceProfile": false},
            "one": {"requiresInferenceProfile": true},
            "two": {"requiresInferenceProfile": true},
            "without": {"requiresInferenceProfile": false},
        });
        let shown = profile_only_model(models.as_object().unwrap(), facts.as_object().unwrap());
        assert_eq!(shown, Some("two"));
    }
}

//! Objects as the chart and the Kustomize bases make them.

use std::collections::BTreeMap;

use control_plane::binaries;
use serde_json::Value;

use crate::tools::{CHART, run, tool};

/// The name of a release, and of its namespace, unless a test says otherwise.
pub const NAME: &str = "bedrock-model-map";

/// The chart with these arguments of `helm template`, such as `--set`.
pub fn chart(arguments: &[&str]) -> Result<String, String> {
    chart_in(NAME, arguments)
}

/// As [`chart`], of a release in that namespace.
pub fn chart_in(namespace: &str, arguments: &[&str]) -> Result<String, String> {
    let template = ["template", NAME, CHART, "--namespace", namespace];
    run(&tool("helm"), &[&template, arguments].concat(), "")
}

/// A folder of `config/`.
pub fn kustomize(folder: &str) -> String {
    let kubectl = binaries::locate().unwrap().kubectl;
    run(&kubectl, &["kustomize", &format!("config/{folder}")], "").unwrap()
}

/// The objects of a stream of YAML documents.
pub fn objects(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .map(canonical)
        .collect()
}

/// With `0` for `0.0`, which are the same to Kubernetes: Helm writes the one, we the other.
fn canonical(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => match number.to_string().strip_suffix(".0") {
            Some(integer) => integer.parse::<i64>().unwrap().into(),
            None => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, canonical(value)))
            .collect(),
        scalar => scalar,
    }
}

/// Panics with the first line that differs.
pub fn assert_same(what: &str, left: &Value, right: &Value) {
    let [left, right] = [left, right].map(|value| serde_json::to_string_pretty(value).unwrap());
    let mut lines = left.lines().zip(right.lines()).enumerate();
    let different = lines.find(|(_, (left, right))| left != right);
    assert!(left == right, "{what}: {different:?}");
}

/// Objects by kind, namespace and name.
pub fn by_identity(objects: Vec<Value>) -> BTreeMap<String, Value> {
    objects
        .into_iter()
        .map(|object| {
            let part = |pointer| object.pointer(pointer).and_then(Value::as_str);
            let identity = format!(
                "{} {}/{}",
                part("/kind").unwrap(),
                part("/metadata/namespace").unwrap_or_default(),
                part("/metadata/name").unwrap(),
            );
            (identity, object)
        })
        .collect()
}

/// The only object of a kind.
pub fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    object
}

/// The operator's container.
pub fn container(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

/// A list of texts.
pub fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap()).collect()
}

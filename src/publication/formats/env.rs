//! Environment variables: the data of a ConfigMap for `envFrom`, and the same as a file.

use std::collections::BTreeMap;

use super::NamedModel;

/// The IDs by name of the environment variable. Kubernetes passes the values as they are.
pub fn variables(models: &[NamedModel<'_>]) -> BTreeMap<String, String> {
    models
        .iter()
        .map(|model| (model.env.to_owned(), model.target.invoke_with.clone()))
        .collect()
}

/// One assignment a line, sorted by name, for shells and for `env_file`.
pub fn file(variables: &BTreeMap<String, String>) -> String {
    let mut file = String::new();
    for (name, value) in variables {
        file.extend([name, "=", &quoted(value), "\n"]);
    }
    file
}

/// The value in single quotes if a shell would not read it as it is.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:/@%+-".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

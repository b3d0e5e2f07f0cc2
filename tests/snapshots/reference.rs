//! The reference pages of the documentation, as the code has them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use bedrock_model_map::api::crd_yaml;
use serde_json::{Map, Value};

use crate::assert_golden;

const COMMANDS: [&str; 8] = [
    "discover",
    "resolve",
    "iam-policy",
    "render",
    "get",
    "run",
    "crd",
    "completions",
];

fn page(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/reference")
        .join(name)
}

/// What `--help` prints where nothing of the environment is known.
fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bedrock-model-map"))
        .args(command)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    // Descriptions of options end with blanks before an empty line.
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[test]
fn command_line() {
    let mut text = String::from(
        "# Command-line reference\n\n\
         Generated from `--help` by `make generate`. Do not edit.\n\n\
         Each option with an `env` can be given by that environment variable as well.\n\n",
    );
    writeln!(text, "```text\n{}```", help(&[])).unwrap();
    for command in COMMANDS {
        writeln!(text, "\n## {command}\n\n```text\n{}```", help(&[command])).unwrap();
    }
    // A command that is not in the list above is not forgotten.
    let listed = help(&[]);
    let (_, commands) = listed.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let mut names: Vec<_> = names.filter(|n| !n.is_empty() && *n != "help").collect();
    names.sort_unstable();
    let mut known = COMMANDS;
    known.sort_unstable();
    assert_eq!(names, known);
    assert_golden(&page("cli.md"), &text);
}

#[test]
fn custom_resource() {
    let definitions = crd_yaml().unwrap();
    let texts = definitions.split("\n---\n").map(|definition| {
        let crd: Value = serde_saphyr::from_str(definition).unwrap();
        reference_of(&crd["spec"])
    });
    let text: Vec<String> = texts.collect();
    assert_golden(&page("crd.md"), &text.join("\n"));
}

/// The reference of one kind.
fn reference_of(spec: &Value) -> String {
    let heading = match spec["scope"].as_str().unwrap() {
        "Cluster" => "#",
        _ => "",
    };
    let kind = spec["names"]["kind"].as_str().unwrap();
    let short = spec["names"]["shortNames"][0].as_str().unwrap();
    let version = &spec["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut text = format!(
        "{heading}# {kind}\n\n\
         Generated from the definition by `make generate`. Do not edit.\n\n\
         {}\n\n\
         `apiVersion: {}/{}`, `kind: {kind}`, {}, short name `{short}`. `kubectl explain {short}.spec` \
         says the same.\n",
        schema["description"].as_str().unwrap(),
        spec["group"].as_str().unwrap(),
        version["name"].as_str().unwrap(),
        spec["scope"].as_str().unwrap().to_lowercase(),
    );
    for part in ["spec", "status"] {
        let schema = &schema["properties"][part];
        write!(text, "\n{heading}## {part}\n\n").unwrap();
        if let Some(description) = schema["description"].as_str() {
            writeln!(text, "{}\n", one_line(description)).unwrap();
        }
        text.push_str("| field | type | meaning |\n|---|---|---|\n");
        fields(&mut text, "", schema);
    }
    write!(
        text,
        "\n{heading}## Columns of `kubectl get {short}`\n\n| column | shows | |\n|---|---|---|\n"
    )
    .unwrap();
    for column in version["additionalPrinterColumns"].as_array().unwrap() {
        let wide = if column["priority"] == 1 {
            "`-o wide`"
        } else {
            ""
        };
        let text_of = |key: &str| column[key].as_str().unwrap();
        writeln!(
            text,
            "| {} | {} | {wide} |",
            text_of("name"),
            text_of("description")
        )
        .unwrap();
    }
    text
}

/// A row for each field, those of objects below their own.
fn fields(text: &mut String, path: &str, schema: &Value) {
    let none = Map::new();
    let required = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().unwrap_or(&none) {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let is_required = required.is_some_and(|names| names.contains(&Value::from(name.as_str())));
        let mut meaning = vec![one_line(field["description"].as_str().unwrap_or_default())];
        if is_required {
            meaning.push("Required.".to_owned());
        }
        meaning.extend(bounds(field));
        meaning.retain(|part| !part.is_empty());
        writeln!(
            text,
            "| `{path}` | {} | {} |",
            type_of(field),
            meaning.join(" ")
        )
        .unwrap();
        fields(text, &path, field);
        fields(text, &format!("{path}[]"), &field["items"]);
        fields(text, &format!("{path}.*"), &field["additionalProperties"]);
    }
}

fn type_of(field: &Value) -> String {
    let name = field["type"].as_str().unwrap_or("any");
    let inner = |key: &str| field[key].is_object().then(|| type_of(&field[key]));
    match (name, field["format"].as_str()) {
        ("array", _) => format!("list of {}", inner("items").unwrap()),
        ("object", _) => inner("additionalProperties")
            .map_or("object".to_owned(), |values| format!("map of {values}")),
        ("string", Some("date-time")) => "time".to_owned(),
        (name, _) => name.to_owned(),
    }
}

/// What the API server holds a field to, beyond what the description says.
fn bounds(field: &Value) -> Vec<String> {
    let mut bounds = Vec::new();
    let description = field["description"].as_str().unwrap_or_default();
    let shown = |value: &Value| format!("`{}`", value.to_string().trim_matches('"'));
    for of in [field, &field["items"]] {
        let values: Vec<_> = of["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .map(shown)
            .collect();
        if !values.iter().all(|value| description.contains(value)) {
            bounds.push(format!("One of {}.", values.join(", ")));
        }
    }
    let default = &field["default"];
    if !default.is_null() && !default.is_object() && !description.contains("efault") {
        bounds.push(format!("Default: {}.", shown(default)));
    }
    let rules = field["x-kubernetes-validations"].as_array();
    for rule in rules.into_iter().flatten() {
        if let Some(message) = rule["message"].as_str() {
            bounds.push(format!("Rule: {message}."));
        }
    }
    bounds
}

fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

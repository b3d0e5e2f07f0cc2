//! IAM policy documents as Terraform's data sources.

use std::fmt::Write as _;

use crate::bedrock::iam_policy::{PolicyDocument, Statement};

/// A data source `aws_iam_policy_document` for each document.
pub(super) fn policy_documents(documents: &[PolicyDocument]) -> String {
    let blocks: Vec<String> = documents
        .iter()
        .enumerate()
        .map(|(index, document)| {
            let name = match documents.len() {
                1 => "bedrock_invoke".to_owned(),
                _ => format!("bedrock_invoke_{}", index + 1),
            };
            let statements: String = document.statements().iter().map(statement).collect();
            let statements = statements.trim_start_matches('\n');
            format!("data \"aws_iam_policy_document\" \"{name}\" {{\n{statements}}}\n")
        })
        .collect();
    blocks.join("\n")
}

fn statement(statement: &Statement) -> String {
    let mut block = format!("\n  statement {{\n    sid = {}\n", quoted(statement.sid));
    let actions = statement.action.iter().copied();
    let resources = statement.resource.iter().map(String::as_str);
    // A write to a String cannot fail.
    let _ = writeln!(block, "    actions = {}", list(actions, 4));
    let _ = writeln!(block, "    resources = {}", list(resources, 4));
    for (key, values) in statement.conditions() {
        let values = list(values.iter().map(String::as_str), 6);
        let _ = writeln!(
            block,
            "\n    condition {{\n      test     = \"StringEquals\"\n      variable = {}\n      values = {values}\n    }}",
            quoted(key)
        );
    }
    block + "  }\n"
}

/// A list with one item a line.
fn list<'a>(items: impl Iterator<Item = &'a str>, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let lines: Vec<String> = items
        .map(|item| format!("{margin}  {},", quoted(item)))
        .collect();
    format!("[\n{}\n{margin}]", lines.join("\n"))
}

/// A string literal of HCL, without interpolation.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!("\"{escaped}\"")
}

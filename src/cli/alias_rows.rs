//! What the aliases of a resource stand for, as rows.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::output::{printable, table_text};
use crate::bedrock::aliases::{AliasEntries, AliasEntry};

/// The regions in which an alias stands for the same ID, or for none for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct AliasRow<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    pub(super) regions: Vec<&'a str>,
}

/// The rows, by alias and first region.
pub(super) fn alias_rows(regions: &BTreeMap<String, AliasEntries>) -> Vec<AliasRow<'_>> {
    let mut rows: Vec<AliasRow<'_>> = Vec::new();
    for (region, entries) in regions {
        for (name, entry) in entries {
            let (id, reason) = match entry {
                AliasEntry::Resolved(target) => (Some(target.invoke_with.as_str()), None),
                AliasEntry::Unresolved(entry) => (None, Some(entry.reason.as_str())),
            };
            let mut known = rows.iter_mut();
            let same = known.find(|r| r.name == name && r.id == id && r.reason == reason);
            match same {
                Some(row) => row.regions.push(region),
                None => rows.push(AliasRow {
                    name,
                    id,
                    reason,
                    regions: vec![region],
                }),
            }
        }
    }
    rows.sort_by_key(|row| row.name);
    rows
}

/// The rows as a table; empty without aliases.
pub(super) fn table(regions: &BTreeMap<String, AliasEntries>) -> String {
    let rows = alias_rows(regions);
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_row(["ALIAS", "ID TO PASS", "REGIONS"]);
    for row in rows {
        let id = row.id.map_or_else(
            || format!("- ({})", row.reason.unwrap_or_default()),
            str::to_owned,
        );
        table.add_row([
            printable(row.name),
            printable(&id),
            printable(&row.regions.join(", ")),
        ]);
    }
    table_text(&table)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn regions_with_the_same_id_share_a_row() {
        let entry = |id: &str| json!({"modelId": "m", "invokeWith": id, "route": "InRegion"});
        let regions = json!({
            "eu-west-1": {"chat": entry("eu.m"), "small": entry("s")},
            "us-east-1": {"chat": entry("us.m"), "small": {"invokeWith": null, "reason": "NotListed"}},
            "us-west-2": {"chat": entry("us.m")},
        });
        let regions = serde_json::from_value(regions).unwrap();
        let expected = "\
ALIAS  ID TO PASS     REGIONS
chat   eu.m           eu-west-1
chat   us.m           us-east-1, us-west-2
small  s              eu-west-1
small  - (NotListed)  us-east-1
";
        assert_eq!(table(&regions), expected);
        assert_eq!(table(&BTreeMap::new()), "");
    }
}

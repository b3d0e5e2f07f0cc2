//! The numbers of docs/residency.md, counted on the catalogue.

use std::fs;

use bedrock_model_map::bedrock::policy::InvocationPolicy;
use bedrock_model_map::bedrock::profile::ProfileSummary;
use bedrock_model_map::publication::content::RegionContent;
use serde_json::{Value, json};

use crate::{content, in_repository, snapshot};

const DOCUMENT: &str = include_str!("../../docs/residency.md");

/// The regions of the catalogue with the account's application profiles.
fn regions() -> Vec<(String, RegionContent)> {
    let simulator = in_repository("tools/bedrock-simulator");
    let application = fs::read(simulator.join("application-profiles.json")).unwrap();
    let application: Value = serde_json::from_slice(&application).unwrap();
    let files = fs::read_dir(simulator.join("catalog")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names
        .map(|file| {
            let region = file.trim_end_matches(".json");
            let mut snapshot = snapshot(region);
            let own = application[region].as_array().into_iter().flatten();
            let own = own.cloned().enumerate();
            snapshot.profiles.extend(
                own.map(|(index, item)| ProfileSummary::from_response(index, item).unwrap()),
            );
            (region.to_owned(), content(&snapshot))
        })
        .collect()
}

fn with_thousands(n: usize) -> String {
    match n {
        0..1000 => n.to_string(),
        _ => format!("{},{:03}", n / 1000, n % 1000),
    }
}

#[test]
fn residency_table_counts_pairs_with_an_id() {
    let regions = regions();
    let no_zone: &[&str] = &[];
    let eu = json!({"allowedDestinationRegions": ["eu-*"]});
    let us = json!({"allowedDestinationRegions": ["us-*"]});
    let two = json!({"allowedDestinationRegions": ["us-east-1", "us-west-2"]});
    let japan = json!({"allowedDestinationRegions": ["ap-northeast-1", "ap-northeast-3"]});
    let canada = json!({"allowedDestinationRegions": ["ca-*"]});
    let application = json!({"preference": ["Application", "InRegion", "Geographic", "Global"]});
    // (policy, spec.invocation, prefixes of the zone's regions, the zone)
    let rows = [
        ("default", json!({}), no_zone, ""),
        ("EU only", eu, &["eu-"][..], "eu-*"),
        ("US only", us, &["us-"][..], "us-*"),
        ("us-east-1 and us-west-2 only", two, &["us-"][..], "us-*"),
        (
            "Japan only",
            japan,
            &["ap-northeast-1", "ap-northeast-3"][..],
            "ap-northeast-1 and -3",
        ),
        ("Canada only", canada, &["ca-"][..], "ca-*"),
        (
            "in-region only",
            json!({"preference": ["InRegion"]}),
            no_zone,
            "",
        ),
        (
            "no global profile",
            json!({"preference": ["InRegion", "Geographic"]}),
            no_zone,
            "",
        ),
        (
            "global first",
            json!({"preference": ["Global", "InRegion", "Geographic"]}),
            no_zone,
            "",
        ),
        ("application profiles first", application, no_zone, ""),
        (
            "LEGACY models avoided",
            json!({"legacy": "Avoid"}),
            no_zone,
            "",
        ),
    ];
    for (name, spec, zone, zone_name) in rows {
        let policy = InvocationPolicy::from(&serde_json::from_value(spec).unwrap());
        let (mut all, mut with_id, mut zone_all, mut zone_with_id) = (0, 0, 0, 0);
        for (region, content) in &regions {
            let facts = content.facts(region, &policy);
            let ids = facts.values().filter(|f| f.invoke_with.is_some()).count();
            let models = content.models.len();
            (all, with_id) = (all + models, with_id + ids);
            if zone.iter().any(|prefix| region.starts_with(prefix)) {
                (zone_all, zone_with_id) = (zone_all + models, zone_with_id + ids);
            }
        }
        let total = match name {
            "default" => format!("{} of {}", with_thousands(with_id), with_thousands(all)),
            _ => with_thousands(with_id),
        };
        let in_zone = match zone {
            [] => " ".to_owned(),
            _ => format!(" {zone_with_id} of {zone_all} in {zone_name} "),
        };
        let row = format!("| {name} | {total} |{in_zone}|");
        assert!(
            DOCUMENT.contains(&row),
            "docs/residency.md should have {row}"
        );
    }
}

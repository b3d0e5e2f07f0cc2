//! The data of the page, as JSON that is safe in an HTML file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::RegionState;
use crate::api::RouteKind;
use crate::bedrock::aliases::AliasEntries;
use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::model::ModelSummary;
use crate::bedrock::policy::NoRouteReason;
use crate::bedrock::profile_facts::ProfileFacts;
use crate::cli::alias_rows::{AliasRow, alias_rows};
use crate::cli::output::printable;
use crate::reader::ModelMap;

/// What the page says about a model map.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct PageInfo {
    /// The source of the map.
    pub title: String,
    /// The time at which the map was last confirmed.
    pub as_of: Option<Timestamp>,
    /// The failed regions, with the reason.
    pub failures: Vec<(String, String)>,
    /// What the resource's aliases stand for, by region.
    pub aliases: BTreeMap<String, AliasEntries>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'p> {
    title: &'p str,
    as_of: Option<Timestamp>,
    failures: Vec<Failure<'p>>,
    aliases: Vec<AliasRow<'p>>,
    regions: Vec<Region<'p>>,
    models: Vec<Model<'p>>,
    /// Distinct cells: regions of a geography have the same ones.
    cells: Vec<Value>,
}

#[derive(Serialize)]
struct Failure<'p> {
    region: &'p str,
    message: &'p str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region<'p> {
    name: &'p str,
    state: RegionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_since: Option<Timestamp>,
}

#[derive(Serialize)]
struct Model<'p> {
    id: &'p str,
    name: &'p str,
    provider: &'p str,
    /// The index of each region's cell; null if the region does not have the model.
    cells: Vec<Option<usize>>,
}

/// How a model is invoked from a region, and what the choice of a route depends on. An ARN has no
/// region where it is that of the cell: cells of several regions are then equal.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cell<'p> {
    on_demand: bool,
    provisioned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<RouteKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<NoRouteReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoke_with: Option<&'p str>,
    profiles: &'p [ProfileFacts],
    lifecycle: Map<String, Value>,
}

/// Renders the data. No character ends the element that holds it, and no shown text moves the cursor
/// or changes the direction of other text.
pub(super) fn json(map: &ModelMap, info: &PageInfo) -> Result<String, serde_json::Error> {
    let facts: Vec<_> = map.regions.values().map(|r| &r.facts).collect();
    let mut cells = Cells::default();
    let ids: BTreeSet<&String> = facts.iter().flat_map(|facts| facts.keys()).collect();
    let mut models = Vec::new();
    for id in ids {
        let mut of_regions = Vec::new();
        let mut names = ("", "");
        for ((region_name, region), facts) in map.regions.iter().zip(&facts) {
            let cell = region.content.models.get(id).zip(facts.get(id));
            let index = cell.map(|(summary, facts)| {
                names = (summary.name().unwrap_or_default(), summary.provider());
                cells.index(region_name, summary, facts)
            });
            of_regions.push(index.transpose()?);
        }
        let (name, provider) = names;
        models.push(Model {
            id,
            name: if name.is_empty() { id } else { name },
            provider,
            cells: of_regions,
        });
    }
    let page = Page {
        title: &info.title,
        as_of: info.as_of,
        failures: info
            .failures
            .iter()
            .map(|(region, message)| Failure { region, message })
            .collect(),
        aliases: alias_rows(&info.aliases),
        regions: map
            .regions
            .iter()
            .map(|(name, region)| Region {
                name,
                state: region.state,
                stale_since: region.stale_since,
            })
            .collect(),
        models,
        cells: cells.all,
    };
    let mut page = serde_json::to_value(page)?;
    make_printable(&mut page);
    Ok(embeddable(&page.to_string()))
}

/// The distinct cells.
#[derive(Default)]
struct Cells {
    all: Vec<Value>,
    known: BTreeMap<String, usize>,
}

impl Cells {
    fn index(
        &mut self,
        region: &str,
        summary: &ModelSummary,
        facts: &InvocationFacts,
    ) -> Result<usize, serde_json::Error> {
        let mut cell = serde_json::to_value(Cell {
            on_demand: facts.on_demand,
            provisioned: summary.is_provisioned(),
            route: facts.route_kind(),
            reason: facts.no_route_reason(),
            invoke_with: facts.invoke_with.as_deref(),
            profiles: &facts.profiles,
            lifecycle: summary.lifecycle_fields().cloned().unwrap_or_default(),
        })?;
        leave_out(&mut cell, region);
        let next = self.all.len();
        let index = *self.known.entry(cell.to_string()).or_insert(next);
        if index == next {
            self.all.push(cell);
        }
        Ok(index)
    }
}

/// Leaves the region out of the ARNs of its own inference profiles.
fn leave_out(cell: &mut Value, region: &str) {
    let own = format!(":bedrock:{region}:");
    let shorten = |value: Option<&mut Value>| {
        if let Some(Value::String(arn)) = value
            && arn.starts_with("arn:")
        {
            *arn = arn.replacen(&own, ":bedrock::", 1);
        }
    };
    shorten(cell.get_mut("invokeWith"));
    let profiles = cell.get_mut("profiles").and_then(Value::as_array_mut);
    for profile in profiles.into_iter().flatten() {
        shorten(profile.get_mut("arn"));
    }
}

fn make_printable(value: &mut Value) {
    match value {
        Value::String(text) => *text = printable(text),
        Value::Array(items) => items.iter_mut().for_each(make_printable),
        Value::Object(fields) => {
            let printed = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                make_printable(&mut value);
                (printable(&key), value)
            });
            *fields = printed.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Escapes the characters that HTML or JavaScript could interpret. JSON has them in strings only.
fn embeddable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bedrock::policy::InvocationPolicy;
    use crate::publication::content::RegionContent;
    use crate::reader::RegionModels;

    fn region(models: Value) -> RegionModels {
        RegionModels {
            content: RegionContent::new(
                models.to_string(),
                serde_json::from_value(models).unwrap(),
            ),
            state: RegionState::Fresh,
            stale_since: None,
            facts: BTreeMap::new(),
        }
    }

    fn published(regions: &[(&str, Value)]) -> ModelMap {
        let regions = regions.iter();
        ModelMap {
            regions: regions
                .map(|(name, models)| ((*name).to_owned(), region(models.clone())))
                .collect(),
        }
        .with_policy(&InvocationPolicy::default())
    }

    fn data(map: &ModelMap) -> Value {
        let json = json(map, &PageInfo::default()).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    fn profile(id: &str, status: &str, profile_type: &str) -> Value {
        json!({"inferenceProfileId": id, "type": profile_type, "status": status, "models": [
            {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/m"}]})
    }

    #[test]
    fn each_cell_has_a_route_or_a_reason() {
        let us = profile("us.m", "ACTIVE", "SYSTEM_DEFINED");
        let global = profile("global.m", "ACTIVE", "SYSTEM_DEFINED");
        let off = profile("us.m", "INACTIVE", "SYSTEM_DEFINED");
        let own = profile("own", "ACTIVE", "APPLICATION");
        let cases = [
            (json!(["ON_DEMAND"]), vec![&us], "route", "InRegion"),
            (json!([]), vec![&global, &us], "route", "Geographic"),
            (json!([]), vec![&global], "route", "Global"),
            (json!([]), vec![&off], "reason", "ProfileNotActive"),
            (json!([]), vec![&own], "reason", "ApplicationOnly"),
            (json!(["PROVISIONED"]), vec![], "reason", "ProvisionedOnly"),
            (json!([]), vec![], "reason", "NoRoute"),
        ];
        for (types, profiles, key, value) in cases {
            let model =
                json!({"inferenceTypesSupported": types, "referencedByInstanceProfiles": profiles});
            let data = data(&published(&[("us-east-1", json!({"m": model}))]));
            assert_eq!(data["cells"][0][key], value);
        }
    }

    #[test]
    fn cell_has_the_details_of_a_model() {
        let model = json!({"modelName": "Em", "providerName": "Pro",
            "modelLifecycle": {"status": "LEGACY", "endOfLifeTime": "2027-01-01T00:00:00Z"},
            "referencedByInstanceProfiles": [profile("us.m", "ACTIVE", "SYSTEM_DEFINED")]});
        let data = data(&published(&[("us-east-1", json!({"m": model}))]));
        assert_eq!(
            data["models"],
            json!([{"id": "m", "name": "Em", "provider": "Pro", "cells": [0]}])
        );
        assert_eq!(
            data["cells"],
            json!([{
                "onDemand": false,
                "provisioned": false,
                "route": "Geographic",
                "invokeWith": "us.m",
                "profiles": [{"id": "us.m", "type": "SYSTEM_DEFINED", "status": "ACTIVE",
                              "geography": "us", "destinationRegions": ["us-east-1"]}],
                "lifecycle": {"status": "LEGACY", "endOfLifeTime": "2027-01-01T00:00:00Z"},
            }])
        );
    }

    #[test]
    fn equal_cells_are_shared_and_a_missing_model_is_null() {
        let data = data(&published(&[
            (
                "eu-west-1",
                json!({"a": {"inferenceTypesSupported": ["PROVISIONED"]}}),
            ),
            (
                "us-east-1",
                json!({"a": {"inferenceTypesSupported": ["PROVISIONED"]}, "b": {}}),
            ),
        ]));
        assert_eq!(data["cells"].as_array().unwrap().len(), 2);
        assert_eq!(data["models"][0]["cells"], json!([0, 0]));
        assert_eq!(data["models"][1]["cells"], json!([null, 1]));
        assert_eq!(data["models"][1]["name"], "b");
    }

    #[test]
    fn region_is_left_out_of_its_own_arns() {
        let models = |region: &str| {
            let arn = |kind: &str| format!("arn:aws:bedrock:{region}:111122223333:{kind}/p");
            json!({"m": {"referencedByInstanceProfiles": [
                {"inferenceProfileId": "us.m", "inferenceProfileArn": arn("inference-profile")},
            ]}})
        };
        let data = data(&published(&[
            ("us-east-1", models("us-east-1")),
            ("us-east-2", models("us-east-2")),
            ("us-west-1", models("us-east-2")),
        ]));
        assert_eq!(data["models"][0]["cells"], json!([0, 0, 1]));
        let arn = |cell: usize| data["cells"][cell]["profiles"][0]["arn"].clone();
        assert_eq!(arn(0), "arn:aws:bedrock::111122223333:inference-profile/p");
        assert_eq!(
            arn(1),
            "arn:aws:bedrock:us-east-2:111122223333:inference-profile/p"
        );
    }

    #[test]
    fn failures_and_stale_regions_are_listed() {
        let mut map = published(&[("us-east-1", json!({"a": {}}))]);
        let stale = map.regions.get_mut("us-east-1").unwrap();
        stale.state = RegionState::Stale;
        stale.stale_since = Some(Timestamp::UNIX_EPOCH);
        let info = PageInfo {
            title: "team/claude".to_owned(),
            as_of: Some(Timestamp::UNIX_EPOCH),
            failures: vec![("eu-west-1".to_owned(), "no".to_owned())],
            ..PageInfo::default()
        };
        let data: Value = serde_json::from_str(&json(&map, &info).unwrap()).unwrap();
        assert_eq!(data["title"], "team/claude");
        assert_eq!(data["asOf"], "1970-01-01T00:00:00Z");
        assert_eq!(
            data["failures"],
            json!([{"region": "eu-west-1", "message": "no"}])
        );
        let region =
            json!({"name": "us-east-1", "state": "Stale", "staleSince": "1970-01-01T00:00:00Z"});
        assert_eq!(data["regions"], json!([region]));
    }

    #[test]
    fn hostile_names_stay_text() {
        let evil = "</script><img src=x onerror=alert(1)>&amp;\"'\u{2028}\u{202e}\u{7}<!--";
        let published = published(&[(
            "us-east-1",
            json!({evil: {"modelName": evil, "providerName": evil, "modelLifecycle": {evil: evil}}}),
        )]);
        let text = json(&published, &PageInfo::default()).unwrap();
        assert!(
            !text.contains(['<', '>', '&', '\u{2028}', '\u{202e}', '\u{7}']),
            "{text}"
        );
        // Characters that are harmless as text stay.
        let data: Value = serde_json::from_str(&text).unwrap();
        let shown = "</script><img src=x onerror=alert(1)>&amp;\"'\u{2028}\u{fffd}\u{fffd}<!--";
        assert_eq!(data["models"][0]["id"], shown);
        assert_eq!(data["models"][0]["provider"], shown);
    }
}

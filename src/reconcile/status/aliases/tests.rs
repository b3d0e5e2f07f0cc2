use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::api::AliasSpec;
use crate::bedrock::invocation::InvocationFacts;

const NOW: &str = "2026-06-01T00:00:00Z";

fn alias(name: &str, models: &[&str]) -> Alias {
    Alias::from(&AliasSpec {
        name: name.into(),
        env: None,
        models: models.iter().map(|&model| model.into()).collect(),
    })
}

/// A region that lists these models, each with its end of life.
fn listed(models: &[(&str, &str)]) -> BTreeMap<String, InvocationFacts> {
    let facts = |id: &str, end: &str| {
        let mut facts = json!({
            "onDemand": true, "requiresInferenceProfile": false, "invokeWith": id,
            "route": "InRegion", "profiles": [], "lifecycle": {},
        });
        if !end.is_empty() {
            facts["lifecycle"] = json!({"endOfLifeTime": end});
        }
        serde_json::from_value(facts).unwrap()
    };
    let models = models.iter();
    models
        .map(|(id, end)| ((*id).to_owned(), facts(id, end)))
        .collect()
}

fn settled(
    aliases: &[Alias],
    models: &[(&str, &str)],
    before: Option<&Settled>,
    evidence: Evidence,
) -> Settled {
    let facts = listed(models);
    settle(
        aliases,
        &Listing::new(&facts, NOW.parse().unwrap()),
        before.map(|before| &before.entries),
        before.and_then(|before| before.status.held_loss.as_deref()),
        evidence,
    )
}

fn ids(settled: &Settled) -> Vec<(&str, Option<&str>)> {
    let entries = settled.entries.iter();
    entries
        .map(|(name, entry)| {
            (
                name.as_str(),
                entry.target().map(|t| t.invoke_with.as_str()),
            )
        })
        .collect()
}

fn reasons(settled: &Settled) -> Vec<&'static str> {
    let kinds = settled.changes.iter();
    kinds
        .map(|kind| match kind {
            ChangeKind::AliasChanged { .. } => "AliasChanged",
            ChangeKind::AliasUnresolved { .. } => "AliasUnresolved",
            _ => "other",
        })
        .collect()
}

#[test]
fn alias_moves_to_its_next_candidate_at_once() {
    let aliases = [alias("chat", &["a.1", "a.2"])];
    let first = settled(
        &aliases,
        &[("a.1", ""), ("a.2", "")],
        None,
        Evidence::Response,
    );
    assert_eq!(ids(&first), [("chat", Some("a.1"))]);
    assert!(first.changes.is_empty());
    for (models, why) in [
        (&[("a.2", "")][..], "a.1 is not listed any more"),
        (
            &[("a.1", NOW), ("a.2", "")],
            "a.1 has reached its end of life (2026-06-01T00:00:00Z)",
        ),
    ] {
        for evidence in [Evidence::Response, Evidence::LastGood, Evidence::Accepted] {
            let moved = settled(&aliases, models, Some(&first), evidence);
            assert_eq!(ids(&moved), [("chat", Some("a.2"))]);
            let expected = ChangeKind::AliasChanged {
                alias: "chat".into(),
                before: "a.1".into(),
                after: Some("a.2".into()),
                why: why.into(),
            };
            assert_eq!(moved.changes, [expected]);
        }
    }
}

#[test]
fn last_id_stays_until_a_second_response_confirms_the_loss() {
    let aliases = [alias("chat", &["a.1"]), alias("other", &["b.1"])];
    let both = settled(
        &aliases,
        &[("a.1", ""), ("b.1", "")],
        None,
        Evidence::Response,
    );
    let gone = |before, evidence| settled(&aliases, &[("b.1", "")], Some(before), evidence);
    let kept = [("chat", Some("a.1")), ("other", Some("b.1"))];

    let held = gone(&both, Evidence::Response);
    assert_eq!(ids(&held), kept);
    assert_eq!(reasons(&held), ["AliasUnresolved"]);
    assert_eq!((held.status.resolved, held.status.unresolved), (1, 1));
    let problem = &held.status.problems[0];
    assert_eq!((&*problem.alias, &*problem.reason), ("chat", "NotListed"));
    assert!(problem.message.ends_with(KEPT), "{}", problem.message);

    let failed = gone(&held, Evidence::LastGood);
    assert_eq!(ids(&failed), kept);
    assert!(failed.changes.is_empty());
    let confirmed = gone(&failed, Evidence::Response);
    assert_eq!(ids(&confirmed), [("chat", None), ("other", Some("b.1"))]);
    assert_eq!(reasons(&confirmed), ["AliasChanged"]);
    assert_eq!(confirmed.status.held_loss, None);
    assert!(!confirmed.status.problems[0].message.ends_with(KEPT));
    let after = gone(&confirmed, Evidence::Response);
    assert_eq!((ids(&after), after.changes.len()), (ids(&confirmed), 0));

    let back = settled(
        &aliases,
        &[("a.1", ""), ("b.1", "")],
        Some(&held),
        Evidence::Response,
    );
    assert_eq!((ids(&back), back.changes.len()), (kept.to_vec(), 0));
    let other_loss = settled(&aliases, &[], Some(&held), Evidence::Response);
    assert_eq!(ids(&other_loss), kept);
    let accepted = gone(&both, Evidence::Accepted);
    assert_eq!(ids(&accepted)[0], ("chat", None));
    assert_eq!(reasons(&accepted), ["AliasUnresolved"]);
}

#[test]
fn removed_alias_goes_and_the_next_end_of_life_is_that_of_a_chosen_model() {
    let aliases = [alias("chat", &["a.*"]), alias("other", &["b.1"])];
    let models = [
        ("a.1", "2026-06-01T00:00:05.1Z"),
        ("b.1", ""),
        ("c.1", "2026-06-01T00:00:01Z"),
    ];
    let both = settled(&aliases, &models, None, Evidence::Response);
    let end = both
        .status
        .next_end_of_life
        .as_ref()
        .map(|end| end.0.to_string());
    assert_eq!(end.as_deref(), Some("2026-06-01T00:00:06Z"));
    let one = settled(&aliases[1..], &models, Some(&both), Evidence::Accepted);
    assert_eq!(ids(&one), [("other", Some("b.1"))]);
    assert!(one.changes.is_empty() && one.status.next_end_of_life.is_none());
}

#[test]
fn lifecycle_and_reason_alone_change_nothing_and_come_with_the_next_id() {
    let aliases = [
        alias("chat", &["a.1"]),
        alias("none", &["c.1"]),
        alias("other", &["b.1", "b.2"]),
    ];
    let (end, past) = ("2027-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    let first = settled(
        &aliases,
        &[("a.1", ""), ("b.1", ""), ("b.2", "")],
        None,
        Evidence::Response,
    );
    let announced = settled(
        &aliases,
        &[("a.1", end), ("b.1", ""), ("b.2", ""), ("c.1", past)],
        Some(&first),
        Evidence::Response,
    );
    assert_eq!(announced.entries, first.entries);
    assert_eq!(announced.status.problems[0].reason, "EndOfLife");
    assert!(announced.status.next_end_of_life.is_some() && announced.changes.is_empty());
    let moved = settled(
        &aliases,
        &[("a.1", end), ("b.2", ""), ("c.1", past)],
        Some(&announced),
        Evidence::Response,
    );
    let chat = moved.entries["chat"].target().unwrap();
    assert_eq!(chat.lifecycle.as_ref().unwrap()["endOfLifeTime"], end);
    let none = serde_json::to_value(&moved.entries["none"]).unwrap();
    assert_eq!(none["reason"], "EndOfLife");
}

#[test]
fn many_unresolved_aliases_fit_into_the_status() {
    let long = "x".repeat(250);
    let aliases: Vec<Alias> = (0..64)
        .map(|n| {
            alias(
                &format!("{}{n}", "n".repeat(60)),
                &[&long, &long, &long, &long],
            )
        })
        .collect();
    let none = settled(&aliases, &[], None, Evidence::Response);
    assert_eq!(
        (none.status.unresolved, none.status.problems.len()),
        (64, NAMED)
    );
    let bytes = serde_json::to_vec(&none.status).unwrap().len();
    assert!(bytes * 64 < 300 * 1024, "{bytes}");
}

use serde_json::{Value, json};

use super::*;
use crate::bedrock::policy::InvocationPolicy;

/// A region's models, each changed by `edit`.
fn models(edit: impl Fn(&mut BTreeMap<&str, Value>)) -> Models {
    let mut models = BTreeMap::from([
        ("a.one", model(&["ON_DEMAND"], &[])),
        ("a.two", model(&["INFERENCE_PROFILE"], &["us.a.two"])),
    ]);
    edit(&mut models);
    let owned =
        |(id, model): (&str, Value)| (id.to_owned(), serde_json::from_value(model).unwrap());
    models.into_iter().map(owned).collect()
}

fn model(inference_types: &[&str], profiles: &[&str]) -> Value {
    let profiles: Vec<Value> = profiles
        .iter()
        .map(|id| json!({"inferenceProfileId": id, "type": "SYSTEM_DEFINED", "status": "ACTIVE"}))
        .collect();
    json!({
        "inferenceTypesSupported": inference_types,
        "modelLifecycle": {"status": "ACTIVE"},
        "referencedByInstanceProfiles": profiles,
    })
}

fn legacy(model: &mut Value) {
    model["modelLifecycle"] = json!({"status": "LEGACY", "endOfLifeTime": "2027-03-22T08:00:00Z"});
}

fn views<'a>(
    region: Option<&'a (&'static str, Models)>,
    policy: &'a InvocationPolicy,
) -> Regions<'a> {
    region
        .iter()
        .map(|(name, models)| (*name, RegionView::with_policy(models, policy)))
        .collect()
}

fn between(before: Option<&Models>, after: Option<&Models>) -> Changes {
    let of = |models: Option<&'_ Models>| models.map(|m| ("us-east-1", m.clone()));
    let (before, after) = (of(before), of(after));
    let policy = InvocationPolicy::default();
    changes(
        &views(before.as_ref(), &policy),
        &views(after.as_ref(), &policy),
    )
}

#[test]
fn each_change_of_a_region_is_reported_in_both_directions() {
    type Edit = fn(&mut BTreeMap<&str, Value>);
    let same: Edit = |_| {};
    // (edit, changes, changes of the reverse)
    let cases: [(Edit, &[&str], &[&str]); 9] = [
        (same, &[], &[]),
        (
            |m| drop(m.insert("a.three", model(&["ON_DEMAND"], &[]))),
            &["a.three added in us-east-1"],
            &["a.three removed in us-east-1"],
        ),
        (
            |m| legacy(m.get_mut("a.one").unwrap()),
            &["a.one is LEGACY until 2027-03-22, was ACTIVE, in us-east-1"],
            &["a.one is ACTIVE, was LEGACY until 2027-03-22, in us-east-1"],
        ),
        (
            |m| m.get_mut("a.one").unwrap()["modelLifecycle"] = json!(7),
            &["a.one is of unknown lifecycle, was ACTIVE, in us-east-1"],
            &["a.one is ACTIVE, was of unknown lifecycle, in us-east-1"],
        ),
        (
            |m| drop(m.insert("a.two", model(&["ON_DEMAND"], &["us.a.two"]))),
            &["a.two is invoked with a.two, was us.a.two, in us-east-1"],
            &["a.two is invoked with us.a.two, was a.two, in us-east-1"],
        ),
        (
            |m| drop(m.insert("a.two", model(&["PROVISIONED"], &[]))),
            &[
                "a.two is invoked with no id, was us.a.two, in us-east-1",
                "inference profile us.a.two removed in us-east-1",
            ],
            &[
                "a.two is invoked with us.a.two, was no id, in us-east-1",
                "inference profile us.a.two added in us-east-1",
            ],
        ),
        (
            // The profile does not change the ID to pass.
            |m| drop(m.insert("a.one", model(&["ON_DEMAND"], &["global.a.one"]))),
            &["inference profile global.a.one added in us-east-1"],
            &["inference profile global.a.one removed in us-east-1"],
        ),
        (
            // The name does not concern callers.
            |m| m.get_mut("a.one").unwrap()["modelName"] = json!("One"),
            &[],
            &[],
        ),
        (
            |m| {
                m.remove("a.one");
                legacy(m.get_mut("a.two").unwrap());
                m.insert("a.four", model(&[], &[]));
            },
            &[
                "a.one removed in us-east-1",
                "a.two is LEGACY until 2027-03-22, was ACTIVE, in us-east-1",
                "a.four added in us-east-1",
            ],
            &[
                "a.four removed in us-east-1",
                "a.two is ACTIVE, was LEGACY until 2027-03-22, in us-east-1",
                "a.one added in us-east-1",
            ],
        ),
    ];
    let before = models(same);
    for (case, (edit, done, undone)) in cases.into_iter().enumerate() {
        let after = models(edit);
        for (before, after, expected) in [(&before, &after, done), (&after, &before, undone)] {
            let changes = between(Some(before), Some(after));
            let lines: Vec<String> = changes.items.iter().map(Change::to_string).collect();
            assert_eq!(lines, expected, "case {case}");
        }
    }
}

#[test]
fn added_or_removed_region_is_one_change() {
    let region = models(|_| {});
    let line = |before, after| between(before, after).summary(usize::MAX);
    assert_eq!(
        line(None, Some(&region)),
        "models are published in us-east-1"
    );
    assert_eq!(
        line(Some(&region), None),
        "no model is published any more in us-east-1"
    );
    assert_eq!(line(None, None), "");
}

#[test]
fn same_change_in_many_regions_is_reported_once() {
    let (before, after) = (models(|_| {}), models(|m| drop(m.remove("a.one"))));
    let line = |count: usize| {
        let names: Vec<String> = (1..=count).map(|n| format!("xx-east-{n}")).collect();
        let policy = InvocationPolicy::default();
        let of = |models| {
            let view = RegionView::with_policy(models, &policy);
            names.iter().map(|name| (name.as_str(), view)).collect()
        };
        changes(&of(&before), &of(&after)).summary(usize::MAX)
    };
    assert_eq!(line(1), "a.one removed in xx-east-1");
    assert_eq!(line(2), "a.one removed in 2 regions (xx-east-1, xx-east-2)");
    assert_eq!(
        line(7),
        "a.one removed in 7 regions (xx-east-1, xx-east-2, xx-east-3, xx-east-4, xx-east-5, …)"
    );
}

#[test]
fn summary_stays_within_limit_and_counts_the_rest() {
    let before = models(|_| {});
    let names: Vec<String> = (0..100).map(|n| format!("b.model-{n:02}")).collect();
    let after = models(|m| {
        for name in &names {
            let name: &'static str = Box::leak(name.clone().into_boxed_str());
            m.insert(name, model(&[], &[]));
        }
    });
    let changes = between(Some(&before), Some(&after));
    for max in [30, 40, 100, 1000] {
        let summary = changes.summary(max);
        assert!(summary.len() <= max, "{max}: {summary}");
        let listed = summary.matches("added").count();
        assert!(
            summary.ends_with(&format!("; and {} more", 100 - listed)) || listed == 0,
            "{summary}"
        );
    }
    assert_eq!(changes.summary(30), "100 changes");
    assert_eq!(changes.summary(usize::MAX).matches("added").count(), 100);
}

#[test]
fn changes_round_trip_through_json() {
    let before = models(|_| {});
    let after = models(|m| {
        legacy(m.get_mut("a.one").unwrap());
        m.insert("a.two", model(&["PROVISIONED"], &[]));
    });
    let changes = between(Some(&before), Some(&after));
    let json = serde_json::to_value(&changes).unwrap();
    assert_eq!(
        json,
        json!([
            {"change": "LifecycleChanged", "model": "a.one", "before": {"status": "ACTIVE"},
             "after": {"status": "LEGACY", "endOfLifeTime": "2027-03-22T08:00:00Z"},
             "regions": ["us-east-1"]},
            {"change": "InvokeWithChanged", "model": "a.two", "before": "us.a.two",
             "regions": ["us-east-1"]},
            {"change": "ProfileRemoved", "profile": "us.a.two", "regions": ["us-east-1"]},
        ])
    );
    assert_eq!(serde_json::from_value::<Changes>(json).unwrap(), changes);
}

use serde_json::json;

use super::*;
use crate::api::{InvocationSpec, LegacyPolicy};
use crate::bedrock::invocation;
use crate::bedrock::model::{ModelSummary, Models};
use crate::bedrock::policy::InvocationPolicy;

const NOW: &str = "2026-06-01T00:00:00Z";

fn model(id: &str, types: &[&str], start: &str, end: &str) -> (String, ModelSummary) {
    let mut lifecycle = json!({"status": if end.is_empty() { "ACTIVE" } else { "LEGACY" }});
    for (field, time) in [("startOfLifeTime", start), ("endOfLifeTime", end)] {
        if !time.is_empty() {
            lifecycle[field] = json!(time);
        }
    }
    let item =
        json!({"modelId": id, "inferenceTypesSupported": types, "modelLifecycle": lifecycle});
    (id.to_owned(), ModelSummary::from_response(0, item).unwrap())
}

fn models() -> Models {
    let on_demand: &[&str] = &["ON_DEMAND"];
    Models::from([
        model("a.old-1", on_demand, "2024-01-01T00:00:00Z", NOW),
        model("a.new-9", on_demand, "2025-01-01T00:00:00Z", ""),
        model("a.new-10", on_demand, "2025-01-01T00:00:00Z", ""),
        model(
            "a.newest-1",
            on_demand,
            "2025-06-01T00:00:00Z",
            "2026-06-01T00:00:01Z",
        ),
        model("a.newest-2", &["PROVISIONED"], "2026-01-01T00:00:00Z", ""),
        model("a.undated-1", on_demand, "", "when it pleases"),
        model("b.profile-1", &["INFERENCE_PROFILE"], "", ""),
    ])
}

fn alias(candidates: &[&str]) -> Alias {
    Alias::from(&AliasSpec {
        name: "chat".into(),
        env: None,
        models: candidates.iter().map(|&text| text.into()).collect(),
    })
}

/// The chosen model, or the reason.
fn resolved(candidates: &[&str], policy: &InvocationSpec) -> Result<String, &'static str> {
    let models = models();
    let facts = invocation::facts("us-east-1", &models, &InvocationPolicy::from(policy));
    let listing = Listing::new(&facts, NOW.parse().unwrap());
    let target = listing.resolve(&alias(candidates));
    target.map(|t| t.model_id).map_err(UnresolvedReason::as_str)
}

#[test]
fn first_candidate_with_an_id_wins() {
    // (case, candidates, model or reason)
    let cases: &[(&str, &[&str], Result<&str, &str>)] = &[
        ("id", &["a.new-9"], Ok("a.new-9")),
        (
            "order of the spec",
            &["a.new-9", "a.newest-1"],
            Ok("a.new-9"),
        ),
        (
            "unlisted id is passed over",
            &["a.none", "a.new-9"],
            Ok("a.new-9"),
        ),
        ("id is compared as it is", &["A.new-9"], Err("NotListed")),
        ("part of an id", &["a.new"], Err("NotListed")),
        ("ended at this moment", &["a.old-1"], Err("EndOfLife")),
        ("ends in a second", &["a.newest-1"], Ok("a.newest-1")),
        ("end that is no time", &["a.undated-1"], Ok("a.undated-1")),
        ("latest start that has an id", &["a.*"], Ok("a.newest-1")),
        ("same start: greatest number", &["a.new-*"], Ok("a.new-10")),
        (
            "no start comes last",
            &["a.undated-?", "a.*"],
            Ok("a.undated-1"),
        ),
        ("any", &["*"], Ok("a.newest-1")),
        (
            "ended ones of a glob are left out",
            &["a.old-*", "a.new-?"],
            Ok("a.new-9"),
        ),
        ("no id", &["a.newest-2"], Err("ProvisionedOnly")),
        ("no profile", &["b.*"], Err("NoRoute")),
        (
            "reason of the first that is listed",
            &["x.*", "a.old-1", "b.*"],
            Err("EndOfLife"),
        ),
        ("nothing", &["x.*", "y"], Err("NotListed")),
    ];
    for (case, candidates, expected) in cases {
        let expected = expected.map(str::to_owned);
        assert_eq!(
            resolved(candidates, &InvocationSpec::default()),
            expected,
            "{case}"
        );
    }
}

#[test]
fn policy_decides_which_candidates_have_an_id() {
    let avoid = InvocationSpec {
        legacy: LegacyPolicy::Avoid,
        ..InvocationSpec::default()
    };
    let global = InvocationSpec {
        preference: vec![RouteKind::Global],
        ..InvocationSpec::default()
    };
    assert_eq!(resolved(&["a.*"], &avoid), Ok("a.new-10".into()));
    assert_eq!(resolved(&["a.newest-1"], &avoid), Err("Legacy"));
    assert_eq!(resolved(&["a.new-*"], &global), Err("KindNotAllowed"));
}

#[test]
fn explanation_names_the_candidates_and_the_nearest_model() {
    let models = models();
    let facts = invocation::facts("us-east-1", &models, &InvocationPolicy::default());
    let listing = Listing::new(&facts, NOW.parse().unwrap());
    let explained = |candidates: &[&str]| {
        Explanation {
            alias: &alias(candidates),
            listing: &listing,
        }
        .to_string()
    };
    assert_eq!(
        explained(&["a.newest-11", "zzz.*", "a.old-1", "b.profile-1"]),
        "a.newest-11 matches no listed model (nearest: a.newest-1); zzz.* matches no listed model; \
         a.old-1 has reached its end of life (2026-06-01T00:00:00Z); and 1 more"
    );
    assert_eq!(
        explained(&["b.*"]),
        "b.profile-1 has no ID to pass (NoRoute)"
    );
}

#[test]
fn next_end_of_life_is_the_first_of_the_chosen_models() {
    let models = models();
    let facts = invocation::facts("us-east-1", &models, &InvocationPolicy::default());
    let next = |now: &str, candidates: &[&str]| {
        let listing = Listing::new(&facts, NOW.parse().unwrap());
        let targets: Vec<AliasTarget> = candidates
            .iter()
            .map(|candidate| listing.resolve(&alias(&[candidate])).unwrap())
            .collect();
        let listing = Listing::new(&facts, now.parse().unwrap());
        listing
            .next_end_of_life(targets.iter())
            .map(|t| t.to_string())
    };
    let end = "2026-06-01T00:00:01Z";
    assert_eq!(next(NOW, &["a.new-9", "a.newest-1"]).as_deref(), Some(end));
    assert_eq!(next(NOW, &["a.new-9", "a.undated-1"]), None);
    assert_eq!(next(end, &["a.newest-1"]), None);
}

#[test]
fn reasons_round_trip() {
    let reasons = [
        UnresolvedReason::Candidate(CandidateReason::NotListed),
        UnresolvedReason::Candidate(CandidateReason::EndOfLife),
        UnresolvedReason::NoRoute(NoRouteReason::KindNotAllowed),
    ];
    for reason in reasons {
        let json = serde_json::to_value(reason).unwrap();
        assert_eq!(json, reason.as_str());
        assert_eq!(
            serde_json::from_value::<UnresolvedReason>(json).unwrap(),
            reason
        );
    }
}

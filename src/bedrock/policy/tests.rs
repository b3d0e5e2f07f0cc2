use super::*;

/// `us.m(us-east-1,us-east-2)`, `!eu.m(…)` if it is not ACTIVE, `app:team-a(…)` for an application
/// profile of that name.
fn profile(text: &str) -> ProfileFacts {
    let (active, text) = text
        .strip_prefix('!')
        .map_or((true, text), |rest| (false, rest));
    let (name, regions) = text.trim_end_matches(')').split_once('(').unwrap();
    let destination_regions = regions
        .split(',')
        .filter(|region| !region.is_empty())
        .map(str::to_owned)
        .collect();
    let status = if active { "ACTIVE" } else { "CREATING" }.to_owned();
    match name.strip_prefix("app:") {
        Some(name) => ProfileFacts {
            id: format!("id-of-{name}"),
            arn: Some(format!("arn:of:{name}")),
            name: Some(name.to_owned()),
            profile_type: "APPLICATION".to_owned(),
            status,
            geography: None,
            destination_regions,
        },
        None => ProfileFacts {
            id: name.to_owned(),
            arn: Some(format!("arn:of:{name}")),
            name: None,
            profile_type: "SYSTEM_DEFINED".to_owned(),
            status,
            geography: name
                .split_once('.')
                .map(|(geography, _)| geography.to_owned()),
            destination_regions,
        },
    }
}

fn policy(json: serde_json::Value) -> InvocationPolicy {
    InvocationPolicy::from(&serde_json::from_value::<InvocationSpec>(json).unwrap())
}

/// The id and the kind, or the reason. `model` lists `on-demand`, `provisioned`, `legacy`.
fn chosen(model: &str, profiles: &[&str], spec: &serde_json::Value) -> String {
    let profiles: Vec<_> = profiles.iter().map(|text| profile(text)).collect();
    let candidate = Candidate {
        region: "ca-central-1",
        model_id: "m",
        on_demand: model.contains("on-demand"),
        provisioned: model.contains("provisioned"),
        legacy: model.contains("legacy"),
        profiles: &profiles,
    };
    match choose(&candidate, &policy(spec.clone())) {
        Ok(route) => format!("{} {}", route.kind.as_str(), route.id),
        Err(reason) => reason.as_str().to_owned(),
    }
}

const US: &str = "us.m(us-east-1,us-east-2,us-west-2)";
const CA: &str = "ca.m(ca-central-1,ca-west-1)";
const APAC: &str = "apac.m(ap-east-1,ap-south-1,ap-southeast-1)";
const JP: &str = "jp.m(ap-northeast-1,ap-northeast-3)";
const GLOBAL: &str = "global.m(*)";
const WIDE: &str = "global.m(*,us-east-1)";
const TEAM_A: &str = "app:team-a(us-east-1)";
const TEAM_B: &str = "app:team-b(us-east-1)";

#[test]
fn default_policy_prefers_region_then_geography_then_global() {
    let default = serde_json::json!({});
    let cases: &[(&str, &[&str], &str)] = &[
        ("on-demand", &[US, GLOBAL], "InRegion m"),
        ("", &[US], "Geographic us.m"),
        ("", &[GLOBAL, US], "Geographic us.m"),
        ("", &[GLOBAL], "Global global.m"),
        ("", &[US, CA], "Geographic ca.m"),
        ("", &[APAC, JP], "Geographic jp.m"),
        (
            "",
            &["eu.m(eu-west-1)", "au.m(ap-southeast-2)"],
            "Geographic au.m",
        ),
        ("", &["!ca.m(ca-west-1)", US], "Geographic us.m"),
        ("", &["us-gov.m(us-gov-west-1)"], "Geographic us-gov.m"),
        ("", &[TEAM_A, GLOBAL], "Global global.m"),
        ("legacy on-demand", &[], "InRegion m"),
        ("", &[TEAM_A], "ApplicationOnly"),
        ("", &[TEAM_A, "!us.m(us-east-1)"], "ApplicationOnly"),
        ("provisioned", &[TEAM_A], "ApplicationOnly"),
        ("provisioned", &[], "ProvisionedOnly"),
        ("provisioned", &["!us.m(us-east-1)"], "ProvisionedOnly"),
        ("", &["!us.m(us-east-1)"], "ProfileNotActive"),
        ("", &[], "NoRoute"),
        ("", &["us.m()"], "Geographic us.m"),
    ];
    for (model, profiles, expected) in cases {
        assert_eq!(
            chosen(model, profiles, &default),
            *expected,
            "{model} {profiles:?}"
        );
    }
}

#[test]
fn preference_orders_kinds_and_leaves_out_those_not_listed() {
    let all: &[&str] = &[US, GLOBAL, TEAM_A];
    let cases: &[(&[&str], &str, &[&str], &str)] = &[
        (&["InRegion"], "on-demand", all, "InRegion m"),
        (&["Geographic"], "on-demand", all, "Geographic us.m"),
        (&["Global"], "on-demand", all, "Global global.m"),
        (
            &["Application"],
            "on-demand",
            all,
            "Application arn:of:team-a",
        ),
        (
            &["Global", "Geographic"],
            "on-demand",
            all,
            "Global global.m",
        ),
        (
            &["Application", "InRegion"],
            "on-demand",
            &[US],
            "InRegion m",
        ),
        (&["InRegion"], "", all, "KindNotAllowed"),
        (&["Geographic"], "", &[GLOBAL], "KindNotAllowed"),
        (&["Global"], "on-demand", &[], "KindNotAllowed"),
        (&["Geographic"], "", &[TEAM_A], "ApplicationOnly"),
        (
            &["Application"],
            "",
            &["!app:team-a(us-east-1)"],
            "ApplicationOnly",
        ),
        (&["Application"], "", &[US], "KindNotAllowed"),
    ];
    for (preference, model, profiles, expected) in cases {
        let spec = serde_json::json!({ "preference": preference });
        assert_eq!(
            chosen(model, profiles, &spec),
            *expected,
            "{preference:?} {model} {profiles:?}"
        );
    }
}

#[test]
fn route_is_chosen_only_if_every_destination_is_allowed() {
    let cases: &[(&[&str], &str, &[&str], &str)] = &[
        (&["us-*"], "", &[US, GLOBAL], "Geographic us.m"),
        (
            &["us-east-1", "us-west-2"],
            "",
            &[US],
            "DestinationNotAllowed",
        ),
        (&["ca-*"], "on-demand", &[US], "InRegion m"),
        (&["us-*"], "on-demand", &[US], "Geographic us.m"),
        (&["us-*"], "on-demand", &[], "DestinationNotAllowed"),
        (&["ca-*"], "", &[US, CA, GLOBAL], "Geographic ca.m"),
        (&["eu-*"], "", &[GLOBAL], "DestinationNotAllowed"),
        (&["*-*"], "", &[GLOBAL], "DestinationNotAllowed"),
        (&["*"], "", &[GLOBAL], "Global global.m"),
        (&["*"], "", &[WIDE], "Global global.m"),
        (&["us-*"], "", &[WIDE], "DestinationNotAllowed"),
        (&["??-central-?"], "on-demand", &[], "InRegion m"),
        // A profile that names no destination may run anywhere.
        (&["us-*"], "", &["us.m()"], "DestinationNotAllowed"),
        (&["us-*"], "provisioned", &[], "ProvisionedOnly"),
    ];
    for (allowed, model, profiles, expected) in cases {
        let spec = serde_json::json!({ "allowedDestinationRegions": allowed });
        assert_eq!(
            chosen(model, profiles, &spec),
            *expected,
            "{allowed:?} {model} {profiles:?}"
        );
    }
}

#[test]
fn forbidden_destination_of_a_listed_kind_explains_more_than_an_unlisted_kind() {
    let spec = serde_json::json!({
        "preference": ["Geographic"], "allowedDestinationRegions": ["eu-*"]
    });
    assert_eq!(chosen("on-demand", &[US], &spec), "DestinationNotAllowed");
    assert_eq!(chosen("on-demand", &[], &spec), "KindNotAllowed");
}

#[test]
fn application_profiles_are_chosen_by_name_and_passed_by_arn() {
    let named = |globs: &[&str]| {
        serde_json::json!({
            "preference": ["Application", "Geographic"], "applicationProfiles": globs
        })
    };
    let cases: &[(&[&str], &[&str], &str)] = &[
        (
            &["team-a*"],
            &[TEAM_B, TEAM_A, US],
            "Application arn:of:team-a",
        ),
        (
            &["team-b"],
            &[TEAM_B, TEAM_A, US],
            "Application arn:of:team-b",
        ),
        (&["team-*"], &[TEAM_B, TEAM_A], "Application arn:of:team-a"),
        (&["other"], &[TEAM_A, US], "Geographic us.m"),
        (&["other"], &[TEAM_A], "ApplicationOnly"),
        (
            &["Ünïcode (x)"],
            &["app:Ünïcode (x(us-east-1)"],
            "ApplicationOnly",
        ),
    ];
    for (globs, profiles, expected) in cases {
        assert_eq!(
            chosen("", profiles, &named(globs)),
            *expected,
            "{globs:?} {profiles:?}"
        );
    }
    let fewer = &["app:z(us-east-1)", "app:a(us-east-1,us-east-2)"];
    assert_eq!(chosen("", fewer, &named(&["*"])), "Application arn:of:z");
}

#[test]
fn legacy_models_get_no_id_if_the_policy_avoids_them() {
    let avoid = serde_json::json!({ "legacy": "Avoid", "allowedDestinationRegions": ["eu-*"] });
    assert_eq!(chosen("legacy on-demand", &[US], &avoid), "Legacy");
    assert_eq!(chosen("legacy", &[], &avoid), "Legacy");
    assert_eq!(chosen("on-demand", &[US], &avoid), "DestinationNotAllowed");
}

use super::*;
use crate::bedrock::glob::Glob;

/// `us-east-1 m` on demand, `us-east-1 m us.m(us-east-1,us-west-2)` through a profile.
fn grant(text: &str) -> Grant {
    let mut parts = text.split(' ');
    let region = parts.next().unwrap().to_owned();
    let model_id = parts.next().unwrap().to_owned();
    let profile = parts.next().map(|profile| {
        let (id, destinations) = profile.trim_end_matches(')').split_once('(').unwrap();
        GrantedProfile {
            arn: profile_arn(&region, id),
            destinations: destinations.split(',').map(str::to_owned).collect(),
        }
    });
    Grant {
        region,
        model_id,
        profile,
    }
}

fn profile_arn(region: &str, id: &str) -> String {
    let partition = partition_of(region);
    format!("arn:{partition}:bedrock:{region}:111122223333:inference-profile/{id}")
}

fn policies(grants: &[&str]) -> Policies {
    Policies::new(&grants.iter().map(|text| grant(text)).collect())
}

/// What IAM compares with a policy, for one of the requests that a call makes.
#[derive(Debug)]
struct Request<'a> {
    resource: &'a str,
    requested_region: &'a str,
    profile: Option<&'a str>,
}

/// Whether the policies allow to invoke the resource, as IAM evaluates them.
fn allows(policies: &Policies, request: &Request<'_>) -> bool {
    let value = |key: &str| match key {
        PROFILE_KEY => request.profile,
        REGION_KEY => Some(request.requested_region),
        other => panic!("unknown key {other}"),
    };
    let allowed_by = |statement: &Statement| {
        INVOKE
            .iter()
            .all(|action| statement.action.contains(action))
            && statement
                .resource
                .iter()
                .any(|pattern| Glob::new(pattern).is_match(request.resource))
            && statement
                .conditions()
                .all(|(key, values)| value(key).is_some_and(|value| values.contains(value)))
    };
    let mut documents = policies.documents.iter();
    documents.any(|document| document.statements().iter().any(allowed_by))
}

/// The requests that IAM evaluates when a caller passes the ID of the grant.
fn assert_granted(policies: &Policies, grant: &Grant) {
    let model = |region: &str| model_arn(region, grant);
    let check = |resource: &str, requested_region: &str, profile: Option<&str>| {
        let request = Request {
            resource,
            requested_region,
            profile,
        };
        assert!(allows(policies, &request), "{request:?}");
    };
    let Some(profile) = &grant.profile else {
        return check(&model(&grant.region), &grant.region, None);
    };
    let through = Some(profile.arn.as_str());
    check(&profile.arn, &grant.region, None);
    check(&model(&grant.region), &grant.region, through);
    for destination in &profile.destinations {
        match destination.as_str() {
            ANY_REGION => check(&model(""), UNSPECIFIED, through),
            region => check(&model(region), region, through),
        }
    }
}

#[test]
fn profile_is_granted_with_its_model_in_source_and_destinations() {
    let policies = policies(&[
        "eu-west-2 anthropic.m eu.anthropic.m(eu-central-1,eu-west-1)",
        "eu-west-2 anthropic.m2 global.anthropic.m2(*)",
        "eu-west-2 amazon.n",
    ]);
    let json = serde_json::to_value(&policies.documents).unwrap();
    let eu = profile_arn("eu-west-2", "eu.anthropic.m");
    let global = profile_arn("eu-west-2", "global.anthropic.m2");
    let expected = serde_json::json!([{
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "InvokeModelsInRegion",
                "Effect": "Allow",
                "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
                "Resource": ["arn:aws:bedrock:eu-west-2::foundation-model/amazon.n"],
            },
            {
                "Sid": "InvokeInferenceProfiles",
                "Effect": "Allow",
                "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:GetInferenceProfile"],
                "Resource": [eu, global],
            },
            {
                "Sid": "InvokeModelsOfInferenceProfiles",
                "Effect": "Allow",
                "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
                "Resource": [
                    "arn:aws:bedrock:eu-central-1::foundation-model/anthropic.m",
                    "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.m",
                    "arn:aws:bedrock:eu-west-2::foundation-model/anthropic.m",
                    "arn:aws:bedrock:eu-west-2::foundation-model/anthropic.m2",
                ],
                "Condition": {"StringEquals": {"bedrock:InferenceProfileArn": [eu, global]}},
            },
            {
                "Sid": "InvokeModelsOfGlobalInferenceProfiles",
                "Effect": "Allow",
                "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
                "Resource": ["arn:aws:bedrock:::foundation-model/anthropic.m2"],
                "Condition": {"StringEquals": {
                    "aws:RequestedRegion": ["unspecified"],
                    "bedrock:InferenceProfileArn": [global],
                }},
            },
        ],
    }]);
    assert_eq!(json, expected);
    assert_eq!(policies.precision, Precision::Exact);
}

#[test]
fn arns_have_the_partition_of_the_region() {
    let cases = [
        (
            "us-gov-west-1 m us-gov.m(us-gov-east-1)",
            "arn:aws-us-gov:bedrock:us-gov-east-1::foundation-model/m",
        ),
        (
            "cn-north-1 m",
            "arn:aws-cn:bedrock:cn-north-1::foundation-model/m",
        ),
        (
            "eu-west-1 m",
            "arn:aws:bedrock:eu-west-1::foundation-model/m",
        ),
    ];
    for (grant, arn) in cases {
        let policies = policies(&[grant]);
        let mut statements = policies.documents[0].statements().iter();
        assert!(statements.any(|s| s.resource.contains(arn)), "{grant}");
    }
}

#[test]
fn other_requests_are_denied() {
    let policies = policies(&[
        "eu-west-2 m eu.m(eu-central-1)",
        "eu-west-2 g global.g(*)",
        "eu-west-2 d",
    ]);
    let eu = profile_arn("eu-west-2", "eu.m");
    let global = profile_arn("eu-west-2", "global.g");
    let other = profile_arn("eu-west-2", "eu.d");
    let model = |region: &str, id: &str| format!("arn:aws:bedrock:{region}::foundation-model/{id}");
    let cases = [
        (
            "a model without its profile",
            model("eu-west-2", "m"),
            "eu-west-2",
            None,
        ),
        (
            "a model through another profile",
            model("eu-west-2", "m"),
            "eu-west-2",
            Some(&other),
        ),
        (
            "another destination",
            model("us-east-1", "m"),
            "us-east-1",
            Some(&eu),
        ),
        (
            "any region through a geography's profile",
            model("", "g"),
            UNSPECIFIED,
            Some(&eu),
        ),
        (
            "any region with a region's name",
            model("", "g"),
            "eu-west-2",
            Some(&global),
        ),
        (
            "an on-demand model elsewhere",
            model("eu-west-1", "d"),
            "eu-west-1",
            None,
        ),
        ("another model", model("eu-west-2", "d2"), "eu-west-2", None),
        ("another profile", other.clone(), "eu-west-2", None),
        (
            "the profile of another region",
            profile_arn("eu-west-1", "eu.m"),
            "eu-west-1",
            None,
        ),
    ];
    for (case, resource, requested_region, profile) in cases {
        let request = Request {
            resource: &resource,
            requested_region,
            profile: profile.map(String::as_str),
        };
        assert!(!allows(&policies, &request), "{case}");
    }
}

/// As many models as given, each through a profile of twelve regions.
fn many(models: usize) -> BTreeSet<Grant> {
    let regions: Vec<_> = (1..=12).map(|n| format!("eu-north-{n}")).collect();
    (0..models)
        .map(|n| {
            let id = format!("vendor.model-of-some-length-{n:03}-v1:0");
            grant(&format!("eu-north-1 {id} eu.{id}({})", regions.join(",")))
        })
        .collect()
}

#[test]
fn policies_stay_below_the_limit_and_grant_everything() {
    let cases = [
        (1, Precision::Exact, 1),
        (4, Precision::Exact, 1),
        (10, Precision::AnyRegion, 1),
        (100, Precision::AnyRegion, 5),
    ];
    for (models, precision, documents) in cases {
        let grants = many(models);
        let policies = Policies::new(&grants);
        assert_eq!(policies.precision, precision, "{models}");
        assert_eq!(policies.documents.len(), documents, "{models}");
        for document in &policies.documents {
            assert!(document.characters() <= MAX_POLICY_CHARACTERS, "{models}");
        }
        for grant in &grants {
            assert_granted(&policies, grant);
        }
    }
}

#[test]
fn wildcard_region_is_granted_through_chosen_profiles_only() {
    let policies = Policies::new(&many(10));
    assert_eq!(policies.precision, Precision::AnyRegion);
    let id = "vendor.model-of-some-length-000-v1:0";
    let other = profile_arn("eu-north-1", &format!("us.{id}"));
    for profile in [None, Some(other.as_str())] {
        let request = Request {
            resource: &format!("arn:aws:bedrock:eu-north-1::foundation-model/{id}"),
            requested_region: "eu-north-1",
            profile,
        };
        assert!(!allows(&policies, &request), "{profile:?}");
    }
}

//! The notations in which people write down a model: what stands in their configuration today.

use crate::bedrock::region::is_region;

/// What a text refers to, without the decoration of gateways and ARNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// A model ID, a profile ID, a glob or a name.
    Text(&'a str),
    /// The ARN of a foundation model, by its model ID.
    Model(&'a str),
    /// The ARN of an inference profile of either type, and the profile ID in it.
    Profile {
        /// The whole ARN.
        arn: &'a str,
        /// The part after the last `/`.
        id: &'a str,
    },
}

/// What gateways and SDKs write before the ID: LiteLLM, LangChain, Vercel, Spring AI and others.
const PREFIXES: [&str; 4] = [
    "bedrock/",
    "bedrock_converse:",
    "bedrock_converse/",
    "bedrock:",
];
/// What LiteLLM writes between `bedrock/` and the ID.
const ROUTES: [&str; 3] = ["converse/", "invoke/", "converse_like/"];

impl<'a> Reference<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = undecorated(text.trim());
        if !text.starts_with("arn:") {
            return Self::Text(text);
        }
        // arn:PARTITION:bedrock:REGION:ACCOUNT:RESOURCE
        let resource = text.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split_once('/') {
            Some(("foundation-model", id)) => Self::Model(id),
            Some(("inference-profile" | "application-inference-profile", id)) => {
                Self::Profile { arn: text, id }
            }
            Some(_) | None => Self::Text(text),
        }
    }
}

fn undecorated(text: &str) -> &str {
    let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) else {
        return text;
    };
    let rest = ROUTES
        .iter()
        .find_map(|route| rest.strip_prefix(route))
        .unwrap_or(rest);
    match rest.split_once('/') {
        Some((region, id)) if is_region(region) => id,
        Some(_) | None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoration_of_gateways_is_taken_off() {
        let id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
        for text in [
            id.to_owned(),
            format!(" {id}\n"),
            format!("bedrock/{id}"),
            format!("bedrock/converse/{id}"),
            format!("bedrock/invoke/{id}"),
            format!("bedrock/us-east-1/{id}"),
            format!("bedrock/converse/us-east-1/{id}"),
            format!("bedrock_converse:{id}"),
            format!("bedrock_converse/{id}"),
            format!("bedrock:{id}"),
        ] {
            assert_eq!(Reference::new(&text), Reference::Text(id), "{text:?}");
        }
    }

    #[test]
    fn arns_name_models_and_profiles() {
        let application =
            "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/aya2so0aua02";
        let system =
            "arn:aws-us-gov:bedrock:us-gov-west-1:111122223333:inference-profile/us-gov.m:0";
        let cases = [
            (
                "arn:aws:bedrock:us-east-1::foundation-model/a.m-v1:0",
                Reference::Model("a.m-v1:0"),
            ),
            (
                "arn:aws:bedrock:::foundation-model/a.m",
                Reference::Model("a.m"),
            ),
            (
                application,
                Reference::Profile {
                    arn: application,
                    id: "aya2so0aua02",
                },
            ),
            (
                system,
                Reference::Profile {
                    arn: system,
                    id: "us-gov.m:0",
                },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Reference::new(text), expected, "{text}");
        }
        let decorated = format!("bedrock/converse/{application}");
        assert!(matches!(
            Reference::new(&decorated),
            Reference::Profile { .. }
        ));
        for nonsense in [
            "arn:",
            "arn:aws:bedrock",
            "arn:aws:bedrock:us-east-1:1:imported-model/x",
            "",
        ] {
            assert_eq!(
                Reference::new(nonsense),
                Reference::Text(nonsense),
                "{nonsense}"
            );
        }
    }
}

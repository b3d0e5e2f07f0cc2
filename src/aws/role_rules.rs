//! Rules that permit namespaces to use roles.

use std::str::FromStr;

use crate::bedrock::glob::Glob;

use crate::api::{AttemptError, ErrorCode};
use crate::aws::identity::{Identity, RoleArn};

/// The rules of the operator's configuration. Without a rule no role is permitted.
#[derive(Clone, Debug, Default)]
pub struct RoleRules(Vec<RoleRule>);

impl RoleRules {
    /// Whether resources of the namespace may use the role.
    pub fn is_permitted(&self, namespace: &str, role: &RoleArn) -> bool {
        self.0.iter().any(|rule| rule.permits(namespace, role))
    }

    /// Refuses an identity that resources of the namespace may not use.
    pub fn check(&self, namespace: &str, identity: &Identity) -> Result<(), AttemptError> {
        match identity {
            Identity::Own => Ok(()),
            Identity::Role(role) if self.is_permitted(namespace, &role.arn) => Ok(()),
            Identity::Role(role) => {
                let arn = &role.arn;
                let message = format!(
                    "spec.aws.roleArn: the operator does not permit namespace {namespace} to use {arn}; its administrator can (--allow-role {namespace}={arn})"
                );
                Err(AttemptError::new(ErrorCode::RoleNotAllowed, message))
            }
        }
    }
}

impl From<Vec<RoleRule>> for RoleRules {
    fn from(rules: Vec<RoleRule>) -> Self {
        Self(rules)
    }
}

/// A rule, written `NAMESPACE=ARN-GLOB`.
#[derive(Clone, Debug)]
pub struct RoleRule {
    namespace: Namespaces,
    partition: Glob,
    account: Glob,
    path: Vec<Glob>,
}

/// The namespaces of a rule. A glob on names would also permit a namespace that is created later with
/// a matching name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Namespaces {
    All,
    Named(String),
}

/// Text that is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleRuleError {
    /// The `=` is missing.
    #[error(
        "{0:?} must be NAMESPACE=ARN-GLOB, such as team-a=arn:aws:iam::123456789012:role/bedrock-*"
    )]
    NoNamespace(String),
    /// The text before the `=` is not a namespace.
    #[error(
        "{0:?} is neither the name of a namespace (lower-case letters, digits and -, at most 63) nor * for all namespaces"
    )]
    Namespace(String),
    /// The text after the `=` is not a glob of role ARNs.
    #[error(
        "{0:?} is not a glob of role ARNs, such as arn:aws:iam::123456789012:role/bedrock-*: six parts separated by colons, of which the last begins with role/; * and ? match within one part; no part of the path is empty, . or .."
    )]
    Glob(String),
}

impl RoleRule {
    fn permits(&self, namespace: &str, role: &RoleArn) -> bool {
        let is_named = match &self.namespace {
            Namespaces::All => true,
            Namespaces::Named(name) => name == namespace,
        };
        is_named
            && self.partition.is_match(role.partition())
            && self.account.is_match(role.account())
            && self.path.len() == role.path().len()
            && self
                .path
                .iter()
                .zip(role.path())
                .all(|(glob, part)| glob.is_match(part))
    }
}

impl FromStr for RoleRule {
    type Err = RoleRuleError;

    /// `*` and `?` match within one part of the ARN, between two colons or, in the role's path, between
    /// two slashes.
    fn from_str(text: &str) -> Result<Self, RoleRuleError> {
        let (namespace, arn) = text
            .split_once('=')
            .ok_or_else(|| RoleRuleError::NoNamespace(text.to_owned()))?;
        let namespace = match namespace {
            "*" => Namespaces::All,
            name if is_namespace(name) => Namespaces::Named(name.to_owned()),
            other => return Err(RoleRuleError::Namespace(other.to_owned())),
        };
        let invalid = || RoleRuleError::Glob(arn.to_owned());
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
            return Err(invalid());
        };
        let path = resource.strip_prefix("role/").ok_or_else(invalid)?;
        let glob = |part: &str| part_glob(part).ok_or_else(invalid);
        Ok(Self {
            namespace,
            partition: glob(partition)?,
            account: glob(account)?,
            path: path.split('/').map(glob).collect::<Result<_, _>>()?,
        })
    }
}

/// A glob on one part. Only `*` and `?` have a meaning: ARNs have no other characters of globs.
fn part_glob(part: &str) -> Option<Glob> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-*?".contains(&b);
    let is_part = !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_allowed);
    is_part.then(|| Glob::new(part))
}

/// Whether the name can be a namespace's (RFC 1123 label).
fn is_namespace(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: &str = "arn:aws:iam::123456789012:role/bedrock-reader";

    const OTHER: &str = "arn:aws:iam::210987654321:role/bedrock-reader";
    const GOV: &str = "arn:aws-us-gov:iam::123456789012:role/bedrock-reader";
    const DEEP: &str = "arn:aws:iam::123456789012:role/bedrock-team/admin";

    fn permits(rules: &[&str], namespace: &str, arn: &str) -> bool {
        let rules: Vec<RoleRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let role = arn.parse().unwrap();
        RoleRules::from(rules).is_permitted(namespace, &role)
    }

    #[test]
    fn glob_matches_within_parts_of_the_arn() {
        let cases = [
            // A glob matches the whole name.
            (
                "arn:aws:iam::123456789012:role/bedrock-reader",
                READER,
                true,
            ),
            (
                "arn:aws:iam::123456789012:role/bedrock-reader",
                OTHER,
                false,
            ),
            ("arn:aws:iam::123456789012:role/bedrock-reader", GOV, false),
            ("arn:aws:iam::123456789012:role/bedrock", READER, false),
            ("arn:aws:iam::123456789012:role/reader", READER, false),
            (
                "arn:aws:iam::123456789012:role/Bedrock-Reader",
                READER,
                false,
            ),
            ("arn:aws:iam::123456789012:role/bedrock-*", READER, true),
            ("arn:aws:iam::123456789012:role/*", READER, true),
            (
                "arn:aws:iam::123456789012:role/bedrock-reade?",
                READER,
                true,
            ),
            (
                "arn:aws:iam::123456789012:role/bedrock-read?",
                READER,
                false,
            ),
            // A star stays between its slashes.
            ("arn:aws:iam::123456789012:role/bedrock-*", DEEP, false),
            ("arn:aws:iam::123456789012:role/*", DEEP, false),
            ("arn:aws:iam::123456789012:role/**", DEEP, false),
            ("arn:aws:iam::123456789012:role/*/*", DEEP, true),
            ("arn:aws:iam::123456789012:role/*/admin", DEEP, true),
            ("arn:aws:iam::123456789012:role/*/*", READER, false),
            // And between its colons.
            ("arn:aws:iam::*:role/bedrock-reader", OTHER, true),
            ("arn:aws:iam::*:role/bedrock-reader", GOV, false),
            ("arn:aws*:iam::*:role/bedrock-reader", GOV, true),
            ("arn:*:iam::123456789012:role/bedrock-reader", GOV, true),
            ("arn:*:iam::123456789012:role/bedrock-reader", OTHER, false),
        ];
        for (glob, arn, expected) in cases {
            let rule = format!("team-a={glob}");
            assert_eq!(permits(&[&rule], "team-a", arn), expected, "{glob} {arn}");
        }
    }

    #[test]
    fn rule_applies_to_its_namespace_only() {
        let to = |namespace: &str, arn: &str| format!("{namespace}={arn}");
        let (named, all) = (to("team-a", READER), to("*", READER));
        let (shorter, elsewhere) = (to("team", READER), to("team-a", OTHER));
        let cases: [(&[&str], &str, bool); 8] = [
            (&[], "team-a", false),
            (&[&named], "team-a", true),
            (&[&named], "team-b", false),
            (&[&named], "team-a2", false),
            (&[&shorter], "team-a", false),
            (&[&all], "any", true),
            (&[&elsewhere, &named], "team-a", true),
            (&[&elsewhere, &shorter], "team-a", false),
        ];
        for (rules, namespace, expected) in cases {
            assert_eq!(
                permits(rules, namespace, READER),
                expected,
                "{rules:?} {namespace}"
            );
        }
    }

    #[test]
    fn rejects_malformed_role_rules() {
        let no_namespace = ["", "team-a", READER, "b"];
        for text in no_namespace {
            let error = text.parse::<RoleRule>().unwrap_err();
            assert!(matches!(error, RoleRuleError::NoNamespace(_)), "{text}");
        }
        for namespace in [
            "",
            "Team",
            "team_a",
            "team-*",
            "-a",
            "a-",
            "a.b",
            " a",
            "**",
            &"a".repeat(64),
        ] {
            let error = format!("{namespace}={READER}")
                .parse::<RoleRule>()
                .unwrap_err();
            assert_eq!(error, RoleRuleError::Namespace(namespace.to_owned()));
        }
        for glob in [
            "",
            "*",
            "bedrock-reader",
            "role/bedrock-reader",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:*",
            "arn:aws:iam::123456789012:user/*",
            "arn:aws:iam::*",
            "arn:aws:*:role/reader",
            "arn:aws:iam:*:123456789012:role/reader",
            "arn:aws:sts::123456789012:role/reader",
            "*:aws:iam::123456789012:role/reader",
            "arn:aws:iam::123456789012:role/a/../reader",
            "arn:aws:iam::123456789012:role/a//reader",
            "arn:aws:iam::123456789012:role/[ab]",
            "arn:aws:iam::123456789012:role/{a,b}",
            "arn:aws:iam::123456789012:role/a\\*",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/reader ",
            "arn:aws:iam::123456789012:role/ä",
        ] {
            let error = format!("team-a={glob}").parse::<RoleRule>().unwrap_err();
            assert_eq!(error, RoleRuleError::Glob(glob.to_owned()));
        }
    }
}

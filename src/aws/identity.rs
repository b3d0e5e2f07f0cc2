//! The identities that call AWS.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::bedrock::region::{is_region, partition_of};
use crate::digest::sha256_hex;

/// The longest session name that STS accepts.
const MAX_SESSION_NAME: usize = 64;

/// Cache partition: identities never share responses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The credentials that the SDK's default chain finds.
    #[default]
    Own,
    /// A role assumed with them.
    Role(Arc<Role>),
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Role {
    /// The role's ARN.
    pub arn: RoleArn,
    /// The external id of the role's trust policy. A part of the identity: a caller without it gets no
    /// response of one that has it.
    pub external_id: Option<ExternalId>,
}

/// An identity that calls AWS, with the session name under which `CloudTrail` records a role's use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The default credentials.
    #[default]
    Own,
    /// A role in a session.
    Session {
        /// The role assumed.
        role: Arc<Role>,
        /// The session's name.
        name: String,
    },
}

impl Caller {
    /// The caller for a resource with this identity.
    pub fn from_resource(identity: &Identity, namespace: &str, name: &str) -> Self {
        match identity {
            Identity::Own => Self::Own,
            Identity::Role(role) => Self::Session {
                role: Arc::clone(role),
                name: session_name(namespace, name),
            },
        }
    }

    /// The identity, whose callers share responses.
    pub fn identity(&self) -> Identity {
        match self {
            Self::Own => Identity::Own,
            Self::Session { role, .. } => Identity::Role(Arc::clone(role)),
        }
    }
}

/// The external id that a role's trust policy requires. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(String);

impl FromStr for ExternalId {
    type Err = IdentityError;

    /// Accepts 2 to 1224 characters of those that STS accepts.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@:/_-".contains(c);
        if (2..=1224).contains(&text.len()) && text.chars().all(is_allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdentityError::ExternalId)
    }
}

impl ExternalId {
    /// The id, for STS only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExternalId(…)")
    }
}

/// An identity that cannot exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The text is not the ARN of a role.
    #[error(
        "{0:?} is not the ARN of an IAM role, such as arn:aws:iam::123456789012:role/bedrock-reader"
    )]
    RoleArn(String),
    /// STS does not accept the external id.
    #[error("the external id must have 2 to 1224 letters, digits and + = , . @ : / _ -")]
    ExternalId,
}

/// The parsed ARN of an IAM role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn {
    text: String,
    partition: String,
    account: String,
    /// After `role/`: the parts of the path and the name.
    path: Vec<String>,
}

impl FromStr for RoleArn {
    type Err = IdentityError;

    /// Parses `arn:<partition>:iam::<account>:role/<path and name>`. Empty parts of the path, `.` and
    /// `..` are refused because they resemble another path.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let invalid = || IdentityError::RoleArn(text.chars().take(100).collect());
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
            return Err(invalid());
        };
        let path = resource.strip_prefix("role/").ok_or_else(invalid)?;
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        let is_partition = partition.starts_with("aws")
            && partition
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'-');
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !(is_partition && is_account && path.iter().all(|p| is_path_part(p)))
            || text.len() > 2048
        {
            return Err(invalid());
        }
        Ok(Self {
            text: text.to_owned(),
            partition: (*partition).to_owned(),
            account: (*account).to_owned(),
            path,
        })
    }
}

impl RoleArn {
    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition, such as `aws` or `aws-us-gov`, which has its own regions and endpoints.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The account's ID, twelve digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The parts of the role's path, the last of them its name.
    pub fn path(&self) -> &[String] {
        &self.path
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_path_part(part: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_allowed)
}

/// The region whose STS gives credentials of a role of this partition: the home region if it is in
/// the partition.
pub(crate) fn sts_region(partition: &str, home_region: Option<&str>) -> String {
    let home = home_region.filter(|home| is_region(home) && partition_of(home) == partition);
    home.unwrap_or(match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-eusc" => "eusc-de-east-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-iso-f" => "us-isof-south-1",
        _ => "us-east-1",
    })
    .to_owned()
}

/// The session name of a resource: `<namespace>@<name>`. A longer one than STS accepts is cut and ends
/// with `+` and half of its SHA-256. Names and namespaces have no `+`, so the session name is unique.
fn session_name(namespace: &str, name: &str) -> String {
    let full = format!("{namespace}@{name}");
    if full.len() <= MAX_SESSION_NAME {
        return full;
    }
    let mut hash = sha256_hex(full.as_bytes());
    hash.truncate(32);
    let start: String = full
        .chars()
        .take(MAX_SESSION_NAME - 1 - hash.len())
        .collect();
    format!("{start}+{hash}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn role_arn_parses_only_arns_of_roles() {
        let good = [
            ("arn:aws:iam::123456789012:role/reader", "aws", 1),
            (
                "arn:aws-us-gov:iam::123456789012:role/reader",
                "aws-us-gov",
                1,
            ),
            (
                "arn:aws-cn:iam::123456789012:role/team-a/b/reader",
                "aws-cn",
                3,
            ),
            ("arn:aws:iam::123456789012:role/a+b=c,d.e@f_g-H", "aws", 1),
        ];
        for (text, partition, parts) in good {
            let arn = text.parse::<RoleArn>().unwrap();
            assert_eq!(arn.as_str(), text);
            assert_eq!((arn.partition(), arn.path().len()), (partition, parts));
            assert_eq!(arn.account(), "123456789012");
        }
        let long = format!("arn:aws:iam::123456789012:role/{}", "a".repeat(2048));
        for bad in [
            "",
            "arn",
            "reader",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:user/reader",
            "arn:aws:iam::12345678901:role/reader",
            "arn:aws:iam::1234567890123:role/reader",
            "arn:aws:iam::12345678901x:role/reader",
            "arn:aws:iam:us-east-1:123456789012:role/reader",
            "arn:aws:sts::123456789012:role/reader",
            "arn:AWS:iam::123456789012:role/reader",
            "arn:evil:iam::123456789012:role/reader",
            "arn:aws:iam::123456789012:role/a/../reader",
            "arn:aws:iam::123456789012:role/./reader",
            "arn:aws:iam::123456789012:role/a//reader",
            "arn:aws:iam::123456789012:role//reader",
            "arn:aws:iam::123456789012:role/a/",
            "arn:aws:iam::123456789012:role/a:b",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:iam::123456789012:role/réader",
            "arn:aws:iam::123456789012:role/reader\n",
            " arn:aws:iam::123456789012:role/reader",
            long.as_str(),
        ] {
            assert!(bad.parse::<RoleArn>().is_err(), "{bad:.80}");
        }
    }

    #[test]
    fn external_id_parses_only_what_sts_accepts() {
        for good in ["ab", "a/b:c@d.e,f=g+h_i-j", &"x".repeat(1224)] {
            assert_eq!(good.parse::<ExternalId>().unwrap().reveal(), good);
        }
        for bad in ["", "a", "a b", "a\nb", "ä1", &"x".repeat(1225)] {
            assert_eq!(bad.parse::<ExternalId>(), Err(IdentityError::ExternalId));
        }
    }

    #[test]
    fn external_id_is_hidden_in_debug_output() {
        let role = Role {
            arn: "arn:aws:iam::123456789012:role/reader".parse().unwrap(),
            external_id: Some("secret-thing".parse().unwrap()),
        };
        let caller = Caller::from_resource(&Identity::Role(role.into()), "team-a", "claude");
        assert!(!format!("{caller:?}").contains("secret-thing"));
    }

    #[test]
    fn sts_region_is_in_the_partition_of_the_role() {
        let cases = [
            ("aws", Some("eu-central-1"), "eu-central-1"),
            ("aws", None, "us-east-1"),
            ("aws", Some("us-gov-west-1"), "us-east-1"),
            ("aws", Some("not a region"), "us-east-1"),
            ("aws-us-gov", Some("us-gov-east-1"), "us-gov-east-1"),
            ("aws-us-gov", Some("us-east-1"), "us-gov-west-1"),
            ("aws-cn", None, "cn-north-1"),
            ("aws-cn", Some("cn-northwest-1"), "cn-northwest-1"),
            ("aws-eusc", Some("eu-central-1"), "eusc-de-east-1"),
            ("aws-iso-b", Some("us-iso-east-1"), "us-isob-east-1"),
        ];
        for (partition, home, expected) in cases {
            assert_eq!(
                sts_region(partition, home),
                expected,
                "{partition} {home:?}"
            );
        }
    }

    #[test]
    fn session_name_is_unique_per_resource() {
        let long = |c: &str| c.repeat(63);
        assert_eq!(session_name("team-a", "claude"), "team-a@claude");
        let resources = [
            ("a".to_owned(), "b.c".to_owned()),
            ("a-b".to_owned(), "c".to_owned()),
            ("a".to_owned(), "b-c".to_owned()),
            ("a".repeat(32), "b".repeat(31)),
            ("a".repeat(32), "b".repeat(32)),
            (long("a"), long("b")),
            (long("a"), format!("{}c", "b".repeat(62))),
            (long("a"), "b".repeat(62)),
            (format!("{}b", "a".repeat(62)), long("b")),
        ];
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        let mut names = HashSet::new();
        for (namespace, name) in &resources {
            let session = session_name(namespace, name);
            assert!((2..=64).contains(&session.len()), "{session}");
            assert!(session.chars().all(allowed), "{session}");
            assert_eq!(session, session_name(namespace, name));
            names.insert(session);
        }
        assert_eq!(names.len(), resources.len());
        let cut = session_name(&long("a"), &long("b"));
        assert!(
            cut.starts_with(&"a".repeat(31)) && cut.contains('+'),
            "{cut}"
        );
    }
}

//! As whom AWS is asked.

use std::fmt;
use std::sync::Arc;

use crate::bedrock::region::is_region;
use crate::digest::sha256_hex;

/// The longest name that STS takes for a session.
const MAX_SESSION_NAME: usize = 64;

/// Whose answers these are: what one identity is told another is not, not even out of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The operator's own credentials, as the SDK finds them.
    #[default]
    Own,
    /// A role that the operator assumes.
    Role(Arc<Role>),
}

/// A role, and what has to be said to get it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Role {
    /// Which role.
    pub arn: RoleArn,
    /// What its trust policy asks for. Who does not know it is not given another's answers.
    pub external_id: Option<ExternalId>,
}

/// Who asks AWS: an identity, and under which name a role's use is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The operator itself.
    #[default]
    Own,
    /// A role, in a session of this name.
    Session {
        /// The role assumed.
        role: Arc<Role>,
        /// The session's name, as `CloudTrail` shows it.
        name: String,
    },
}

impl Caller {
    /// A resource that asks as this identity.
    pub fn of_resource(identity: &Identity, namespace: &str, name: &str) -> Self {
        match identity {
            Identity::Own => Self::Own,
            Identity::Role(role) => Self::Session {
                role: Arc::clone(role),
                name: session_name(namespace, name),
            },
        }
    }

    /// The identity alone: callers of the same one share answers.
    pub fn identity(&self) -> Identity {
        match self {
            Self::Own => Identity::Own,
            Self::Session { role, .. } => Identity::Role(Arc::clone(role)),
        }
    }
}

/// What the trust policy of a role of another account asks for. It is not shown in logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    /// Takes 2 to 1224 of the characters that STS takes.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let good = |c: char| c.is_ascii_alphanumeric() || "+=,.@:/_-".contains(c);
        if (2..=1224).contains(&text.len()) && text.chars().all(good) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdentityError::ExternalId)
    }

    /// The id itself, for STS only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExternalId(…)")
    }
}

/// Why an identity is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The ARN is not that of a role.
    #[error(
        "{0:?} is not the ARN of an IAM role, such as arn:aws:iam::123456789012:role/bedrock-reader"
    )]
    RoleArn(String),
    /// The external id has characters that STS does not take, or too many or too few.
    #[error("the external id must have 2 to 1224 letters, digits and + = , . @ : / _ -")]
    ExternalId,
}

/// The ARN of an IAM role, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn {
    text: String,
    partition: String,
    account: String,
    /// What follows `role/`: the path's parts and the name.
    path: Vec<String>,
}

impl RoleArn {
    /// Reads `arn:<partition>:iam::<account>:role/<path and name>`. Parts of the path that are empty, `.` or `..` are
    /// refused: they look like what they are not.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let refused = || IdentityError::RoleArn(text.chars().take(100).collect());
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
            return Err(refused());
        };
        let path = resource.strip_prefix("role/").ok_or_else(refused)?;
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        let is_partition = partition.starts_with("aws")
            && partition
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'-');
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !(is_partition && is_account && path.iter().all(|p| is_path_part(p)))
            || text.len() > 2048
        {
            return Err(refused());
        }
        Ok(Self {
            text: text.to_owned(),
            partition: (*partition).to_owned(),
            account: (*account).to_owned(),
            path,
        })
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Such as `aws` or `aws-us-gov`: a world of regions and endpoints of its own.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The account's twelve digits.
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
    let good = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(good)
}

/// The region whose STS is asked for a role of this partition: the operator's own region, if it is there.
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

/// The partition that a region belongs to, by its name.
pub(super) fn partition_of(region: &str) -> &'static str {
    const OTHERS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
    ];
    let other = OTHERS.iter().find(|(start, _)| region.starts_with(start));
    other.map_or("aws", |(_, partition)| partition)
}

/// Under which name the session of a resource is recorded: `<namespace>@<name>`. One that is longer than STS takes is
/// cut, and ends with `+` and half of its SHA-256: neither name nor namespace has a `+`, so that no two resources
/// have the same.
fn session_name(namespace: &str, name: &str) -> String {
    let whole = format!("{namespace}@{name}");
    if whole.len() <= MAX_SESSION_NAME {
        return whole;
    }
    let mut hash = sha256_hex(whole.as_bytes());
    hash.truncate(32);
    let start: String = whole
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
    fn arns_of_roles() {
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
            let arn = RoleArn::parse(text).unwrap();
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
            assert!(RoleArn::parse(bad).is_err(), "{bad:.80}");
        }
    }

    #[test]
    fn external_ids() {
        for good in ["ab", "a/b:c@d.e,f=g+h_i-j", &"x".repeat(1224)] {
            assert_eq!(ExternalId::parse(good).unwrap().reveal(), good);
        }
        for bad in ["", "a", "a b", "a\nb", "ä1", &"x".repeat(1225)] {
            assert_eq!(ExternalId::parse(bad), Err(IdentityError::ExternalId));
        }
    }

    #[test]
    fn external_id_is_not_shown() {
        let role = Role {
            arn: RoleArn::parse("arn:aws:iam::123456789012:role/reader").unwrap(),
            external_id: Some(ExternalId::parse("secret-thing").unwrap()),
        };
        let caller = Caller::of_resource(&Identity::Role(role.into()), "team-a", "claude");
        assert!(!format!("{caller:?}").contains("secret-thing"));
    }

    #[test]
    fn sts_is_asked_in_the_partition_of_the_role() {
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
    fn session_names_tell_resources_apart() {
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

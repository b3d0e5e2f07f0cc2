//! A failed call to AWS, worded for who reads it.

use std::fmt;

use crate::api::{AttemptError, ErrorCode};
use crate::text::one_line;

/// How much of the text that AWS or a library gives goes into a message.
const MAX_REASON_BYTES: usize = 300;

/// Who reads a message, and so what it can advise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Readers of a resource's status and Events, and of the operator's log.
    Operator,
    /// The user of a command or program that calls AWS once.
    Command,
}

/// Why AWS gave no usable response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    code: ErrorCode,
    call: Option<(&'static str, String)>,
    detail: String,
    advice: Advice,
    retry_after_seconds: Option<i64>,
}

/// What helps, apart from its wording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    None,
    Retry,
    CheckProxy,
    AllowAction(&'static str),
    AllowActionOrNameRegions(&'static str),
    AllowActionOrExcludeRegion(&'static str),
    NameRegions,
    EnableRegion(String),
    CheckCredentials,
    ProvideCredentials,
    CheckWebIdentity,
    AllowAssumeRole {
        external_id: ExternalIdUse,
    },
    UsePartition {
        partition: &'static str,
        identity: IdentityKind,
    },
}

/// Whether a role was requested with an external id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExternalIdUse {
    Given,
    Absent,
}

/// What kind of identity signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdentityKind {
    Own,
    Role,
}

impl AwsError {
    /// An error that concerns no single call, such as missing credentials.
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>, advice: Advice) -> Self {
        Self {
            code,
            call: None,
            detail: detail.into(),
            advice,
            retry_after_seconds: None,
        }
    }

    /// The IAM action and the region of the call that failed.
    pub(super) fn with_call(self, action: &'static str, region: &str) -> Self {
        Self {
            call: Some((action, region.to_owned())),
            ..self
        }
    }

    pub(super) fn with_retry_after(self, retry_after_seconds: Option<i64>) -> Self {
        Self {
            retry_after_seconds,
            ..self
        }
    }

    pub(super) fn with_code(self, code: ErrorCode) -> Self {
        Self { code, ..self }
    }

    pub(super) fn with_advice(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    /// The stable code, as the status has it.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Seconds of the response's `Retry-After`.
    pub fn retry_after_seconds(&self) -> Option<i64> {
        self.retry_after_seconds
    }

    /// This error of a region that rejects the credentials, if all other regions do too: the
    /// credentials are invalid, and the region may well be enabled.
    pub(crate) fn rejected_by_all_regions(self) -> Self {
        Self {
            code: ErrorCode::InvalidCredentials,
            detail: format!("no region accepts the credentials: {}", self.detail),
            advice: Advice::CheckCredentials,
            ..self
        }
    }

    /// What failed, on what, and what to do.
    pub fn message_for(&self, audience: Audience) -> String {
        let call = self
            .call
            .as_ref()
            .map(|(action, region)| format!("{action} in {region}: "))
            .unwrap_or_default();
        let advice = self
            .advice(audience)
            .map(|advice| format!("; {advice}"))
            .unwrap_or_default();
        format!("{call}{}{advice}", self.detail)
    }

    /// The error as a status holds it.
    pub fn to_attempt_error(&self, audience: Audience) -> AttemptError {
        AttemptError {
            code: self.code,
            message: self.message_for(audience),
            retry_after_seconds: self.retry_after_seconds,
        }
    }

    fn advice(&self, audience: Audience) -> Option<String> {
        use Audience::{Command, Operator};
        let words = Words::new(audience);
        Some(match (&self.advice, audience) {
            (Advice::None, _) => return None,
            (Advice::Retry, _) => match self.retry_after_seconds {
                Some(seconds) => format!("{} after {seconds} s", words.retry),
                None => words.retry.to_owned(),
            },
            (Advice::CheckProxy, _) => format!(
                "a proxy between {} and AWS may have responded in its place",
                words.caller
            ),
            (Advice::AllowAction(action), _) => allow(action),
            (Advice::AllowActionOrNameRegions(action), _) => {
                format!("{}, or name the regions {}", allow(action), words.regions)
            }
            (Advice::AllowActionOrExcludeRegion(action), _) => {
                format!("{}, or allow {action} in that policy", words.exclude_region)
            }
            (Advice::NameRegions, _) => format!("name the regions {}", words.regions),
            (Advice::EnableRegion(region), _) => {
                format!("enable {region} for the account, or {}", words.omit_region)
            }
            (Advice::CheckCredentials, Operator) => "check the operator's AWS identity".to_owned(),
            (Advice::CheckCredentials, Command) => {
                "check your AWS credentials: log in again or set another profile".to_owned()
            }
            (Advice::ProvideCredentials, Operator) => {
                "give the operator an identity (IRSA, Pod Identity or the SDK's environment variables)"
                    .to_owned()
            }
            (Advice::ProvideCredentials, Command) => {
                "log in to AWS, or set a profile (AWS_PROFILE) or the SDK's environment variables"
                    .to_owned()
            }
            (Advice::CheckWebIdentity, _) => {
                "check AWS_ROLE_ARN, that role's trust policy, and the cluster's OIDC provider"
                    .to_owned()
            }
            (Advice::AllowAssumeRole { external_id }, _) => {
                let external_id = match external_id {
                    ExternalIdUse::Given => format!(
                        "check that {} is the one that the trust policy requires",
                        words.external_id
                    ),
                    ExternalIdUse::Absent => format!(
                        "set {} if the trust policy requires an external ID",
                        words.external_id
                    ),
                };
                format!(
                    "allow {} to call sts:AssumeRole on the role, in its own policy and in the role's trust policy, and {external_id}",
                    words.identity
                )
            }
            (Advice::UsePartition { partition, identity }, _) => {
                let identity = match identity {
                    IdentityKind::Own => format!(
                        "use credentials of {partition} and set AWS_REGION to one of its regions"
                    ),
                    IdentityKind::Role => {
                        format!("name a role of {partition} {}", words.role)
                    }
                };
                format!("{}, or {identity}", words.omit_region)
            }
        })
    }
}

/// In the words of a command: who uses the library calls AWS as a command does.
impl fmt::Display for AwsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message_for(Audience::Command))
    }
}

impl std::error::Error for AwsError {}

/// The words that differ by audience.
struct Words {
    retry: &'static str,
    caller: &'static str,
    identity: &'static str,
    regions: &'static str,
    omit_region: &'static str,
    exclude_region: &'static str,
    external_id: &'static str,
    role: &'static str,
}

impl Words {
    fn new(audience: Audience) -> Self {
        match audience {
            Audience::Operator => Self {
                retry: "the operator retries",
                caller: "the operator",
                identity: "the operator's identity",
                regions: "in spec.regions",
                omit_region: "remove the region from spec.regions",
                exclude_region: "exclude the region (spec.excludeRegions, or remove it from spec.regions)",
                external_id: "spec.aws.externalId",
                role: "in spec.aws.roleArn",
            },
            Audience::Command => Self {
                retry: "run again",
                caller: "this computer",
                identity: "your identity",
                regions: "with --region",
                omit_region: "name other regions with --region",
                exclude_region: "name other regions with --region",
                external_id: "--external-id",
                role: "with --role-arn",
            },
        }
    }
}

fn allow(action: &str) -> String {
    format!("allow the IAM action {action} on resource \"*\"")
}

/// Text from AWS or a library, made fit for a message.
pub(super) fn reason(text: &str) -> String {
    one_line(text, MAX_REASON_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind of advice, and what it says after "detail" to the operator's and to a command's users.
    fn wordings() -> Vec<(Advice, &'static str, &'static str)> {
        vec![
            (Advice::None, "", ""),
            (Advice::Retry, "; the operator retries", "; run again"),
            (
                Advice::CheckProxy,
                "; a proxy between the operator and AWS may have responded in its place",
                "; a proxy between this computer and AWS may have responded in its place",
            ),
            (
                Advice::AllowAction("bedrock:ListFoundationModels"),
                "; allow the IAM action bedrock:ListFoundationModels on resource \"*\"",
                "; allow the IAM action bedrock:ListFoundationModels on resource \"*\"",
            ),
            (
                Advice::AllowActionOrNameRegions("account:ListRegions"),
                "; allow the IAM action account:ListRegions on resource \"*\", or name the regions in spec.regions",
                "; allow the IAM action account:ListRegions on resource \"*\", or name the regions with --region",
            ),
            (
                Advice::AllowActionOrExcludeRegion("bedrock:ListFoundationModels"),
                "; exclude the region (spec.excludeRegions, or remove it from spec.regions), or allow bedrock:ListFoundationModels in that policy",
                "; name other regions with --region, or allow bedrock:ListFoundationModels in that policy",
            ),
            (
                Advice::NameRegions,
                "; name the regions in spec.regions",
                "; name the regions with --region",
            ),
            (
                Advice::EnableRegion("af-south-1".to_owned()),
                "; enable af-south-1 for the account, or remove the region from spec.regions",
                "; enable af-south-1 for the account, or name other regions with --region",
            ),
            (
                Advice::CheckCredentials,
                "; check the operator's AWS identity",
                "; check your AWS credentials: log in again or set another profile",
            ),
            (
                Advice::ProvideCredentials,
                "; give the operator an identity (IRSA, Pod Identity or the SDK's environment variables)",
                "; log in to AWS, or set a profile (AWS_PROFILE) or the SDK's environment variables",
            ),
            (
                Advice::CheckWebIdentity,
                "; check AWS_ROLE_ARN, that role's trust policy, and the cluster's OIDC provider",
                "; check AWS_ROLE_ARN, that role's trust policy, and the cluster's OIDC provider",
            ),
            (
                Advice::AllowAssumeRole {
                    external_id: ExternalIdUse::Given,
                },
                "; allow the operator's identity to call sts:AssumeRole on the role, in its own policy and in the role's trust policy, and check that spec.aws.externalId is the one that the trust policy requires",
                "; allow your identity to call sts:AssumeRole on the role, in its own policy and in the role's trust policy, and check that --external-id is the one that the trust policy requires",
            ),
            (
                Advice::AllowAssumeRole {
                    external_id: ExternalIdUse::Absent,
                },
                "; allow the operator's identity to call sts:AssumeRole on the role, in its own policy and in the role's trust policy, and set spec.aws.externalId if the trust policy requires an external ID",
                "; allow your identity to call sts:AssumeRole on the role, in its own policy and in the role's trust policy, and set --external-id if the trust policy requires an external ID",
            ),
            (
                Advice::UsePartition {
                    partition: "aws-cn",
                    identity: IdentityKind::Own,
                },
                "; remove the region from spec.regions, or use credentials of aws-cn and set AWS_REGION to one of its regions",
                "; name other regions with --region, or use credentials of aws-cn and set AWS_REGION to one of its regions",
            ),
            (
                Advice::UsePartition {
                    partition: "aws-cn",
                    identity: IdentityKind::Role,
                },
                "; remove the region from spec.regions, or name a role of aws-cn in spec.aws.roleArn",
                "; name other regions with --region, or name a role of aws-cn with --role-arn",
            ),
        ]
    }

    #[test]
    fn advice_is_worded_for_its_audience() {
        for (advice, operator, command) in wordings() {
            let error = AwsError::new(ErrorCode::ServiceError, "detail", advice);
            for (audience, advice) in [(Audience::Operator, operator), (Audience::Command, command)]
            {
                assert_eq!(error.message_for(audience), format!("detail{advice}"));
            }
            assert_eq!(error.to_string(), error.message_for(Audience::Command));
        }
    }

    #[test]
    fn commands_never_read_of_the_operator() {
        for (advice, ..) in wordings() {
            let errors = [
                AwsError::new(ErrorCode::ServiceError, "detail", advice.clone()),
                AwsError::new(ErrorCode::RegionDisabled, "detail", advice)
                    .with_call("account:ListRegions", "us-east-1")
                    .with_retry_after(Some(7))
                    .rejected_by_all_regions(),
            ];
            for error in errors {
                let message = error.message_for(Audience::Command);
                for word in ["operator", "spec.", "later"] {
                    assert!(!message.contains(word), "{word}: {message}");
                }
            }
        }
    }

    #[test]
    fn message_names_call_and_time_to_wait() {
        let error = AwsError::new(
            ErrorCode::Throttled,
            "AWS throttles requests",
            Advice::Retry,
        )
        .with_call("bedrock:ListFoundationModels", "us-east-1")
        .with_retry_after(Some(50));
        assert_eq!(
            error.to_attempt_error(Audience::Operator),
            AttemptError {
                code: ErrorCode::Throttled,
                message: "bedrock:ListFoundationModels in us-east-1: AWS throttles requests; the operator retries after 50 s".to_owned(),
                retry_after_seconds: Some(50),
            }
        );
        assert!(error.to_string().ends_with("; run again after 50 s"));
    }

    #[test]
    fn reason_is_printable_and_short() {
        assert_eq!(
            reason("no\n way\x1b[2J\u{202e}"),
            "no way\u{fffd}[2J\u{fffd}"
        );
        assert!(reason(&"x".repeat(1000)).len() <= MAX_REASON_BYTES + "…".len());
    }
}

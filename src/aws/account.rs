//! The enabled regions of an account.

use std::collections::BTreeSet;

use aws_sdk_account::types::RegionOptStatus;

use super::api_call::ApiCall;
use super::client::Aws;
use super::error::{Advice, AwsError};
use crate::api::ErrorCode;
use crate::aws::identity::{Caller, sts_region};
use crate::bedrock::region::is_region;

const ACTION: &str = "account:ListRegions";
/// Pages of the list: AWS has fewer than 50 regions, and a page holds 50.
const MAX_PAGES: usize = 20;
/// Regions of an account: each costs a task, a fetch and a part of the status.
const MAX_REGIONS: usize = 128;

impl Aws {
    /// Fetches the enabled regions of the caller's account.
    pub(super) async fn account_regions(&self, caller: &Caller) -> Result<Vec<String>, AwsError> {
        let call = ApiCall {
            action: ACTION,
            region: endpoint_region(&self.region_of(caller))?,
        };
        self.ensure_credentials(caller).await?;
        let client = self.account(caller, call.region);
        let timeout = self.limits().region_timeout;
        let regions = tokio::time::timeout(timeout, enabled_regions(&client, call))
            .await
            .unwrap_or_else(|_| Err(call.timeout_after(timeout)));
        self.invalidate_on_rejection(caller, regions).await
    }

    /// A region of the caller's partition; empty if unknown.
    fn region_of(&self, caller: &Caller) -> String {
        match caller {
            Caller::Own => self.home_region().unwrap_or_default().to_owned(),
            Caller::Session { role, .. } => sts_region(role.arn.partition(), self.home_region()),
        }
    }
}

/// The region of the partition's Account service.
fn endpoint_region(home_region: &str) -> Result<&'static str, AwsError> {
    let without_service = ["us-gov-", "us-iso", "eu-iso", "eusc-"];
    if without_service
        .iter()
        .any(|prefix| home_region.starts_with(prefix))
    {
        let call = ApiCall {
            action: ACTION,
            region: home_region,
        };
        return Err(call.error(
            ErrorCode::RegionsUnavailable,
            "this partition has no service that lists the account's regions",
            Advice::NameRegions,
        ));
    }
    Ok(if home_region.starts_with("cn-") {
        "cn-northwest-1"
    } else {
        "us-east-1"
    })
}

async fn enabled_regions(
    client: &aws_sdk_account::Client,
    call: ApiCall<'_>,
) -> Result<Vec<String>, AwsError> {
    let mut regions = BTreeSet::new();
    let mut next_token = None;
    let mut tokens = BTreeSet::new();
    for _ in 0..MAX_PAGES {
        let page = client
            .list_regions()
            .region_opt_status_contains(RegionOptStatus::Enabled)
            .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
            .max_results(50)
            .set_next_token(next_token)
            .send()
            .await
            .map_err(|error| {
                let error = call.classify(&error);
                match error.code() {
                    ErrorCode::AccessDenied | ErrorCode::DeniedByPolicy => {
                        error.with_advice(Advice::AllowActionOrNameRegions(ACTION))
                    }
                    _ => error,
                }
            })?;
        // Names become host names: other text is dropped.
        regions.extend(
            page.regions
                .ok_or_else(|| call.malformed("it has no list Regions"))?
                .into_iter()
                .filter_map(|region| region.region_name)
                .filter(|name| is_region(name)),
        );
        if regions.len() > MAX_REGIONS {
            return Err(call.malformed(&format!("it has more than {MAX_REGIONS} regions")));
        }
        match page.next_token.filter(|token| !token.is_empty()) {
            Some(token) if !tokens.insert(token.clone()) => {
                return Err(call.endless_pagination("a page leads back to an earlier one"));
            }
            Some(token) => next_token = Some(token),
            None if regions.is_empty() => return Err(call.malformed("no region is enabled")),
            None => return Ok(regions.into_iter().collect()),
        }
    }
    Err(call.endless_pagination(&format!("the list has more than {MAX_PAGES} pages")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Audience;
    use crate::aws::test_support::{aws_at, server_of};

    async fn error_of(response: String) -> AwsError {
        let aws = aws_at(&server_of(response).await);
        aws.account_regions(&Caller::Own).await.unwrap_err()
    }

    #[tokio::test]
    async fn too_large_response_is_not_read() {
        let error = error_of(" ".repeat(17 << 20)).await;
        assert_eq!(error.code(), ErrorCode::AnswerTooLarge, "{error}");
    }

    #[tokio::test]
    async fn too_many_regions_are_malformed() {
        let region = |n| {
            format!(
                r#"{{"RegionName":"aa-{}-{}"}}"#,
                ["x", "y"][n / 99],
                n % 99 + 1
            )
        };
        let regions: Vec<String> = (0..=MAX_REGIONS).map(region).collect();
        let error = error_of(format!(r#"{{"Regions":[{}]}}"#, regions.join(","))).await;
        assert_eq!(error.code(), ErrorCode::MalformedAnswer, "{error}");
        assert!(
            error.to_string().contains("more than 128 regions"),
            "{error}"
        );
    }

    #[test]
    fn partition_without_account_service_asks_for_region_names() {
        assert_eq!(endpoint_region("eu-central-1").unwrap(), "us-east-1");
        assert_eq!(endpoint_region("").unwrap(), "us-east-1");
        assert_eq!(endpoint_region("cn-north-1").unwrap(), "cn-northwest-1");
        let error = endpoint_region("us-gov-west-1").unwrap_err();
        assert_eq!(error.code(), ErrorCode::RegionsUnavailable);
        let message = error.message_for(Audience::Operator);
        assert!(
            message.ends_with("name the regions in spec.regions"),
            "{message}"
        );
    }
}

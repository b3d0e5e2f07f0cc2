//! Which regions are enabled for the account.

use std::collections::BTreeSet;

use aws_sdk_account::types::RegionOptStatus;

use super::client::Aws;
use super::error::ApiCall;
use crate::api::{AttemptError, ErrorCode};
use crate::aws::identity::{Caller, sts_region};
use crate::bedrock::region::is_region;

const ACTION: &str = "account:ListRegions";
/// Pages of the list: there are fewer than 50 regions, and 50 fit on a page.
const MAX_PAGES: usize = 20;

impl Aws {
    /// Asks the caller's account for its enabled regions.
    pub(super) async fn account_regions(
        &self,
        caller: &Caller,
    ) -> Result<Vec<String>, AttemptError> {
        let call = ApiCall {
            action: ACTION,
            region: endpoint_region(&self.region_of(caller))?,
        };
        self.ensure_credentials(caller).await?;
        let client = self.account(caller, call.region);
        let timeout = self.limits().region_timeout;
        let answer = tokio::time::timeout(timeout, enabled_regions(&client, call)).await;
        let answer = answer.unwrap_or_else(|_| {
            let what = format!(
                "no answer within {} s; the account is asked again later",
                timeout.as_secs()
            );
            Err(call.error(ErrorCode::Timeout, &what))
        });
        self.invalidate_on_rejection(caller, answer).await
    }

    /// A region of the caller's partition; nothing if there is no telling.
    fn region_of(&self, caller: &Caller) -> String {
        match caller {
            Caller::Own => self.home_region().unwrap_or_default().to_owned(),
            Caller::Session { role, .. } => sts_region(role.arn.partition(), self.home_region()),
        }
    }
}

/// Where the partition's Account service is.
fn endpoint_region(home_region: &str) -> Result<&'static str, AttemptError> {
    let call = ApiCall {
        action: ACTION,
        region: home_region,
    };
    let without_service = ["us-gov-", "us-iso", "eu-iso", "eusc-"];
    if without_service
        .iter()
        .any(|prefix| home_region.starts_with(prefix))
    {
        return Err(call.error(
            ErrorCode::RegionsUnavailable,
            "this partition has no service that lists the account's regions: name them in spec.regions",
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
) -> Result<Vec<String>, AttemptError> {
    let mut regions = BTreeSet::new();
    let mut next_token = None;
    let mut tokens = BTreeSet::new();
    for _ in 0..MAX_PAGES {
        let answer = client
            .list_regions()
            .region_opt_status_contains(RegionOptStatus::Enabled)
            .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
            .max_results(50)
            .set_next_token(next_token)
            .send()
            .await
            .map_err(|error| {
                let mut error = call.classify(&error);
                if error.code == ErrorCode::AccessDenied {
                    error
                        .message
                        .push_str("; or name the regions in spec.regions");
                }
                error
            })?;
        let page = answer
            .regions
            .ok_or_else(|| call.malformed("it has no list Regions"))?;
        // The names become host names: what is none does not.
        regions.extend(
            page.into_iter()
                .filter_map(|r| r.region_name)
                .filter(|r| is_region(r)),
        );
        match answer.next_token.filter(|token| !token.is_empty()) {
            Some(token) if !tokens.insert(token.clone()) => {
                return Err(call.error(
                    ErrorCode::EndlessPagination,
                    "a page leads back to an earlier one",
                ));
            }
            Some(token) => next_token = Some(token),
            None if regions.is_empty() => return Err(call.malformed("no region is enabled")),
            None => return Ok(regions.into_iter().collect()),
        }
    }
    let what = format!("there are more than {MAX_PAGES} pages");
    Err(call.error(ErrorCode::EndlessPagination, &what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_without_the_service_ask_to_name_the_regions() {
        assert_eq!(endpoint_region("eu-central-1").unwrap(), "us-east-1");
        assert_eq!(endpoint_region("").unwrap(), "us-east-1");
        assert_eq!(endpoint_region("cn-north-1").unwrap(), "cn-northwest-1");
        let error = endpoint_region("us-gov-west-1").unwrap_err();
        assert_eq!(error.code, ErrorCode::RegionsUnavailable);
        assert!(
            error.message.ends_with("name them in spec.regions"),
            "{}",
            error.message
        );
    }
}

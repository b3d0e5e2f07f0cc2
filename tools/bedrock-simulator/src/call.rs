use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::Value;

use crate::aws_error::AwsError;
use crate::catalog::{Catalog, RegionOptStatus};
use crate::identities::Session;
use crate::operation::Operation;
use crate::paging::PageRequest;
use crate::request_log::RecordedRequest;

/// A request of one of the operations.
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// Empty for a request without a signature, as is the identity.
    pub(crate) region: String,
    pub(crate) identity: String,
    pub(crate) filter: Filter,
    pub(crate) page: PageRequest,
}

/// What narrows the answer down.
#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) profile_type: Option<String>,
    pub(crate) opt_statuses: Option<Vec<RegionOptStatus>>,
}

/// The query of `ListInferenceProfiles`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfilesQuery {
    max_results: Option<String>,
    next_token: Option<String>,
    r#type: Option<String>,
}

/// The body of `ListRegions`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RegionsBody {
    max_results: Option<i64>,
    next_token: Option<String>,
    region_opt_status_contains: Option<Vec<RegionOptStatus>>,
}

impl Call {
    pub(crate) fn list_models(headers: &HeaderMap) -> Self {
        Self::new(Operation::ListFoundationModels, headers)
    }

    pub(crate) fn list_profiles(headers: &HeaderMap, query: ProfilesQuery) -> Self {
        Self {
            filter: Filter {
                profile_type: query.r#type,
                ..Filter::default()
            },
            page: PageRequest {
                max_results: query.max_results,
                token: query.next_token,
            },
            ..Self::new(Operation::ListInferenceProfiles, headers)
        }
    }

    pub(crate) fn list_regions(headers: &HeaderMap, body: RegionsBody) -> Self {
        Self {
            filter: Filter {
                opt_statuses: body.region_opt_status_contains,
                ..Filter::default()
            },
            page: PageRequest {
                max_results: body.max_results.map(|number| number.to_string()),
                token: body.next_token,
            },
            ..Self::new(Operation::ListRegions, headers)
        }
    }

    fn new(operation: Operation, headers: &HeaderMap) -> Self {
        let (identity, region) = credential_scope(headers).unwrap_or_default();
        Self {
            operation,
            region,
            identity,
            filter: Filter::default(),
            page: PageRequest::default(),
        }
    }

    pub(crate) fn is_signed(&self) -> bool {
        !self.region.is_empty()
    }

    pub(crate) fn record(&self, session: Option<Session>) -> RecordedRequest {
        RecordedRequest {
            region: self.region.clone(),
            operation: self.operation,
            identity: self.identity.clone(),
            profile_type: self.filter.profile_type.clone(),
            session,
        }
    }

    /// All items, before paging.
    pub(crate) fn items(&self, catalog: &Catalog) -> Result<Vec<Value>, AwsError> {
        // The Account service has one endpoint for all regions.
        if self.operation != Operation::ListRegions && !catalog.is_enabled(&self.region) {
            return Err(AwsError::unrecognized_client());
        }
        match self.operation {
            Operation::ListFoundationModels => Ok(catalog.models(&self.region).to_vec()),
            Operation::ListInferenceProfiles => {
                self.filter.profiles(catalog.profiles(&self.region))
            }
            Operation::ListRegions => Ok(self.filter.regions(catalog)),
            Operation::AssumeRole
            | Operation::AssumeRoleWithWebIdentity
            | Operation::ContainerCredentials => Ok(Vec::new()),
        }
    }
}

impl Filter {
    fn profiles(&self, profiles: &[Value]) -> Result<Vec<Value>, AwsError> {
        let wanted = match self.profile_type.as_deref() {
            // As the real service does: without a type there is no application profile.
            None => "SYSTEM_DEFINED",
            Some(known @ ("SYSTEM_DEFINED" | "APPLICATION")) => known,
            Some(other) => {
                return Err(AwsError::validation(format!(
                    "1 validation error detected: Value '{other}' at 'typeEquals' failed to satisfy constraint: Member \
                     must satisfy enum value set: [SYSTEM_DEFINED, APPLICATION]"
                )));
            }
        };
        Ok(profiles
            .iter()
            .filter(|profile| profile["type"] == wanted)
            .cloned()
            .collect())
    }

    fn regions(&self, catalog: &Catalog) -> Vec<Value> {
        let wanted = |region: &Value| match &self.opt_statuses {
            Some(statuses) => statuses
                .iter()
                .any(|status| region["RegionOptStatus"] == serde_json::json!(status)),
            None => true,
        };
        catalog.region_summaries().filter(wanted).collect()
    }
}

/// Access key id and region of `AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, …`. The signature is
/// not checked.
pub(crate) fn credential_scope(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = header
        .strip_prefix("AWS4-HMAC-SHA256")?
        .split_once("Credential=")?;
    let scope = credential.split(',').next()?.trim();
    // From the right: a key id may contain slashes, the rest may not.
    let mut parts = scope.rsplitn(5, '/');
    let ("aws4_request", _service, region, _date, identity) = (
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
    ) else {
        return None;
    };
    Some((identity.to_owned(), region.to_owned()))
}

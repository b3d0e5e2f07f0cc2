//! Credentials over HTTP: STS, which speaks the query protocol with XML, and the endpoint that gives them to containers.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Extension, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::api::{Service, delay, replacement};
use crate::aws_error::AwsError;
use crate::call::credential_scope;
use crate::delivery::deliver;
use crate::fault::Fault;
use crate::identities::{Issued, SECRETS, Session, Standing};
use crate::operation::Operation;
use crate::request_log::RecordedRequest;
use crate::server::ConnectionReset;

/// The form of a request to STS.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StsForm {
    action: String,
    role_arn: Option<String>,
    role_session_name: Option<String>,
    external_id: Option<String>,
    duration_seconds: Option<i64>,
    web_identity_token: Option<String>,
}

pub(crate) async fn sts(
    State(service): State<Arc<Service>>,
    Extension(reset): Extension<ConnectionReset>,
    headers: HeaderMap,
    Form(form): Form<StsForm>,
) -> Response {
    let operation = match form.action.as_str() {
        "AssumeRole" => Operation::AssumeRole,
        "AssumeRoleWithWebIdentity" => Operation::AssumeRoleWithWebIdentity,
        _ => return AwsError::unknown_operation().into_xml(),
    };
    let (identity, region) = credential_scope(&headers).unwrap_or_default();
    let session = Session {
        role: form.role_arn.unwrap_or_default(),
        name: form.role_session_name.unwrap_or_default(),
        external_id: form.external_id,
        duration_seconds: form.duration_seconds,
    };
    let request = RecordedRequest {
        region,
        operation,
        identity: identity.clone(),
        profile_type: None,
        session: Some(session.clone()),
    };
    let token = form.web_identity_token;
    let give = || {
        if operation == Operation::AssumeRoleWithWebIdentity {
            let token = token.unwrap_or_default();
            let issued = service.identities.assume_with_token(session, &token);
            return issued.ok_or_else(AwsError::invalid_identity_token);
        }
        let role = session.role.clone();
        service.check(&identity)?;
        let issued = service.identities.assume(session);
        issued.ok_or_else(|| AwsError::not_assumable(&identity, &role))
    };
    match answer(&service, &request, &reset, give).await {
        Ok(Answer::Credentials(issued, faults)) => {
            let mut response = deliver(document(operation, &issued).into_bytes(), &faults);
            let xml = HeaderValue::from_static("text/xml");
            response.headers_mut().insert(CONTENT_TYPE, xml);
            response
        }
        Ok(Answer::Other(response)) => response,
        Err(error) => error.into_xml(),
    }
}

/// What AWS's agents on a node answer to a container.
pub(crate) async fn container(
    State(service): State<Arc<Service>>,
    Extension(reset): Extension<ConnectionReset>,
    headers: HeaderMap,
) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|t| t.to_str().ok());
    let request = RecordedRequest {
        region: String::new(),
        operation: Operation::ContainerCredentials,
        identity: String::new(),
        profile_type: None,
        session: None,
    };
    let give = || {
        let issued = service.identities.of_container(token.unwrap_or_default());
        issued.ok_or_else(AwsError::invalid_identity_token)
    };
    match answer(&service, &request, &reset, give).await {
        Ok(Answer::Credentials(issued, faults)) => {
            let [secret, token] = SECRETS;
            let body = json!({
                "AccessKeyId": issued.access_key_id,
                "SecretAccessKey": secret,
                "Token": token,
                "Expiration": issued.expires_at.strftime("%FT%TZ").to_string(),
            });
            deliver(body.to_string().into_bytes(), &faults)
        }
        Ok(Answer::Other(response)) => response,
        Err(error) => error.into_response(),
    }
}

enum Answer {
    Credentials(Issued, Vec<Fault>),
    Other(Response),
}

async fn answer(
    service: &Service,
    request: &RecordedRequest,
    reset: &ConnectionReset,
    give: impl FnOnce() -> Result<Issued, AwsError>,
) -> Result<Answer, AwsError> {
    let before = service.log.record(request.clone());
    let faults = service.faults.strike(&request.region, request.operation);
    delay(&request.region, request.operation, before, &faults).await;
    let replaced = replacement(request.operation, &request.identity, &faults, reset).await;
    match replaced {
        Some(replaced) => replaced.map(Answer::Other),
        None => Ok(Answer::Credentials(give()?, faults)),
    }
}

impl Service {
    /// Refuses keys that are not good any more.
    pub(crate) fn check(&self, key: &str) -> Result<Option<Session>, AwsError> {
        match self.identities.standing(key) {
            Standing::Foreign if key.is_empty() => Err(AwsError::missing_signature()),
            Standing::Foreign => Ok(None),
            Standing::Good(session) => Ok(Some(session)),
            Standing::Expired(_) => Err(AwsError::expired_token()),
            Standing::Unknown => Err(AwsError::unrecognized_client()),
        }
    }
}

fn document(operation: Operation, issued: &Issued) -> String {
    let Issued {
        access_key_id,
        assumed_role_arn,
        expires_at,
    } = issued;
    let [secret, token] = SECRETS;
    let expiration = expires_at.strftime("%FT%T.%3fZ");
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <{operation}Result>\
         <AssumedRoleUser><Arn>{assumed_role_arn}</Arn>\
         <AssumedRoleId>AROA3XFRBF535PLBIFPI4:session</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{access_key_id}</AccessKeyId>\
         <SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials>\
         </{operation}Result>\
         <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>\
         </{operation}Response>"
    )
}

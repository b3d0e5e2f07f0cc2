//! The operations of AWS over HTTP.

use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Bytes;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::aws_error::AwsError;
use crate::call::{Call, ProfilesQuery, RegionsBody};
use crate::catalog::Catalog;
use crate::delivery::deliver;
use crate::distortion::{add_unknown_field, distort};
use crate::fault::Fault;
use crate::fault_plan::Faults;
use crate::identities::{Identities, Standing};
use crate::operation::Operation;
use crate::paging::Page;
use crate::random::Random;
use crate::request_log::RequestLog;
use crate::response;
use crate::server::ConnectionReset;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// State of the simulated AWS services: what responses depend on, and the log of requests.
pub(crate) struct Service {
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) faults: Faults,
    pub(crate) identities: Identities,
    pub(crate) log: RequestLog,
}

impl Service {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self {
            catalog: RwLock::new(catalog),
            faults: Faults::default(),
            identities: Identities::default(),
            log: RequestLog::default(),
        }
    }
}

pub(crate) async fn list_models(
    State(service): State<Arc<Service>>,
    Extension(reset): Extension<ConnectionReset>,
    headers: HeaderMap,
) -> Response {
    answer(&service, &Call::list_models(&headers), &reset).await
}

pub(crate) async fn list_profiles(
    State(service): State<Arc<Service>>,
    Extension(reset): Extension<ConnectionReset>,
    headers: HeaderMap,
    Query(query): Query<ProfilesQuery>,
) -> Response {
    answer(&service, &Call::list_profiles(&headers, query), &reset).await
}

pub(crate) async fn list_regions(
    State(service): State<Arc<Service>>,
    Extension(reset): Extension<ConnectionReset>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parsed = if body.is_empty() {
        Ok(RegionsBody::default())
    } else {
        serde_json::from_slice(&body)
    };
    match parsed {
        Ok(body) => answer(&service, &Call::list_regions(&headers, body), &reset).await,
        Err(error) => AwsError::validation(error.to_string()).into_response(),
    }
}

pub(crate) async fn unknown_operation() -> AwsError {
    AwsError::unknown_operation()
}

async fn answer(service: &Service, call: &Call, reset: &ConnectionReset) -> Response {
    let session = match service.identities.standing(&call.identity) {
        Standing::Good(session) | Standing::Expired(session) => Some(session),
        Standing::Foreign | Standing::Unknown => None,
    };
    let before = service.log.record(call.record(session));
    let answer = if call.is_signed() {
        answer_signed(service, call, before, reset).await
    } else {
        Err(AwsError::missing_signature())
    };
    let mut response = answer.unwrap_or_else(AwsError::into_response);
    response
        .headers_mut()
        .insert(REQUEST_ID, request_id(call, before));
    response
}

async fn answer_signed(
    service: &Service,
    call: &Call,
    before: usize,
    reset: &ConnectionReset,
) -> Result<Response, AwsError> {
    let faults = service.faults.strike(&call.region, call.operation);
    delay(&call.region, call.operation, before, &faults).await;
    let replaced = replacement(call.operation, &call.identity, &faults, reset).await;
    if let Some(replaced) = replaced {
        return replaced;
    }
    service.check(&call.identity)?;
    let body = listing(service, call, &faults)?;
    // A huge one takes a second: it must not keep other responses from a thread.
    let bytes = tokio::task::spawn_blocking(move || body.to_string().into_bytes());
    let bytes = bytes.await.map_err(|_| AwsError::internal_server_error())?;
    Ok(deliver(bytes, &faults))
}

pub(crate) async fn delay(region: &str, operation: Operation, before: usize, faults: &[Fault]) {
    for fault in faults {
        if let Fault::Latency { delay, seed } = fault {
            let text = format!("{region}/{operation}/{before}");
            tokio::time::sleep(delay.choose(&mut Random::for_text(*seed, &text))).await;
        }
    }
}

/// What takes the place of the whole answer.
pub(crate) async fn replacement(
    operation: Operation,
    identity: &str,
    faults: &[Fault],
    reset: &ConnectionReset,
) -> Option<Result<Response, AwsError>> {
    let fault = faults.iter().find(|fault| fault.replaces_answer())?;
    let response = match fault {
        Fault::Throttling { retry_after } => {
            return Some(Err(AwsError::throttling(operation, *retry_after)));
        }
        Fault::AccessDenied => return Some(Err(AwsError::access_denied(operation, identity))),
        Fault::DeniedByServiceControlPolicy => {
            return Some(Err(AwsError::denied_by_service_control_policy(
                operation, identity,
            )));
        }
        Fault::UnrecognizedClient => return Some(Err(AwsError::unrecognized_client())),
        Fault::ExpiredToken => return Some(Err(AwsError::expired_token())),
        Fault::InternalServerError => return Some(Err(AwsError::internal_server_error())),
        Fault::MalformedJson if operation.is_of_sts() => response::xml(format!("<{operation}Resp")),
        Fault::MalformedJson => response::json(format!("{{\"{}\": [{{", operation.list_key())),
        Fault::HtmlPage => response::html_page(),
        Fault::MissingList if operation.is_of_sts() => {
            response::xml(format!("<{operation}Response/>"))
        }
        Fault::MissingList => response::json("{}"),
        Fault::ConnectionReset => reset.now().await,
        Fault::Hang => std::future::pending().await,
        _ => return None,
    };
    Some(Ok(response))
}

fn listing(service: &Service, call: &Call, faults: &[Fault]) -> Result<Value, AwsError> {
    let mut items = {
        let catalog = service
            .catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        call.items(&catalog)?
    };
    distort(&mut items, faults);
    let page = call.page.cut(call.operation, items, faults)?;
    let mut body = page_body(call.operation, page);
    if faults.contains(&Fault::UnknownValues) {
        add_unknown_field(&mut body);
    }
    Ok(body)
}

fn page_body(operation: Operation, page: Page) -> Value {
    let mut body = Map::new();
    body.insert(operation.list_key().to_owned(), page.items.into());
    if let Some(token) = page.next_token {
        let key = match operation {
            Operation::ListRegions => "NextToken",
            _ => "nextToken",
        };
        body.insert(key.to_owned(), token.into());
    }
    body.into()
}

/// In the form of the real ones; the same request has the same one in every run.
fn request_id(call: &Call, before: usize) -> HeaderValue {
    let mut random = Random::for_text(0, &format!("{}/{}/{before}", call.region, call.operation));
    let mut part = |digits: u32| {
        format!(
            "{:0width$x}",
            random.up_to((1 << (4 * digits)) - 1),
            width = digits as usize
        )
    };
    let text = format!(
        "{}-{}-{}-{}-{}",
        part(8),
        part(4),
        part(4),
        part(4),
        part(12)
    );
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

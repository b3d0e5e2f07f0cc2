//! Counts the requests to the Kubernetes API, in a layer of the client: each attempt is one request.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::{Method, Request, Response, Uri};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use crate::ops::metrics::Metrics;

/// The resources that the operator uses, so that a path cannot make further series.
const RESOURCES: [&str; 5] = [
    "bedrockmodelmaps",
    "configmaps",
    "events",
    "leases",
    "namespaces",
];
const OTHER: &str = "other";

/// Layer that counts requests.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    metrics: Metrics,
}

impl RequestMetrics {
    /// A layer that counts in these metrics.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for RequestMetrics {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counted {
            inner,
            metrics: self.metrics.clone(),
        }
    }
}

/// Service whose requests are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let target = Target::from_uri(request.uri());
        let verb = target.verb(request.method());
        let (metrics, response) = (self.metrics.clone(), self.inner.call(request));
        async move {
            let response = response.await;
            let code = response
                .as_ref()
                .map_or("error", |response| class(response.status().as_u16()));
            metrics.count_kubernetes_request(verb, target.resource, code);
            response
        }
        .boxed()
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    /// The plural name of the resource.
    resource: &'static str,
    is_named: bool,
    is_watch: bool,
}

impl Target {
    fn from_uri(uri: &Uri) -> Self {
        let mut segments = uri.path().trim_start_matches('/').split('/');
        let version = match segments.next() {
            Some("api") => segments.next(),
            Some("apis") => segments.nth(1),
            _ => None,
        };
        let rest: Vec<&str> = version.map_or_else(Vec::new, |_| segments.collect());
        let (plural, is_named) = match rest.as_slice() {
            ["namespaces", _, plural, name @ ..] | [plural, name @ ..] => {
                (*plural, !name.is_empty())
            }
            [] => (OTHER, false),
        };
        let query = uri.query().unwrap_or_default();
        Self {
            resource: RESOURCES
                .into_iter()
                .find(|known| *known == plural)
                .unwrap_or(OTHER),
            is_named,
            is_watch: query.split('&').any(|parameter| parameter == "watch=true"),
        }
    }

    /// The verb, as roles and audit logs have it.
    fn verb(self, method: &Method) -> &'static str {
        match *method {
            Method::GET if self.is_watch => "watch",
            Method::GET if self.is_named => "get",
            Method::GET => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => OTHER,
        }
    }
}

fn class(code: u16) -> &'static str {
    match code {
        200..=299 => "2xx",
        404 => "404",
        409 => "409",
        429 => "429",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verb_and_resource_of_a_request() {
        let namespace = "/api/v1/namespaces/team-a";
        let group = "/apis/bedrock.modelmap.dev/v1alpha1";
        let status = format!("{group}/namespaces/team-a/bedrockmodelmaps/claude/status");
        for (method, uri, expected) in [
            (
                Method::POST,
                format!("{namespace}/configmaps"),
                "create configmaps",
            ),
            (
                Method::GET,
                format!("{namespace}/configmaps/a"),
                "get configmaps",
            ),
            (
                Method::GET,
                "/api/v1/configmaps?limit=100".to_owned(),
                "list configmaps",
            ),
            (
                Method::GET,
                "/api/v1/configmaps?limit=100&watch=true".to_owned(),
                "watch configmaps",
            ),
            (
                Method::DELETE,
                format!("{namespace}/configmaps/a"),
                "delete configmaps",
            ),
            (
                Method::GET,
                format!("{group}/bedrockmodelmaps"),
                "list bedrockmodelmaps",
            ),
            (Method::PUT, status, "update bedrockmodelmaps"),
            (Method::GET, format!("{namespace}/secrets/a"), "get other"),
            (Method::GET, "/version".to_owned(), "list other"),
            (Method::GET, "/api".to_owned(), "list other"),
        ] {
            let target = Target::from_uri(&uri.parse().unwrap());
            let found = format!("{} {}", target.verb(&method), target.resource);
            assert_eq!(found, expected, "{uri}");
        }
    }
}

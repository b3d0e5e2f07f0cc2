//! Writes of children and of the status, each with the preconditions that adopt nothing.

use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};

use crate::api::{
    BedrockModelMap, CLUSTER_KIND, ClusterBedrockModelMap, ClusterBedrockModelMapStatus, KIND,
    MANAGER,
};
use crate::cluster_map::children::{DesiredChild, Difference};
use crate::cluster_map::status::WriteProblem;
use crate::kubernetes::request::{CallError, call};

/// Writes the children of one cluster map.
pub(super) struct Writer<'a> {
    client: Client,
    desired: &'a DesiredChild<'a>,
}

fn parameters() -> PostParams {
    PostParams {
        dry_run: false,
        field_manager: Some(MANAGER.to_owned()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: CallError) -> WriteProblem {
    WriteProblem::Failed(error.to_string())
}

impl<'a> Writer<'a> {
    pub(super) fn new(client: Client, desired: &'a DesiredChild<'a>) -> Self {
        Self { client, desired }
    }

    /// Creates the child. An object of that name is replaced only if it is ours.
    pub(super) async fn create(&self, namespace: &str) -> Result<(), WriteProblem> {
        let child = self.desired.create(namespace);
        let (api, parameters) = (self.api(namespace), parameters());
        let created = call(
            || self.describe("create", namespace),
            api.create(&parameters, &child),
        );
        match created.await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => self.replace(namespace).await,
            Err(error) => Err(failed(error)),
        }
    }

    /// Replaces the live object if it is ours and differs. It carries the version that was read, so that
    /// an object that took its place meanwhile is not changed.
    pub(super) async fn replace(&self, namespace: &str) -> Result<(), WriteProblem> {
        let api = self.api(namespace);
        let name = self.desired.name();
        let live = call(|| self.describe("read", namespace), api.get_opt(name));
        let Some(live) = live.await.map_err(failed)? else {
            // The watch shows that it is gone.
            return Ok(());
        };
        if !self.desired.owns(&live.metadata) {
            return Err(WriteProblem::Conflict);
        }
        let is_deleted = live.metadata.deletion_timestamp.is_some();
        if is_deleted || self.desired.difference(&live) == Difference::None {
            return Ok(());
        }
        let (child, parameters) = (self.desired.replace(live), parameters());
        let replaced = call(
            || self.describe("update", namespace),
            api.replace(name, &parameters, &child),
        );
        match replaced.await {
            Ok(_) => Ok(()),
            // It changed: the watch shows it soon.
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Deletes a child in the version that the watch shows.
    pub(super) async fn delete(&self, child: &BedrockModelMap) -> Result<(), WriteProblem> {
        let namespace = child.namespace().unwrap_or_default();
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: child.uid(),
                resource_version: child.resource_version(),
            }),
            ..DeleteParams::default()
        };
        let api = self.api(&namespace);
        let deleted = call(
            || self.describe("delete", &namespace),
            api.delete(self.desired.name(), &parameters),
        );
        match deleted.await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
            Err(error) => {
                tracing::warn!("{error}");
                Err(failed(error))
            }
        }
    }

    fn api(&self, namespace: &str) -> Api<BedrockModelMap> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn describe(&self, verb: &str, namespace: &str) -> String {
        format!("cannot {verb} {KIND} {namespace}/{}", self.desired.name())
    }
}

/// Writes the status over the version that the watch shows; None: that version is not the latest.
pub(super) async fn status(
    client: &Client,
    map: &ClusterBedrockModelMap,
    status: ClusterBedrockModelMapStatus,
) -> Result<Option<ClusterBedrockModelMap>, CallError> {
    let name = map.name_any();
    let wanted = ClusterBedrockModelMap {
        status: Some(status),
        ..map.clone()
    };
    let api = Api::<ClusterBedrockModelMap>::all(client.clone());
    let what = || format!("cannot write the status of {CLUSTER_KIND} {name}");
    match call(what, api.replace_status(&name, &parameters(), &wanted)).await {
        Ok(written) => Ok(Some(written)),
        Err(error) if error.is_conflict() || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response};
    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::{Value, json};
    use tower::service_fn;

    use super::*;
    use crate::api::GROUP;

    /// Runs the write against an API server that answers each request with the child; returns method and
    /// body of each.
    async fn requests(
        write: impl AsyncFnOnce(Writer<'_>, BedrockModelMap) -> Result<(), WriteProblem>,
    ) -> Vec<(String, Value)> {
        let map = json!({
            "metadata": {"name": "everywhere", "uid": "uid-of-map"},
            "spec": {"namespaceSelector": {}, "template": {"spec": {"regions": ["us-west-1"]}}},
        });
        let map: ClusterBedrockModelMap = serde_json::from_value(map).unwrap();
        let desired = DesiredChild::new(&map, format!("{GROUP}/v1alpha1")).unwrap();
        let mut child = desired.create("team-a");
        child.metadata.uid = Some("uid-of-child".to_owned());
        child.metadata.resource_version = Some("7".to_owned());
        child.spec.suspend = true;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (recorded, answer) = (Arc::clone(&seen), serde_json::to_vec(&child).unwrap());
        let server = service_fn(move |request: Request<Body>| {
            let (recorded, answer) = (Arc::clone(&recorded), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let body = serde_json::from_slice(&body).unwrap_or_default();
                recorded.lock().push((parts.method.to_string(), body));
                Ok::<_, kube::Error>(Response::new(Body::from(answer)))
            }
        });
        let writer = Writer::new(Client::new(server, "default"), &desired);
        assert!(write(writer, child).await.is_ok());
        std::mem::take(&mut *seen.lock())
    }

    #[tokio::test]
    async fn object_that_took_the_place_of_a_child_is_not_deleted() {
        let sent = requests(async |writer, child| writer.delete(&child).await).await;
        let [(method, body)] = sent.as_slice() else {
            panic!("{sent:?}");
        };
        assert_eq!(method, "DELETE");
        let seen = json!({"uid": "uid-of-child", "resourceVersion": "7"});
        assert_eq!(body["preconditions"], seen);
    }

    #[tokio::test]
    async fn object_that_took_the_place_of_a_child_is_not_replaced() {
        let sent = requests(async |writer, _| writer.replace("team-a").await).await;
        let methods: Vec<&str> = sent.iter().map(|(method, _)| method.as_str()).collect();
        assert_eq!(methods, ["GET", "PUT"]);
        let metadata = &sent[1].1["metadata"];
        assert_eq!(metadata["uid"], "uid-of-child");
        assert_eq!(metadata["resourceVersion"], "7");
    }
}

//! The resources of a scene: created, watched, and refreshed by force.

use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use bedrock_model_map::api::{ANNOTATION_REQUESTED_AT, BedrockModelMap, BedrockModelMapSpec};
use futures::{TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::error::Error;

/// Requests of this program in flight.
const AT_ONCE: usize = 16;

/// Fewer than a namespace may refresh by force at once.
const PER_NAMESPACE: usize = 25;

/// Resources of one spec, some in each namespace.
pub struct Resources {
    client: Client,
    count: usize,
}

impl Resources {
    /// Creates the namespaces of so many.
    pub async fn new(client: &Client, count: usize) -> Result<Self, Error> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        each(count.div_ceil(PER_NAMESPACE), async |number| {
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(namespace_name(number));
            let parameters = PostParams::default();
            namespaces.create(&parameters, &namespace).await.map(drop)
        })
        .await?;
        Ok(Self {
            client: client.clone(),
            count,
        })
    }

    /// Creates all of them.
    pub async fn create(&self, spec: &Value) -> Result<(), Error> {
        let spec: BedrockModelMapSpec = serde_json::from_value(spec.clone())?;
        each(self.count, async |number| {
            let resource = BedrockModelMap::new(&name(number), spec.clone());
            let api = self.api(number);
            api.create(&PostParams::default(), &resource)
                .await
                .map(drop)
        })
        .await?;
        Ok(())
    }

    /// The API of the resource of this number.
    pub fn api(&self, number: usize) -> Api<BedrockModelMap> {
        Api::namespaced(self.client.clone(), &namespace_of(number))
    }

    /// Waits until all are Ready; the moment when the last one became so.
    pub async fn ready(&self, within: Duration) -> Result<Instant, Error> {
        self.until(within, "Ready", is_ready).await
    }

    /// Requests a refresh of all with this token; waits until all are refreshed.
    pub async fn refresh(&self, token: &str, within: Duration) -> Result<Instant, Error> {
        let (requested, refreshed) =
            tokio::join!(self.request_refresh(token), self.refreshed(token, within));
        requested?;
        refreshed
    }

    /// Requests a forced refresh of all.
    pub async fn request_refresh(&self, token: &str) -> Result<(), Error> {
        let annotations = json!({ ANNOTATION_REQUESTED_AT: token });
        let patch = json!({ "metadata": { "annotations": annotations } });
        self.patch(&patch).await
    }

    /// Waits until this forced refresh of all has ended.
    pub async fn refreshed(&self, token: &str, within: Duration) -> Result<Instant, Error> {
        let is_refreshed = |resource: &BedrockModelMap| {
            let status = resource.status.as_ref();
            status.and_then(|s| s.last_handled_refresh_request.as_deref()) == Some(token)
        };
        self.until(within, "refreshed", is_refreshed).await
    }

    /// Gives all this spec, which makes it of this generation; waits until all are refreshed. Unlike a forced refresh this
    /// may happen at any rate.
    pub async fn change(
        &self,
        spec: &Value,
        generation: i64,
        within: Duration,
    ) -> Result<Instant, Error> {
        let is_refreshed = |resource: &BedrockModelMap| {
            let status = resource.status.as_ref();
            status.and_then(|s| s.observed_generation) >= Some(generation)
        };
        let patch = json!({ "spec": spec });
        let changed = self.until(within, "changed", is_refreshed);
        let (requested, changed) = tokio::join!(self.patch(&patch), changed);
        requested?;
        changed
    }

    async fn patch(&self, patch: &Value) -> Result<(), Error> {
        let patched = each(self.count, async |number| {
            let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
            let api = self.api(number);
            api.patch(&name(number), &parameters, &patch)
                .await
                .map(drop)
        });
        Ok(patched.await?)
    }

    async fn until(
        &self,
        within: Duration,
        state: &str,
        is_so: impl Fn(&BedrockModelMap) -> bool,
    ) -> Result<Instant, Error> {
        let api: Api<BedrockModelMap> = Api::all(self.client.clone());
        let mut events = pin!(watcher(api, watcher::Config::default()));
        let mut done = HashSet::new();
        let wait = async {
            while done.len() < self.count {
                use watcher::Event::{Apply, InitApply};
                match events.try_next().await? {
                    Some(Apply(resource) | InitApply(resource)) if is_so(&resource) => {
                        done.insert(resource.name_any());
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            Ok::<_, Error>(Instant::now())
        };
        if let Ok(ended) = timeout(within, wait).await {
            return ended;
        }
        let (done, count) = (done.len(), self.count);
        Err(Error::Late(format!(
            "{done} of {count} resources are {state} after {} s",
            within.as_secs()
        )))
    }
}

/// Does this for each number below the count, some at once.
pub async fn each(
    count: usize,
    action: impl AsyncFn(usize) -> Result<(), kube::Error>,
) -> Result<(), kube::Error> {
    stream::iter((0..count).map(Ok))
        .try_for_each_concurrent(AT_ONCE, |number| action(number))
        .await
}

/// The name of a resource, which no other namespace has either.
pub fn name(number: usize) -> String {
    format!("map-{number}")
}

pub fn namespace_of(number: usize) -> String {
    namespace_name(number / PER_NAMESPACE)
}

fn namespace_name(number: usize) -> String {
    format!("team-{number}")
}

fn is_ready(resource: &BedrockModelMap) -> bool {
    let conditions = resource.status.iter().flat_map(|s| &s.conditions);
    conditions
        .filter(|condition| condition.type_ == "Ready")
        .any(|condition| condition.status == "True")
}

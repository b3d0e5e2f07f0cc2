//! A cluster map of a test, and its namespaces.

use std::collections::BTreeMap;
use std::time::Duration;

use bedrock_model_map::api::{
    BedrockModelMap, ClusterBedrockModelMap, ClusterBedrockModelMapStatus,
};
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{Fixture, Namespace, catalog_of, eventually, eventually_within};

/// The region of the template.
pub const MAP_REGION: &str = "us-west-1";
pub const CLUSTER_MAPS: &str = "--cluster-maps=true";
/// The garbage collector learns of a new kind within 30 s; a write that failed is tried again after one
/// minute.
pub const SLOW: Duration = Duration::from_mins(3);

/// A cluster map whose name and label no other test uses, and its namespaces.
pub struct ClusterMap {
    pub fixture: Fixture,
    pub name: String,
    pub client: Client,
    pub namespaces: Vec<Namespace>,
}

impl ClusterMap {
    pub async fn of(namespaces: usize, arguments: &[&str]) -> Self {
        let arguments = [&[CLUSTER_MAPS], arguments].concat();
        let fixture = Fixture::new(catalog_of(&[MAP_REGION]), &arguments).await;
        Self::with(fixture, namespaces).await
    }

    pub async fn with(fixture: Fixture, count: usize) -> Self {
        let name = format!("map-of-{}", fixture.namespace.name);
        let client = fixture.cluster.client().await;
        let mut namespaces = Vec::new();
        for _ in 0..count {
            namespaces.push(fixture.cluster.namespace().await);
        }
        let map = Self {
            fixture,
            name,
            client,
            namespaces,
        };
        for namespace in &map.namespaces {
            map.select(namespace, "yes").await;
        }
        map
    }

    /// Labels the namespace.
    pub async fn select(&self, namespace: &Namespace, value: &str) {
        let labels = json!({ &self.name: value });
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        let api = Api::<NamespaceObject>::all(self.client.clone());
        let parameters = PatchParams::default();
        api.patch(&namespace.name, &parameters, &patch)
            .await
            .unwrap();
    }

    pub fn api(&self) -> Api<ClusterBedrockModelMap> {
        Api::all(self.client.clone())
    }

    pub async fn create(&self, template: Value) {
        self.create_named(&self.name, template).await;
    }

    /// Creates another one for the same namespaces.
    pub async fn create_named(&self, name: &str, mut template: Value) {
        let test = self.fixture.namespace.name.clone();
        template["metadata"]["labels"]["test"] = json!(test);
        let spec = json!({
            "namespaceSelector": {"matchLabels": {&self.name: "yes"}},
            "template": template,
        });
        let spec = serde_json::from_value(spec).unwrap();
        let mut map = ClusterBedrockModelMap::new(name, spec);
        map.metadata.labels = Some(BTreeMap::from([("test".to_owned(), test)]));
        let api = self.api();
        api.create(&PostParams::default(), &map).await.unwrap();
    }

    pub async fn patch(&self, patch: Value) {
        let patch = Patch::Merge(patch);
        let (api, parameters) = (self.api(), PatchParams::default());
        api.patch(&self.name, &parameters, &patch).await.unwrap();
    }

    pub async fn child(&self, namespace: usize) -> Option<BedrockModelMap> {
        let api = self.namespaces[namespace].api();
        api.get_opt(&self.name).await.unwrap()
    }

    pub async fn patch_child(&self, namespace: usize, patch: Value) {
        let api = self.namespaces[namespace].api::<BedrockModelMap>();
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        api.patch(&self.name, &parameters, &patch).await.unwrap();
    }

    /// Once the child of the namespace is so.
    pub async fn until_child(
        &self,
        namespace: usize,
        is_so: impl Fn(&BedrockModelMap) -> bool,
    ) -> BedrockModelMap {
        eventually(async || match self.child(namespace).await {
            Some(child) if is_so(&child) => Ok(child),
            child => Err(format!("{child:#?}\n{}", self.fixture.operator.log())),
        })
        .await
    }

    /// Once the status is so.
    pub async fn until(
        &self,
        is_so: impl Fn(&ClusterBedrockModelMapStatus) -> bool,
    ) -> ClusterBedrockModelMapStatus {
        eventually_within(SLOW, async || {
            let map = self.api().get(&self.name).await.unwrap();
            let status = map.status.unwrap_or_default();
            let is_current = status.observed_generation == map.metadata.generation;
            if is_current && is_so(&status) {
                Ok(status)
            } else {
                Err(format!("{status:#?}"))
            }
        })
        .await
    }

    /// Once as many namespaces are Ready, of as many that match.
    pub async fn ready(&self, counts: &str) -> ClusterBedrockModelMapStatus {
        self.until(|status| {
            let namespaces = status.namespaces.clone().unwrap_or_default();
            namespaces.ready_of_matched == counts
        })
        .await
    }
}

pub fn template() -> Value {
    json!({
        "metadata": {"labels": {"team": "platform"}},
        "spec": {"regions": [MAP_REGION]},
    })
}

pub fn state<'a>(status: &'a ClusterBedrockModelMapStatus, kind: &str) -> Option<[&'a str; 2]> {
    let mut conditions = status.conditions.iter();
    let condition = conditions.find(|c| c.type_ == kind)?;
    Some([condition.status.as_str(), condition.reason.as_str()])
}

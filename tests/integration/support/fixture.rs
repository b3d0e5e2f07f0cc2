//! A namespace with an operator and a simulated Bedrock of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bedrock_model_map::api::{BedrockModelMap, BedrockModelMapSpec, BedrockModelMapStatus};
use bedrock_simulator::{Catalog, Simulator};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{
    Cluster, Credentials, Launch, Namespace, Operator, Proxy, check_status, eventually, file,
};

/// Everything one test needs.
pub struct Fixture {
    pub cluster: &'static Cluster,
    pub namespace: Namespace,
    pub simulator: Simulator,
    pub operator: Operator,
}

/// A fixture without its operator, whose arguments may depend on namespace and simulator.
pub struct FixtureBuilder {
    pub cluster: &'static Cluster,
    pub namespace: Namespace,
    pub simulator: Simulator,
}

impl FixtureBuilder {
    pub async fn new(catalog: Catalog) -> Self {
        let cluster = Cluster::shared().await;
        Self {
            cluster,
            namespace: cluster.namespace().await,
            simulator: Simulator::start(catalog).await.unwrap(),
        }
    }

    pub fn start_operator(self, options: &OperatorOptions<'_>) -> Fixture {
        let operator = options.start(self.cluster, &self.namespace, &self.simulator);
        Fixture {
            cluster: self.cluster,
            namespace: self.namespace,
            simulator: self.simulator,
            operator,
        }
    }
}

/// Another operator in the namespace of a fixture, and a Bedrock of its own, which shows who queried and published.
pub struct Replica {
    pub simulator: Simulator,
    pub operator: Operator,
}

/// Identities and settings of an operator.
pub struct OperatorOptions<'a> {
    pub credentials: Credentials,
    /// None: that of an administrator.
    pub kubeconfig: Option<PathBuf>,
    /// More variables, as `NAME=value`.
    pub environment: &'a [String],
    /// As [`Launch::runner`].
    pub runner: &'a [&'a str],
    pub arguments: &'a [&'a str],
}

impl<'a> OperatorOptions<'a> {
    /// With credentials, as an administrator.
    pub fn new(arguments: &'a [&'a str]) -> Self {
        Self {
            credentials: Credentials::Given,
            kubeconfig: None,
            environment: &[],
            runner: &[],
            arguments,
        }
    }

    fn start(&self, cluster: &Cluster, namespace: &Namespace, simulator: &Simulator) -> Operator {
        let control_plane = cluster.control_plane;
        let administrator = || control_plane.kubeconfig().to_owned();
        let kubeconfig = self.kubeconfig.clone().unwrap_or_else(administrator);
        Operator::start(&Launch {
            control_plane,
            kubeconfig,
            aws: simulator.url(),
            credentials: self.credentials,
            environment: self.environment,
            runner: self.runner,
            namespace: &namespace.name,
            arguments: self.arguments,
        })
    }
}

/// The real catalogue.
pub fn whole_catalog() -> Catalog {
    Catalog::real().unwrap()
}

/// The real catalogue, of an account that has these regions only.
pub fn catalog_of(regions: &[&str]) -> Catalog {
    let mut catalog = whole_catalog();
    let all: Vec<String> = catalog.regions().map(str::to_owned).collect();
    for region in all {
        if !regions.contains(&region.as_str()) {
            catalog.remove_region(&region);
        }
    }
    catalog
}

/// The same without the region's first model: a second operator that gets it publishes other content.
pub fn catalog_without_first_model(region: &str) -> Catalog {
    let mut catalog = catalog_of(&[region]);
    let models = catalog.models(region)[1..].to_vec();
    catalog.set_models(region, models);
    catalog
}

/// Status, reason and message of a condition, empty if it is not there.
pub fn condition<'a>(resource: &'a BedrockModelMap, kind: &str) -> [&'a str; 3] {
    let conditions = resource.status.iter().flat_map(|s| &s.conditions);
    conditions
        .filter(|condition| condition.type_ == kind)
        .map(|c| [c.status.as_str(), c.reason.as_str(), c.message.as_str()])
        .next()
        .unwrap_or_default()
}

impl Fixture {
    /// With an account that has these regions.
    pub async fn with_regions(regions: &[&str]) -> Self {
        Self::new(catalog_of(regions), &[]).await
    }

    pub async fn new(catalog: Catalog, arguments: &[&str]) -> Self {
        Self::as_user(catalog, arguments, Credentials::Given, None).await
    }

    /// With these credentials for AWS; to Kubernetes an administrator, or a user without permissions.
    pub async fn as_user(
        catalog: Catalog,
        arguments: &[&str],
        credentials: Credentials,
        user: Option<&str>,
    ) -> Self {
        let control_plane = Cluster::shared().await.control_plane;
        let kubeconfig = user.map(|user| control_plane.kubeconfig_for(user, &[]).unwrap());
        Self::launch(catalog, arguments, credentials, kubeconfig).await
    }

    /// With an operator that reaches the API server through the proxy.
    pub async fn through_proxy(proxy: &Proxy, catalog: Catalog, arguments: &[&str]) -> Self {
        let kubeconfig = Some(proxy.kubeconfig());
        Self::launch(catalog, arguments, Credentials::Given, kubeconfig).await
    }

    async fn launch(
        catalog: Catalog,
        arguments: &[&str],
        credentials: Credentials,
        kubeconfig: Option<PathBuf>,
    ) -> Self {
        FixtureBuilder::new(catalog)
            .await
            .start_operator(&OperatorOptions {
                credentials,
                kubeconfig,
                environment: &[],
                runner: &[],
                arguments,
            })
    }

    /// Starts one more operator in the namespace, with the same Bedrock.
    pub fn second_operator(&self, options: &OperatorOptions<'_>) -> Operator {
        options.start(self.cluster, &self.namespace, &self.simulator)
    }

    /// Starts one more operator in the namespace, with a Bedrock of its own.
    pub async fn replica(&self, catalog: Catalog, arguments: &[&str]) -> Replica {
        let simulator = Simulator::start(catalog).await.unwrap();
        let options = OperatorOptions::new(arguments);
        Replica {
            operator: options.start(self.cluster, &self.namespace, &simulator),
            simulator,
        }
    }

    /// Kills the operator and starts another one.
    pub fn replace_operator(&mut self, options: &OperatorOptions<'_>) {
        self.operator.kill();
        self.operator = options.start(self.cluster, &self.namespace, &self.simulator);
    }

    pub async fn create(&self, name: &str, spec: Value) -> BedrockModelMap {
        let spec: BedrockModelMapSpec = serde_json::from_value(spec).unwrap();
        let resource = BedrockModelMap::new(name, spec);
        let api = self.namespace.api();
        api.create(&PostParams::default(), &resource).await.unwrap()
    }

    pub async fn get(&self, name: &str) -> BedrockModelMap {
        self.namespace.api().get(name).await.unwrap()
    }

    pub async fn status(&self, name: &str) -> BedrockModelMapStatus {
        self.get(name).await.status.unwrap_or_default()
    }

    /// Changes what the patch names, a null removes.
    pub async fn patch(&self, name: &str, patch: Value) -> BedrockModelMap {
        let (api, parameters) = (self.namespace.api(), PatchParams::default());
        api.patch(name, &parameters, &Patch::Merge(patch))
            .await
            .unwrap()
    }

    pub async fn patch_status(&self, name: &str, patch: Value) {
        let (api, parameters) = (
            self.namespace.api::<BedrockModelMap>(),
            PatchParams::default(),
        );
        let patch = Patch::Merge(json!({ "status": patch }));
        api.patch_status(name, &parameters, &patch).await.unwrap();
    }

    pub async fn delete(&self, name: &str) {
        let api = self.namespace.api::<BedrockModelMap>();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Once all that the user wants has been done, whatever came of it.
    pub async fn settled(&self, name: &str) -> BedrockModelMap {
        let settled = |resource: &BedrockModelMap| {
            let status = resource.status.clone().unwrap_or_default();
            let token = resource
                .annotations()
                .get("bedrock.modelmap.dev/requestedAt");
            status.observed_generation == resource.metadata.generation
                && condition(resource, "Reconciling")[0] != "True"
                && token == status.last_handled_refresh_request.as_ref()
        };
        self.until(name, settled).await
    }

    /// As [`Fixture::settled`]; what the status says then has to be true.
    pub async fn sound(&self, name: &str) -> BedrockModelMap {
        let resource = self.settled(name).await;
        check_status(self, &resource).await;
        resource
    }

    /// Once the resource is so.
    pub async fn until(
        &self,
        name: &str,
        is_so: impl Fn(&BedrockModelMap) -> bool,
    ) -> BedrockModelMap {
        eventually(async || {
            let resource = self.get(name).await;
            if is_so(&resource) {
                Ok(resource)
            } else {
                Err(serde_json::to_string_pretty(&resource.status).unwrap())
            }
        })
        .await
    }

    /// Asks for a refresh, and waits for it.
    pub async fn refresh(&self, name: &str, token: &str) -> BedrockModelMap {
        self.request_refresh(name, token).await;
        self.settled(name).await
    }

    pub async fn request_refresh(&self, name: &str, token: &str) {
        let annotations = json!({ "bedrock.modelmap.dev/requestedAt": token });
        self.patch(name, json!({"metadata": {"annotations": annotations}}))
            .await;
    }

    pub async fn config_map(&self, name: &str) -> ConfigMap {
        self.namespace.api().get(name).await.unwrap()
    }

    /// How many models the region's `ConfigMap` has.
    pub async fn published_models(&self, name: &str, region: &str) -> usize {
        let config_map = self.config_map(&format!("{name}-{region}")).await;
        file(&config_map, "models.json").as_object().unwrap().len()
    }

    pub async fn has_config_map(&self, name: &str) -> bool {
        let api = self.namespace.api::<ConfigMap>();
        api.get_opt(name).await.unwrap().is_some()
    }

    pub async fn patch_config_map(&self, name: &str, patch: Value) -> ConfigMap {
        let (api, parameters) = (self.namespace.api(), PatchParams::default());
        api.patch(name, &parameters, &Patch::Merge(patch))
            .await
            .unwrap()
    }

    pub async fn delete_config_map(&self, name: &str) {
        let api = self.namespace.api::<ConfigMap>();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// All `ConfigMaps` that carry the resource's label, by name.
    pub async fn config_maps(&self, name: &str) -> BTreeMap<String, ConfigMap> {
        let api = self.namespace.api::<ConfigMap>();
        let labels = ListParams::default().labels(&format!("bedrock.modelmap.dev/name={name}"));
        let list = api.list(&labels).await.unwrap();
        list.into_iter().map(|c| (c.name_any(), c)).collect()
    }

    /// The resource versions of the same: which of them were written.
    pub async fn versions(&self, name: &str) -> BTreeMap<String, String> {
        let config_maps = self.config_maps(name).await.into_iter();
        config_maps
            .map(|(name, c)| (name, c.resource_version().unwrap()))
            .collect()
    }

    /// Waits for a complete reconciliation: drift is repaired at the beginning of one, so that after the second repair
    /// the first reconciliation is over.
    pub async fn reconciled(&self, config_map: &str) {
        for _ in 0..2 {
            self.delete_config_map(config_map).await;
            eventually(async || {
                let back = self.has_config_map(config_map).await;
                back.then_some(()).ok_or("not recreated")
            })
            .await;
        }
    }
}

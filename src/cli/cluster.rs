//! The cluster of the commands that read from one.

use std::env;

use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// Namespace of the resource. Default: the namespace of the kubeconfig's context, or the Pod's
    /// own in a cluster.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Context of the kubeconfig. Default: its current context.
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
}

/// Why a command has no cluster to read from.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterError {
    #[error("no cluster: set KUBECONFIG, or run inside a cluster")]
    Infer(#[source] InferConfigError),
    #[error("no cluster: set KUBECONFIG, and name a --context of it")]
    Context(#[source] KubeconfigError),
    #[error("no client for the cluster")]
    Client(#[source] kube::Error),
}

impl ClusterArgs {
    /// Makes a client, and determines the namespace to read from.
    pub(super) async fn connect(&self) -> Result<(Client, String), ClusterError> {
        let config = match &self.context {
            None => Config::infer().await.map_err(ClusterError::Infer)?,
            Some(context) => {
                let options = KubeConfigOptions {
                    context: Some(context.clone()),
                    ..KubeConfigOptions::default()
                };
                let kubeconfig = Kubeconfig::read().map_err(ClusterError::Context)?;
                Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(ClusterError::Context)?
            }
        };
        let config = with_no_proxy(config);
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(ClusterError::Client)?;
        Ok((client, namespace))
    }
}

/// Applies `NO_PROXY` as `kubectl` does: kube compares it with the proxy's own address, and does not
/// exempt loopback.
pub(super) fn with_no_proxy(mut config: Config) -> Config {
    if let Some(proxy) = &config.proxy_url {
        let exempt = env::var("NO_PROXY").or_else(|_| env::var("no_proxy"));
        let matcher = Matcher::builder()
            .all(proxy.to_string())
            .no(format!(
                "localhost,127.0.0.0/8,::1,{}",
                exempt.unwrap_or_default()
            ))
            .build();
        if matcher.intercept(&config.cluster_url).is_none() {
            config.proxy_url = None;
        }
    }
    config
}

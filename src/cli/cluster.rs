//! The cluster as the commands that read from it find it.

use std::env;

use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// The resource's namespace. Default: that of the kubeconfig's context, or one's own in a
    /// cluster.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// The context of the kubeconfig to use. Default: its current one.
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
}

/// Why there is no cluster to talk to.
#[derive(Debug, thiserror::Error)]
#[error("no cluster: {0}; set KUBECONFIG, name a --context that is in it, or run inside a cluster")]
pub(super) struct NoCluster(String);

impl ClusterArgs {
    /// A client, and the namespace to look in.
    pub(super) async fn connect(&self) -> Result<(Client, String), NoCluster> {
        let config = match &self.context {
            None => Config::infer().await.map_err(|e| e.to_string()),
            Some(context) => {
                let options = KubeConfigOptions {
                    context: Some(context.clone()),
                    ..KubeConfigOptions::default()
                };
                match Kubeconfig::read() {
                    Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
                    Err(error) => Err(error),
                }
                .map_err(|e| e.to_string())
            }
        };
        let config = proxied_as_wanted(config.map_err(NoCluster)?);
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|e| NoCluster(e.to_string()))?;
        Ok((client, namespace))
    }
}

/// Goes by the proxy that kubeconfig or environment name, as `kubectl` does: not on loopback, and
/// not to what `NO_PROXY` names, which kube compares with the proxy's own address.
pub(super) fn proxied_as_wanted(mut config: Config) -> Config {
    if let Some(proxy) = &config.proxy_url {
        let named = env::var("NO_PROXY").or_else(|_| env::var("no_proxy"));
        let matcher = Matcher::builder()
            .all(proxy.to_string())
            .no(format!(
                "localhost,127.0.0.0/8,::1,{}",
                named.unwrap_or_default()
            ))
            .build();
        if matcher.intercept(&config.cluster_url).is_none() {
            config.proxy_url = None;
        }
    }
    config
}

//! What to type in another terminal.

use std::env;
use std::path::Path;

use crate::environment::{CLUSTER_MAP, NAME, REGION};

/// The region that is broken by hand: not the one that the operator also asks for the account's regions.
const BROKEN: &str = "eu-central-1";

/// Where the running parts are.
pub struct Parts<'a> {
    pub kubeconfig: &'a Path,
    pub kubectl: &'a Path,
    pub simulator: &'a str,
    pub log: &'a Path,
}

/// Commands that work as long as the demo runs.
pub fn describe(parts: &Parts<'_>) -> String {
    let Parts {
        kubeconfig,
        kubectl,
        simulator,
        log,
    } = parts;
    let alias = if is_on_path("kubectl") {
        String::new()
    } else {
        format!("\n  alias kubectl={}", kubectl.display())
    };
    format!(
        r#"Try these in another terminal:

  export KUBECONFIG={kubeconfig}{alias}

  # the summary, as it changes
  kubectl get bmm -A -o wide --watch
  # every region's state
  kubectl describe bmm {NAME}
  # how each model is invoked from {REGION}
  kubectl get configmap {NAME}-{REGION} -o jsonpath='{{.data.invocation\.json}}'
  # break {BROKEN} and force a refresh: the region gets Stale, its ConfigMap keeps the last good data
  curl -X PUT {simulator}/_simulator/faults -H 'content-type: application/json' -d '[{{"region": "{BROKEN}", "fault": "accessDenied"}}]'
  kubectl annotate bmm {NAME} --overwrite bedrock.modelmap.dev/requestedAt="$(date)"
  # heal it, and force a refresh again
  curl -X DELETE {simulator}/_simulator/faults
  kubectl annotate bmm {NAME} --overwrite bedrock.modelmap.dev/requestedAt="$(date)"
  # one more namespace gets its map from the cluster map {CLUSTER_MAP}
  kubectl create namespace team-d
  kubectl label namespace team-d bedrock=yes
  kubectl get cbmm,bmm -A
  # a deleted ConfigMap comes back
  kubectl delete configmap {NAME}-{REGION}
  # what the operator says
  tail -f {log}

Ctrl-C ends all of it.
"#,
        kubeconfig = kubeconfig.display(),
        log = log.display(),
    )
}

fn is_on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

//! A team's namespace: its map, and a workload that mounts a part of it.

use std::collections::BTreeMap;
use std::fs;

use control_plane::kubectl::Kubectl;
use control_plane::{ControlPlane, Program};

use crate::bedrock::EXAMPLE;
use crate::error::Error;
use crate::wait::until;

const NAMESPACE: &str = "team-a";
const MAP: &str = include_str!("../manifests/map.yaml");
const WORKLOAD: &str = include_str!("../manifests/workload.yaml");

/// What the operator has published.
const PUBLISHED: &str = "app.kubernetes.io/managed-by=bedrock-model-map";

const TIMEOUT: &str = "--timeout=120s";

pub struct Workload<'a> {
    kubectl: &'a Kubectl,
    watch: Program,
}

impl<'a> Workload<'a> {
    pub fn new(kubectl: &'a Kubectl, control_plane: &ControlPlane) -> Self {
        let arguments = [
            "get",
            "configmaps",
            "--watch",
            "--output-watch-events",
            "--no-headers",
            &format!("--kubeconfig={}", control_plane.kubeconfig().display()),
            &format!("--namespace={NAMESPACE}"),
            &format!("--selector={PUBLISHED}"),
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        Self {
            watch: control_plane.program("watch", kubectl.program(), arguments),
            kubectl,
        }
    }

    /// Declares the map, and waits until it is published.
    pub async fn map(&self) -> Result<(), Error> {
        self.kubectl.run_with(&["apply", "-f", "-"], MAP).await?;
        let ready = ["wait", "bmm/bedrock", "--for=condition=Ready", TIMEOUT];
        self.run(&ready).await?;
        Ok(())
    }

    /// From now on every event of what is published is kept.
    pub async fn watch(&self) -> Result<(), Error> {
        self.watch.start()?;
        let log = async || Ok(self.watch.log_tail());
        let all = |log: &str| log.lines().count() == 3;
        until("a watch that lists three ConfigMaps", log, all).await?;
        Ok(())
    }

    /// Starts the workload.
    pub async fn deploy(&self) -> Result<(), Error> {
        self.kubectl
            .run_with(&["apply", "-f", "-"], WORKLOAD)
            .await?;
        self.run(&["rollout", "status", "deployment/workload", TIMEOUT])
            .await?;
        Ok(())
    }

    /// Forces a refresh and waits until it is published.
    pub async fn refresh(&self, token: &str) -> Result<(), Error> {
        let request = format!("bedrock.modelmap.dev/requestedAt={token}");
        self.run(&["annotate", "bmm/bedrock", "--overwrite", &request])
            .await?;
        let handled = format!("--for=jsonpath={{.status.lastHandledRefreshRequest}}={token}");
        self.run(&["wait", "bmm/bedrock", &handled, TIMEOUT])
            .await?;
        Ok(())
    }

    /// Waits until the workload says that it reads these models: how many, and those of the provider [`EXAMPLE`].
    pub async fn reads(&self, ids: &[String]) -> Result<(), Error> {
        let examples = ids.iter().filter(|id| id.starts_with(EXAMPLE));
        let mut examples: Vec<_> = examples.map(String::as_str).collect();
        examples.sort_unstable();
        let expected = format!("{} models; {}", ids.len(), examples.join(" "));
        let log = async || self.run(&["logs", "deployment/workload", "--tail=1"]).await;
        let awaited = format!("`{expected}` in the workload's log");
        let is_expected = |log: &str| log.trim_end() == expected.trim_end();
        until(&awaited, log, is_expected).await?;
        Ok(())
    }

    /// What identifies each thing that must stay, whatever happens to the operator: the map, what is published of it,
    /// and the workload's Pod with the number of its restarts.
    pub async fn possessions(&self) -> Result<String, Error> {
        let name = "{.kind}/{.metadata.name} {.metadata.uid}";
        let path = format!(r#"jsonpath={{range .items[*]}}{name}{{"\n"}}{{end}}"#);
        let maps = self.run(&["get", "bmm", "-o", &path]).await?;
        let published = ["get", "configmaps", "-l", PUBLISHED, "-o", &path];
        let published = self.run(&published).await?;
        let restarts = "restarts: {.status.containerStatuses[*].restartCount}";
        let path = format!(r#"jsonpath={{range .items[*]}}{name} {restarts}{{"\n"}}{{end}}"#);
        let pods = self.run(&["get", "pods", "-o", &path]).await?;
        Ok(format!("{maps}{published}{pods}"))
    }

    /// How many events of each kind each `ConfigMap` had since the watch began. An error if the watch has ended.
    pub fn events(&self) -> Result<String, Error> {
        self.watch.check()?;
        let log = fs::read_to_string(self.watch.log())?;
        let mut counts = BTreeMap::<_, usize>::new();
        for line in log.lines() {
            let words: Vec<_> = line.split_whitespace().take(2).collect();
            *counts.entry(words.join(" ")).or_default() += 1;
        }
        let counts: Vec<_> = counts
            .iter()
            .map(|(event, count)| format!("{event}: {count}"))
            .collect();
        Ok(counts.join("\n"))
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, control_plane::kubectl::Error> {
        let namespace = ["--namespace", NAMESPACE];
        self.kubectl.run(&[arguments, &namespace].concat()).await
    }
}

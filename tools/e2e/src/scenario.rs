//! The steps of the test on the machine.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use control_plane::ControlPlane;
use control_plane::kubectl::Kubectl;
use control_plane::machine::Machine;
use control_plane::node::Node;

use crate::bedrock::Bedrock;
use crate::caller::{self, Caller};
use crate::cluster_map::ClusterMap;
use crate::error::Error;
use crate::helm::Helm;
use crate::images;
use crate::operator::Operator;
use crate::step::{shown, skip, step};
use crate::workload::Workload;

const NAMESPACES: &str = include_str!("../manifests/namespaces.yaml");

/// What the scenario needs besides the machine.
pub struct Tools {
    pub helm: PathBuf,
    /// The chart that was released before.
    pub previous_chart: Option<PathBuf>,
}

/// Starts all parts, runs the scenario, and describes the cluster if it fails.
pub async fn run(machine: &Machine, tools: &Tools) -> Result<(), Error> {
    let archives = async { images::write(machine) };
    let archives = step("Making the images of operator and simulator", archives).await?;
    let what = "Starting etcd, kube-apiserver and kube-controller-manager";
    let control_plane = step(what, ControlPlane::start_in(machine)).await?;
    let what = "Starting kube-scheduler, containerd and kubelet";
    let node = step(what, Node::start(machine, &control_plane, &archives)).await?;

    let kubectl = Kubectl::of(&control_plane);
    let scenario = Scenario {
        bedrock: Bedrock::new(&kubectl),
        operator: Operator::new(
            &kubectl,
            Helm::of(&tools.helm, &control_plane),
            machine.file("values.json"),
        ),
        workload: Workload::new(&kubectl, &control_plane),
        caller: Caller::new(&kubectl),
        cluster_map: ClusterMap::new(&kubectl),
    };
    let outcome = scenario
        .run(&kubectl, tools.previous_chart.as_deref())
        .await;
    if outcome.is_err() {
        describe(&kubectl, &node).await;
    }
    outcome
}

struct Scenario<'a> {
    bedrock: Bedrock<'a>,
    operator: Operator<'a>,
    workload: Workload<'a>,
    caller: Caller<'a>,
    cluster_map: ClusterMap<'a>,
}

impl Scenario<'_> {
    async fn run(&self, kubectl: &Kubectl, previous_chart: Option<&Path>) -> Result<(), Error> {
        step("Starting a simulated Bedrock", self.start_bedrock(kubectl)).await?;
        let what = match previous_chart {
            Some(_) => "Installing the chart that was released before",
            None => "Installing the chart",
        };
        step(what, self.operator.upgrade(previous_chart, &[])).await?;
        let what = "Declaring a map and a workload that mounts it";
        step(what, self.populate()).await?;
        let what = "A refresh reaches the workload";
        step(what, self.refresh("one")).await?;
        self.follow_an_alias().await?;

        let what = "Upgrading to this chart";
        if previous_chart.is_some() {
            let upgrade = self.operator.upgrade(None, &[]);
            step(what, self.replaces_nothing(upgrade)).await?;
        } else {
            skip(what, "no --previous-chart to upgrade from");
        }
        let what = "A cluster map keeps a map in each of two namespaces";
        shown(&step(what, self.cluster_map.declare()).await?);
        let children = self.cluster_map.children().await?;
        let settings = ["regionTimeoutSeconds=30", "resources.requests.cpu=10m"];
        let upgrade = self.operator.upgrade(None, &settings);
        let what = "Upgrading to other values";
        step(what, self.replaces_nothing(upgrade)).await?;
        let what = "The leader is killed, and a refresh by the other reaches the workload";
        step(what, self.replaces_nothing(self.survive_the_leader())).await?;

        let what = "Uninstalling, which leaves maps and ConfigMaps";
        let uninstall = self.operator.uninstall();
        step(what, self.replaces_nothing(uninstall)).await?;
        let what = "Installing again";
        let install = self.operator.upgrade(None, &[]);
        step(what, self.replaces_nothing(install)).await?;
        let what = "A refresh by the new operator reaches the workload";
        step(what, self.replaces_nothing(self.refresh("three"))).await?;

        let what = "The cluster map has the maps that it had, and a namespace leaves";
        step(what, self.leave_cluster_map(children)).await?;
        let what = "Nothing was written but what the three refreshes changed";
        step(what, self.only_refreshes_wrote()).await
    }

    /// A Deployment calls the model of an alias, and the one that the alias moves to.
    async fn follow_an_alias(&self) -> Result<(), Error> {
        let endpoint = self.bedrock.endpoint().await?;
        let what = "A Deployment with envFrom calls the model of its alias";
        shown(&step(what, self.caller.deploy(&endpoint)).await?);
        let moves = async {
            self.bedrock.remove_model(caller::FIRST).await?;
            self.caller.moves().await
        };
        let what = "The region loses that model, and the alias moves to its next candidate";
        shown(&step(what, moves).await?);
        let what = "The ConfigMap's hash in the Pod template rolls the Deployment";
        shown(&step(what, self.caller.roll()).await?);
        Ok(())
    }

    async fn leave_cluster_map(&self, children: String) -> Result<(), Error> {
        let what = "a map of the cluster map was replaced";
        same(what, children, self.cluster_map.children().await?)?;
        self.cluster_map.leave().await
    }

    async fn start_bedrock(&self, kubectl: &Kubectl) -> Result<(), Error> {
        kubectl.run_with(&["apply", "-f", "-"], NAMESPACES).await?;
        let endpoint = self.bedrock.start().await?;
        self.operator.set_endpoint(&endpoint)
    }

    async fn populate(&self) -> Result<(), Error> {
        self.workload.map().await?;
        self.workload.watch().await?;
        self.workload.deploy().await?;
        self.workload.reads(&self.bedrock.model_ids().await?).await
    }

    /// Another model in the region, a forced refresh, and a workload that sees it.
    async fn refresh(&self, name: &str) -> Result<(), Error> {
        self.bedrock.add_model(name).await?;
        self.workload.refresh(name).await?;
        self.workload.reads(&self.bedrock.model_ids().await?).await
    }

    async fn survive_the_leader(&self) -> Result<(), Error> {
        let killed = self.operator.kill_leader().await?;
        self.refresh("two").await?;
        let leader = self.operator.leader().await?;
        if leader == killed {
            return Err(Error::Unexpected {
                what: "the leader that was killed leads",
                expected: "another".to_owned(),
                seen: leader,
            });
        }
        self.operator.complete().await
    }

    /// The team keeps its map, what is published of it, and its Pod, which is not restarted.
    async fn replaces_nothing(
        &self,
        change: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let before = self.workload.possessions().await?;
        change.await?;
        let after = self.workload.possessions().await?;
        same("something was replaced or restarted", before, after)
    }

    async fn only_refreshes_wrote(&self) -> Result<(), Error> {
        let expected = [
            "ADDED bedrock-eu-central-1: 1",
            "ADDED bedrock-mapping: 1",
            "ADDED bedrock-us-east-1: 1",
            "MODIFIED bedrock-mapping: 3",
            "MODIFIED bedrock-us-east-1: 3",
        ];
        let what = "the ConfigMaps had other events";
        same(what, expected.join("\n"), self.workload.events()?)?;
        let what = "the operator's containers were restarted";
        same(what, "0 0".to_owned(), self.operator.restarts().await?)
    }
}

fn same(what: &'static str, expected: String, seen: String) -> Result<(), Error> {
    if expected == seen {
        return Ok(());
    }
    Err(Error::Unexpected {
        what,
        expected,
        seen,
    })
}

/// Prints what explains why Pods do not run.
async fn describe(kubectl: &Kubectl, node: &Node) {
    let mut err = io::stderr();
    let operator = "app.kubernetes.io/name=bedrock-model-map";
    for command in [
        "get pods --all-namespaces -o wide",
        "get cbmm,bmm --all-namespaces -o wide",
        "get events --all-namespaces --sort-by=.lastTimestamp",
        &format!("logs --all-containers --prefix --tail=50 -n bedrock-system -l {operator}"),
    ] {
        let arguments: Vec<_> = command.split(' ').collect();
        let seen = kubectl.run(&arguments).await;
        let seen = seen.unwrap_or_else(|error| error.to_string());
        let _ = writeln!(err, "\n--- kubectl {command}\n{seen}");
    }
    let _ = writeln!(err, "\n--- end of the kubelet's log\n{}", node.log_tail());
}

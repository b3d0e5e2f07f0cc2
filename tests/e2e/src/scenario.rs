//! What is played on the machine.

use control_plane::ControlPlane;
use control_plane::kubectl::Kubectl;
use control_plane::machine::Machine;
use control_plane::node::Node;

use crate::error::Error;
use crate::step::step;
use crate::wait::until;

const READER: &str = include_str!("../manifests/reader.yaml");

pub async fn play(machine: &Machine) -> Result<(), Error> {
    let control_plane = step(
        "Starting etcd, kube-apiserver and kube-controller-manager",
        ControlPlane::start_in(machine),
    )
    .await?;
    let _node = step(
        "Starting kube-scheduler, containerd and kubelet",
        Node::start(machine, &control_plane, &[]),
    )
    .await?;
    let kubectl = Kubectl::of(&control_plane);
    step(
        "A Pod reads a ConfigMap and sees its change",
        mount(&kubectl),
    )
    .await
}

async fn mount(kubectl: &Kubectl) -> Result<(), Error> {
    kubectl.run_with(&["apply", "-f", "-"], READER).await?;
    let log = async || kubectl.run(&["logs", "reader"]).await;
    until("the first content in the Pod's log", log, |log| {
        log == "one\n"
    })
    .await?;
    let change = [
        "patch",
        "configmap",
        "text",
        "-p",
        r#"{"data": {"line": "two\n"}}"#,
    ];
    kubectl.run(&change).await?;
    until("the change in the Pod's log", log, |log| {
        log == "one\ntwo\n"
    })
    .await?;
    Ok(())
}
